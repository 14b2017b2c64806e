"""Which Python fits a remote, who may bring it, and that it is packed to the same bytes each time."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

import pytest

from runicorn_jupyter.remote.setup import standalone
from runicorn_jupyter.remote.setup.standalone import Platform, where_from

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs and links of a POSIX system")


def linux(machine: str = "x86_64", libc: str = "gnu", glibc: str = "2.31", uv: str = "") -> Platform:
    return Platform("Linux", machine, libc, glibc, uv)


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of uv's name, the first on this machine's PATH."""
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


@pytest.mark.parametrize(
    ("platform", "request_"),
    [
        (linux(), "cpython-3.12-linux-x86_64-gnu"),
        (linux("aarch64", "musl", ""), "cpython-3.12-linux-aarch64-musl"),
        (linux("ppc64le"), "cpython-3.12-linux-powerpc64le-gnu"),
        (linux("sparc64"), None),
        (linux(libc=""), None),
        (Platform("FreeBSD", "amd64", "", "", ""), None),
    ],
)
def test_the_build_is_named_as_uv_names_it(platform: Platform, request_: str | None) -> None:
    assert platform.request == request_


@pytest.mark.usefixtures("uv")
def test_the_remotes_own_uv_comes_first_and_an_old_c_library_takes_none() -> None:
    assert where_from(linux(uv="/home/ada/.local/bin/uv")) == "remote"
    assert where_from(linux()) == "local"
    assert where_from(linux("sparc64")) is None
    old = linux(glibc="2.12", uv="/home/ada/.local/bin/uv")
    assert where_from(old) is None
    assert "glibc 2.12, is older than 2.17" in (old.problem or "")
    assert linux(glibc="2.17").problem is None
    assert linux(libc="musl", glibc="").problem is None


def test_without_a_uv_nobody_brings_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert where_from(linux()) is None


def test_it_is_packed_to_the_same_bytes_without_what_nobody_needs(tmp_path: Path) -> None:
    archives = []
    for number in range(2):
        python = tmp_path / f"{number}"
        for name in ("lib/os.py", "lib/a/test/x.py", "lib/a/__pycache__/x", "include/x.h", "bin/python3.12"):
            (python / name).parent.mkdir(parents=True, exist_ok=True)
            (python / name).write_text(name)
        (python / "bin" / "python3").symlink_to("python3.12")
        os.utime(python / "lib" / "os.py", (number, number))
        archives.append(standalone._pack(python, tmp_path / f"{number}.tar.gz"))
    assert archives[0].sha256 == archives[1].sha256
    with tarfile.open(archives[0].path) as tar:
        files = sorted(each.name for each in tar if not each.isdir())
    assert files == ["bin/python3", "bin/python3.12", "lib/os.py"]
