"""The private environment's folder: what is there is whole or gone, whenever its processes are ended."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.environment_lock import users_of
from runicorn_jupyter.payload.setup.place import ABANDONED_SECONDS, InUse, Place, current_facts, place_path
from runicorn_jupyter.payload.state_files import Machine

# Forks for each step that changes the disk, ends that process there, and looks at what it left.
KILLS = r"""
import json, os, signal, sys
from runicorn_jupyter.payload.setup import place as module
from runicorn_jupyter.payload.setup.place import Place, current_facts, place_path

module.users_of = lambda _prefix: []  # nothing runs in these, and looking for it is most of the time

def make(version):
    place = Place()
    lock = place.lock(10)
    place.sweep(keep_downloads=True)
    prefix = place.new_prefix()
    os.makedirs(prefix + "/bin")
    os.symlink(sys.executable, prefix + "/bin/python")
    os.makedirs(place.wheels, exist_ok=True)
    with open(prefix + "/packages", "w") as file:
        file.write(version)
    place.switch(prefix, {"runicorn_version": version})
    place.sweep()
    place.close(lock)

def remove():
    place = Place()
    lock = place.lock(10)
    place.remove()
    place.close(lock)

def is_whole():
    facts = current_facts()
    return facts and open(facts["prefix"] + "/packages").read() == facts["runicorn_version"]

CHANGES = ("os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.truncate")

def ended_at(step, work):
    child = os.fork()
    if child == 0:
        count = 0
        def hook(event, arguments):
            nonlocal count
            is_open = event == "open" and isinstance(arguments[2], int)
            if event in CHANGES or (is_open and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def each_step(prepare, work, may_be):
    wrong, step = [], 0
    is_ended = True
    while is_ended:
        step += 1
        prepare()
        is_ended = ended_at(step, work)
        facts = current_facts()
        version = facts and facts["runicorn_version"]
        if version not in may_be or (facts and not is_whole()):
            wrong.append([step, version])
        make("3")
        left = sorted(os.listdir(place_path())), len(os.listdir(place_path() + "/envs"))
        if left != (["envs", "lock", "runicorn"], 1) or not is_whole():
            wrong.append([step, left])
        remove()
        if os.path.exists(place_path()):
            wrong.append([step, os.listdir(place_path())])
    return {"steps": step - 1, "wrong": wrong}

print(json.dumps({
    "made": each_step(lambda: None, lambda: make("1"), (None, "1")),
    "replaced": each_step(lambda: make("1"), lambda: make("2"), ("1", "2")),
    "removed": each_step(lambda: make("1"), remove, ("1", None)),
}))
"""


def test_whenever_it_is_killed_what_is_there_is_whole_or_gone_and_the_next_try_works(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLS],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for what, found in json.loads(done.stdout).items():
        assert found["wrong"] == [], what
        assert found["steps"] >= 10, what


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path


def begin(place: Place) -> str:
    """Begin to make an environment, and return its prefix."""
    prefix = place.new_prefix()
    (Path(prefix) / "bin").mkdir(parents=True)
    (Path(prefix) / "bin" / "python").symlink_to(sys.executable)
    return prefix


def change(place: Place, work: Callable[[], Any]) -> Any:
    """Do something while nobody else of this machine does."""
    lock = place.lock(10)
    try:
        return work()
    finally:
        place.close(lock)


@pytest.mark.usefixtures("home")
def test_an_older_version_stays_for_as_long_as_something_runs_in_it() -> None:
    place = Place()
    old = change(place, lambda: place.switch(begin(place), {"runicorn_version": "1"}))
    viewer = subprocess.Popen(
        [f"{old['prefix']}/bin/python", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with viewer:
        assert viewer.stdout is not None
        viewer.stdout.readline()
        place = Place()
        new = change(place, lambda: (place.switch(begin(place), {"runicorn_version": "2"}), place.sweep())[0])
        assert current_facts() == new
        assert Path(old["prefix"]).is_dir()
        with pytest.raises(InUse) as caught:
            change(place, place.remove)
        assert caught.value.pids == [viewer.pid]
        viewer.kill()
    place = Place()
    change(place, place.sweep)
    assert not Path(old["prefix"]).exists()
    assert current_facts() == new


@pytest.mark.usefixtures("home")
def test_a_python_that_was_brought_stays_for_as_long_as_an_environment_is_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place()
    pythons = Path(place.path) / "pythons"
    for name in ("used", "unused", "begun.part"):
        (pythons / name / "bin").mkdir(parents=True)
        (pythons / name / "bin" / "python3").symlink_to(sys.executable)
    (pythons / "begun.archive").write_bytes(b"")
    program = pythons / "used" / "bin" / "python3"
    program.unlink()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    prefix = begin(place)
    (Path(prefix) / "bin" / "python").unlink()
    (Path(prefix) / "bin" / "python").symlink_to(program)
    change(place, lambda: (place.switch(prefix, {}), place.sweep()))
    assert len(list(pythons.iterdir())) == 4  # others may be at work on them
    later = time.time() + ABANDONED_SECONDS + 60
    monkeypatch.setattr("runicorn_jupyter.payload.setup.place.time.time", lambda: later)
    change(place, place.sweep)
    assert [path.name for path in pythons.iterdir()] == ["used"]
    change(place, place.remove)
    assert not Path(place_path()).exists()


@pytest.mark.usefixtures("home")
def test_what_a_process_elsewhere_holds_is_in_use() -> None:
    place = Place()
    made = change(place, lambda: place.switch(begin(place), {}))
    lines = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, 1); print(flush=True); input()"
    # By its command line it is none of ours, as one on another machine is.
    command = [sys.executable, "-c", lines, f"{made['prefix']}/.in-use"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert users_of(made["prefix"]) == [0]
        other.kill()
    assert users_of(made["prefix"]) == []


# A home whose files cannot be locked cannot be had here: only flock is replaced, and which machine this is.
@pytest.fixture
def no_locks(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Place]:
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(home / ".local"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        real(descriptor, operation)

    def on(machine: str) -> Place:
        here = Machine(machine, "boot", os.geteuid())
        monkeypatch.setattr(Machine, "here", classmethod(lambda _cls: here))
        return Place()

    monkeypatch.setattr(fcntl, "flock", flock)
    return on


def test_of_two_machines_without_common_locks_none_touches_what_the_other_makes(
    no_locks: Callable[[str], Place],
) -> None:
    one, other = no_locks("login1"), no_locks("login2")
    assert not one.excludes_all
    assert one.wheels != other.wheels
    making = begin(one)
    Path(one.wheels).mkdir()
    made = change(other, lambda: (other.switch(begin(other), {}), other.sweep())[0])
    assert Path(making, "bin", "python").exists()
    assert Path(one.wheels).is_dir()
    assert current_facts() == made
    # The machine may be gone for good.
    long_ago = Path(making).stat().st_mtime - ABANDONED_SECONDS - 1
    os.utime(making, (long_ago, long_ago))
    change(other, other.sweep)
    assert not Path(making).exists()
    change(one, one.remove)
    assert not Path(place_path()).exists()
