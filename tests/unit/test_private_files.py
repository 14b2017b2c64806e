"""The modes of what we write on the Jupyter side, under the worst umask; and whose files are believed."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.errors import InternalError
from runicorn_jupyter.models import Profile
from runicorn_jupyter.private_files import NotPrivate, append_line, own_folder, read_own, replace, write_own
from runicorn_jupyter.proxy.local_storage import Change, StorageFolder
from runicorn_jupyter.service.profile_store import Profiles

needs_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Nothing is taken away from what a program asks for."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode) for path in root.rglob("*")}


def write_profile(root: Path) -> None:
    Profiles(root / "local" / "share" / "runicorn" / "profiles.json").save(Profile(name="a", host="a"))


def write_line(root: Path) -> None:
    append_line(root / "home" / ".ssh" / "known_hosts", b"a line\n")


def write_anew(root: Path) -> None:
    replace(root / "home" / ".ssh" / "known_hosts", lambda _: b"a line\n")


async def test_what_a_page_keeps_is_its_owners_at_each_level(tmp_path: Path) -> None:
    folder = StorageFolder(tmp_path / "share" / "runicorn_jupyter" / "storage")
    (await folder.open("alice at host", "/data")).apply(Change.parse(b'{"set": {"a": "1"}}'))
    await folder.close()
    assert set(modes(tmp_path).values()) == {0o700, 0o600}


@pytest.mark.parametrize("write", [write_profile, write_line, write_anew])
def test_each_level_is_the_owners_alone(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    found = modes(tmp_path)
    assert len(found) >= 3
    for path, mode in found.items():
        assert mode == (0o700 if (tmp_path / path).is_dir() else 0o600), path


def test_text_that_somebody_broke_is_kept_for_them_alone(tmp_path: Path) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    write_own_text(path, '{"profiles": [{"password": "hunter2"}')
    Profiles(path).save(Profile(name="a", host="a"))
    assert path.with_suffix(".broken.json").read_text().endswith('"hunter2"}')
    assert modes(path.parent) == {"profiles.json": 0o600, "profiles.broken.json": 0o600}


def write_own_text(path: Path, text: str) -> None:
    own_folder(path.parent)
    write_own(path, text.encode())


def test_a_folder_that_stands_open_is_closed_before_it_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "runicorn"
    folder.mkdir(mode=0o777)
    Profiles(folder / "profiles.json").save(Profile(name="a", host="a"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(tmp_path.stat().st_mode) != 0o777


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_could_have_written_is_neither_read_nor_written(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    text = json.dumps({"profiles": [{"name": "evil", "host": "evil.example"}]})
    write_own_text(path, text)
    assert [one.name for one in Profiles(path).list()] == ["evil"]
    path.chmod(mode)
    for use in (Profiles(path).list, lambda: Profiles(path).save(Profile(name="a", host="a"))):
        with pytest.raises(InternalError, match=r"others may write to it \(chmod go-w\)\."):
            use()
    assert path.read_text() == text


@needs_root
def test_what_belongs_to_somebody_else_is_neither_read_nor_written(tmp_path: Path) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    write_own_text(path, "{}")
    os.chown(path, 12345, -1)
    with pytest.raises(NotPrivate):
        read_own(path, 100)
    for use in (Profiles(path).list, lambda: Profiles(path).save(Profile(name="a", host="a"))):
        with pytest.raises(InternalError, match="belongs to another user"):
            use()
    os.chown(path, 0, -1)
    os.chown(path.parent, 12345, -1)
    with pytest.raises(InternalError, match="belongs to another user"):
        Profiles(path).save(Profile(name="a", host="a"))
    assert path.read_text() == "{}"


@pytest.mark.parametrize("text", ["[" * 100_000, '{"profiles":' * 100_000, "1" * 10_000, "NaN", "\ud800"])
def test_a_file_that_is_nested_without_end_counts_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    own_folder(path.parent)
    write_own(path, text.encode("utf-8", "surrogatepass"))
    assert Profiles(path).list() == []
    Profiles(path).save(Profile(name="a", host="a"))
    assert [one.name for one in Profiles(path).list()] == ["a"]


def test_what_cannot_be_read_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "runicorn" / "profiles.json"
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(InternalError, match="cannot be read"):
        Profiles(path).list()
    path.unlink()
    assert read_own(path, 3) == b""
    write_own(path, b"1234")
    assert read_own(path, 4) == b"1234"
    with pytest.raises(OSError, match="longer than 3"):
        read_own(path, 3)
