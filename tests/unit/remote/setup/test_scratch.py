"""What a killed process left goes with the next folder; what is in use, young or another's stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runicorn_jupyter.remote.setup.scratch import YOUNG_SECONDS, scratch_folder

PREFIX = "scratch-test-"
HOLD = f"""
import sys
from runicorn_jupyter.remote.setup.scratch import scratch_folder
with scratch_folder({PREFIX!r}) as folder:
    (folder / "file").write_text("large")
    print(folder, flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is swept there")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for temporary files of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def hold() -> tuple[subprocess.Popen[str], Path]:
    """Let another process have such a folder, one that is not young."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    age(folder)
    return process, folder


def age(folder: Path) -> None:
    old = folder.stat().st_mtime - YOUNG_SECONDS - 1
    os.utime(folder, (old, old))


def test_it_is_there_for_the_block(place: Path) -> None:
    with scratch_folder(PREFIX) as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_is_used_stays(place: Path) -> None:
    used, its = hold()
    killed, left = hold()
    killed.kill()
    killed.communicate()
    young = place / f"{PREFIX}young"
    young.mkdir()
    (place / f"{PREFIX}link").symlink_to(place / "elsewhere")
    (place / "elsewhere").mkdir()
    with scratch_folder(PREFIX):
        assert not left.exists()
        assert (its / "file").exists()
    assert young.exists()
    assert (place / "elsewhere").exists()
    used.communicate("")
    assert not its.exists()


def test_a_folder_of_somebody_else_stays(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    other = place / f"{PREFIX}other"
    other.mkdir()
    age(other)
    os.chown(other, 12345, -1)
    with scratch_folder(PREFIX):
        assert other.exists()
