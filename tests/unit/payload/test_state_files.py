"""Where a viewer's state is kept, whose it is, and what is believed of it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.state_files import (
    MAX_STATE_BYTES,
    Folder,
    Machine,
    NoLocks,
    candidates,
    is_alive,
    open_folder,
    start_time,
)

KEY = "0123456789abcdef01234567"


@pytest.fixture
def machine() -> Machine:
    return Machine.here()


@pytest.fixture
def folder(tmp_path: Path, machine: Machine) -> Folder:
    return Folder(str(tmp_path / "runicorn-jupyter" / machine.folder), machine)


def state(machine: Machine, **changes: Any) -> dict[str, Any]:
    own = {
        "host": machine.host,
        "boot": machine.boot,
        "uid": machine.uid,
        "pid": os.getpid(),
        "start_time": start_time(os.getpid()),
        "port": 1234,
        "secret": "s" * 43,
    }
    return own | changes


def test_a_process_is_its_id_and_its_start_time() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        started = start_time(child.pid)
        assert started
        assert started == start_time(child.pid)
    finally:
        child.kill()
    # Until it is waited for it is a zombie, which is no process.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid) is None
    child.wait()
    assert start_time(child.pid) is None


def test_ps_agrees_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.path.exists

    def no_proc(path: str) -> bool:
        return not str(path).startswith("/proc") and real(path)

    monkeypatch.setattr(os.path, "exists", no_proc)

    def no_file(path: str, _mode: str) -> None:
        raise FileNotFoundError(path)

    monkeypatch.setitem(start_time.__globals__, "open", no_file)
    expected = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(os.getpid())],
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert start_time(os.getpid()) == " ".join(expected.stdout.split())


@pytest.mark.parametrize(
    "changes", [{"start_time": "1"}, {"host": "other"}, {"boot": "other"}, {"uid": 12345}, {"pid": 2**22 + 1}]
)
def test_a_state_of_something_else_is_not_alive(machine: Machine, changes: dict[str, Any]) -> None:
    assert is_alive(state(machine), machine)
    assert not is_alive(state(machine, **changes), machine)


def test_a_state_is_private_and_found_again(folder: Folder, machine: Machine) -> None:
    folder.write(KEY, state(machine))
    path = Path(folder.path, f"{KEY}.json")
    assert path.stat().st_mode & 0o777 == 0o600
    for one in (path.parent, path.parent.parent):
        assert one.stat().st_mode & 0o777 == 0o700
    assert folder.running(KEY) == state(machine)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "{}", '{"pid": "1"}', "\xff", "{" + " " * MAX_STATE_BYTES + "}"]
)
def test_a_state_of_another_form_is_none(folder: Folder, content: str) -> None:
    path = Path(folder.path, f"{KEY}.json")
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    assert folder.read(KEY) is None


def test_a_state_that_others_can_write_or_that_is_a_link_is_none(
    folder: Folder, machine: Machine, tmp_path: Path
) -> None:
    path = Path(folder.path, f"{KEY}.json")
    path.write_text(json.dumps(state(machine)))
    path.chmod(0o620)
    assert folder.read(KEY) is None
    path.chmod(0o600)
    assert folder.read(KEY) is not None
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert folder.read(KEY) is None
    path.unlink()
    os.mkfifo(path)
    assert folder.read(KEY) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_not_used(folder: Folder, machine: Machine, tmp_path: Path) -> None:
    folder.write(KEY, state(machine))
    os.chown(Path(folder.path, f"{KEY}.json"), 12345, -1)
    assert folder.read(KEY) is None
    squatted = tmp_path / "squatted" / "runicorn-jupyter"
    squatted.mkdir(parents=True)
    os.chown(squatted, 12345, -1)
    with pytest.raises(PermissionError):
        Folder(str(squatted / machine.folder), machine)


def test_a_folder_that_is_a_link_is_not_used(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "runicorn-jupyter").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        Folder(str(tmp_path / "runicorn-jupyter" / "m"), machine)


def test_a_folder_that_is_open_to_others_is_closed_to_them(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "runicorn-jupyter" / machine.folder
    path.mkdir(parents=True)
    path.chmod(0o777)
    Folder(str(path), machine)
    assert path.stat().st_mode & 0o777 == 0o700


def test_each_level_is_its_owners_alone_whatever_the_umask(machine: Machine, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = Folder(str(tmp_path / "home" / ".local" / "state" / "runicorn-jupyter" / "m"), machine)
        folder.write(KEY, state(machine))
        os.close(folder.open_log(KEY))
        os.close(folder.lock(KEY, 5))
    finally:
        os.umask(before)
    found = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert len(found) == 8
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if not path.is_dir()} == {0o600}


def test_a_folder_that_is_exchanged_later_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    """Somebody who may write above our folder puts a link in its place: what they chose is not touched."""
    base = Path(folder.path).parent
    old = base / f"{Path(folder.path).name.rpartition('.')[0]}.old-boot"
    precious = tmp_path / "precious" / old.name
    for path in (old, precious):
        path.mkdir(parents=True)
        (path / "x.json").touch()
        os.utime(path, (0, 0))
    base.rename(tmp_path / "moved")
    base.symlink_to(precious.parent)
    folder.prune()
    folder.write(KEY, {"pid": 1})
    folder.forget(KEY, 1, cleanup=True)
    assert [path.name for path in precious.iterdir()] == ["x.json"]
    assert not (tmp_path / "moved" / old.name).exists()


def test_what_a_link_within_leads_to_is_not_removed(folder: Folder, tmp_path: Path) -> None:
    base, host = Path(folder.path).parent, Path(folder.path).name.rpartition(".")[0]
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "x").touch()
    (base / f"{host}.link").symlink_to(precious)
    (base / f"{host}.old").mkdir()
    (base / f"{host}.old" / "inner").symlink_to(precious)
    os.utime(base / f"{host}.link", (0, 0), follow_symlinks=False)
    os.utime(base / f"{host}.old", (0, 0))
    folder.prune()
    assert not (base / f"{host}.old").exists()
    assert [path.name for path in precious.iterdir()] == ["x"]


def test_a_lock_is_one_starts_at_a_time(folder: Folder, machine: Machine) -> None:
    held = folder.lock(KEY, 5)
    with pytest.raises(TimeoutError):
        Folder(folder.path, machine).lock(KEY, 0.1)
    other = Folder(folder.path, machine)
    threading.Timer(0.1, os.close, [held]).start()
    os.close(other.lock(KEY, 5))


def test_a_lock_whose_file_is_cleaned_up_is_taken_anew(folder: Folder, machine: Machine) -> None:
    held = folder.lock(KEY, 5)

    def clean_up() -> None:
        folder.forget(KEY, 1, cleanup=True)
        os.makedirs(folder.path, mode=0o700, exist_ok=True)  # noqa: PTH103
        os.close(held)

    threading.Timer(0.1, clean_up).start()
    other = Folder(folder.path, machine)
    Path(folder.path, "keeps-the-folder").touch()
    taken = other.lock(KEY, 5)
    assert os.fstat(taken).st_ino == Path(folder.path, f"{KEY}.lock").stat().st_ino
    os.close(taken)


def test_only_its_own_state_is_forgotten(folder: Folder, machine: Machine) -> None:
    folder.write(KEY, state(machine, pid=1))
    folder.forget(KEY, os.getpid(), cleanup=True)
    assert folder.read(KEY) is not None
    folder.write(KEY, state(machine))
    os.close(folder.open_log(KEY))
    folder.forget(KEY, os.getpid(), cleanup=False)
    assert folder.read(KEY) is None
    assert Path(folder.path, f"{KEY}.log").exists()
    folder.forget(KEY, os.getpid(), cleanup=True)
    assert not Path(folder.path).parent.exists()


def test_what_is_claimed_is_not_cleaned_up_by_the_one_before(folder: Folder, machine: Machine) -> None:
    folder.write(KEY, state(machine, pid=1))
    folder.forget(KEY, 1, cleanup=False)  # it ends
    lock = folder.lock(KEY, 5)
    folder.claim(KEY, lock)
    assert folder.read(KEY) is None  # a claim is no viewer
    assert folder.running(KEY) is None
    os.close(folder.open_log(KEY))
    folder.forget(KEY, 1, cleanup=True)  # it has ended
    assert {path.name for path in Path(folder.path).iterdir()} == {f"{KEY}.json", f"{KEY}.lock", f"{KEY}.log"}
    folder.write(KEY, state(machine))
    assert folder.running(KEY) == state(machine)
    folder.forget(KEY, os.getpid(), cleanup=True)
    assert not Path(folder.path).parent.exists()
    os.close(lock)


@pytest.mark.parametrize("others", [False, True], ids=["with its folder", "alone"])
def test_a_lock_that_was_cleaned_up_claims_nothing(folder: Folder, others: bool) -> None:
    lock = folder.lock(KEY, 5)
    if others:
        Path(folder.path, "of-another-viewer").touch()
    folder.forget(KEY, 1, cleanup=True)
    with pytest.raises(FileNotFoundError):
        folder.claim(KEY, lock)
    os.close(lock)


def test_a_new_log_keeps_the_one_before(folder: Folder) -> None:
    for text in (b"first", b"second"):
        descriptor = folder.open_log(KEY)
        os.write(descriptor, text)
        os.close(descriptor)
    assert Path(folder.path, f"{KEY}.log").read_bytes() == b"second"
    assert Path(folder.path, f"{KEY}.log.1").read_bytes() == b"first"


def test_what_is_long_gone_is_removed_and_nothing_else(folder: Folder, machine: Machine) -> None:
    base = Path(folder.path).parent
    days = {f"{machine.host}.old-boot": 2, f"{machine.host}.young": 0, "other.boot": 2, "other.older": 31}
    for name, age in days.items():
        (base / name).mkdir()
        (base / name / "x.json").touch()
        then = (base / name).stat().st_mtime - age * 86400
        os.utime(base / name, (then, then))
    folder.prune()
    assert {one.name for one in base.iterdir()} == {machine.folder, f"{machine.host}.young", "other.boot"}


def test_a_home_that_takes_nothing_leaves_other_places(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    temporary, runtime = tmp_path / "tmp", tmp_path / "run"
    temporary.mkdir()
    runtime.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    environ = {"XDG_STATE_HOME": str(tmp_path / "file"), "XDG_RUNTIME_DIR": str(runtime)}
    assert open_folder(environ, machine).path.startswith(str(runtime / "runicorn-jupyter"))
    del environ["XDG_RUNTIME_DIR"]
    first = open_folder(environ, machine)
    assert first.path.startswith(str(temporary / "runicorn-jupyter-state-"))
    assert open_folder(environ, machine).path == first.path


def test_a_relative_or_predictable_place_is_no_candidate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    places = candidates({"XDG_STATE_HOME": "relative", "XDG_RUNTIME_DIR": "relative"})
    first = next(places)
    places.close()
    assert Path(first).is_absolute()
    assert not first.endswith("/runicorn-jupyter")
    Path(first).rmdir()


# A file system without locks, or one whose lock service is gone, cannot be had here: only flock is replaced.
def unlockable(monkeypatch: pytest.MonkeyPatch, below: Path, fail: Callable[[], None]) -> None:
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(below):
            fail()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, 524])
def test_a_home_without_locks_leaves_the_runtime_folder(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail() -> None:
        raise OSError(code, os.strerror(code))

    unlockable(monkeypatch, tmp_path / "home", fail)
    environ = {"XDG_STATE_HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir(mode=0o700)
    folder = open_folder(environ, machine)
    assert folder.path.startswith(f"{tmp_path}/run/")
    os.close(folder.lock(KEY, 5))
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_lock_that_hangs_leaves_the_runtime_folder(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    unlockable(monkeypatch, tmp_path / "home", lambda: over.wait() and None)
    monkeypatch.setattr("runicorn_jupyter.payload.state_files.LOCK_SECONDS", 0.2)
    environ = {"XDG_STATE_HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir(mode=0o700)
    try:
        with pytest.raises(NoLocks, match="does not come to an end"):
            Folder(f"{tmp_path}/home/runicorn-jupyter/{machine.folder}", machine)
        assert open_folder(environ, machine).path.startswith(f"{tmp_path}/run/")
    finally:
        over.set()


def test_where_nothing_can_be_locked_the_first_folder_is_named(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr("runicorn_jupyter.payload.state_files._TEMPORARY", ())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with pytest.raises(OSError, match="files cannot be locked") as caught:
        open_folder({"XDG_STATE_HOME": str(tmp_path)}, machine)
    assert caught.value.filename == str(tmp_path / "runicorn-jupyter")


def test_two_who_start_at_once_meet_in_the_same_temporary_folder(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, other = candidates({"XDG_STATE_HOME": "relative"}), candidates({"XDG_STATE_HOME": "relative"})
    assert next(one) == next(other) == f"{tmp_path}/runicorn-jupyter-state-{machine.uid}"


def test_a_name_that_somebody_else_has_taken_is_not_used(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"runicorn-jupyter-state-{machine.uid}").symlink_to(tmp_path / "theirs")
    found = open_folder({"XDG_STATE_HOME": "relative"}, machine)
    assert not found.path.startswith(f"{tmp_path}/runicorn-jupyter-state-{machine.uid}/")
    assert list((tmp_path / "theirs").iterdir()) == []
