"""Makes or removes the private environment with runicorn, as it is asked on stdin. Python >= 3.8."""

import contextlib
import os
import sys
import venv
from typing import Any, Dict, Tuple

from runicorn_jupyter.payload.full_disk import FULL, full_disk
from runicorn_jupyter.payload.setup.install import Installer, raise_if_full
from runicorn_jupyter.payload.setup.place import InUse, Place, current_facts, place_path
from runicorn_jupyter.payload.setup.talk import Gone, Problem, Talk
from runicorn_jupyter.payload.versions import version_in

__all__ = ["main"]

OLDEST = (3, 8)
CLEANUPS = 4
CHECK = "import uvicorn; from runicorn.viewer import create_app"
"""What a viewer needs; also whether compiled packages may be loaded from that disk at all (noexec)."""


def main(config: Dict[str, Any]) -> None:
    """Do what is asked; the last line that is said has ``result`` or ``error``.

    Parameters
    ----------
    config
        ``marker``: stands before each line. ``action``: ``create`` or ``remove``. ``lock_seconds``: how long
        to wait for somebody else. For ``create``: ``runicorn_version`` (or None), ``wheels`` (``remote``,
        ``local``, ``auto``), ``same_python`` (whether one that this Python did not make is replaced), and
        ``needed_bytes`` of disk.
    """
    os.umask(0o077)
    home = os.path.expanduser("~")
    os.chdir(home if os.path.isdir(home) else "/")
    talk = Talk(config["marker"])
    sys.stdout.write("\n")
    answer: Dict[str, Any]
    try:
        answer = {"result": (_create if config["action"] == "create" else _remove)(config, talk)}
    except Problem as problem:
        answer = problem.answer
    except InUse as error:
        where = ", ".join(str(pid) for pid in error.pids[:5] if pid)
        who = f"process {where}" if where else "a process on another machine that shares this home"
        message = f"A viewer, or another program, runs in it ({who}); stop that first."
        answer = {"error": "environment_in_use", "message": message}
    except TimeoutError:
        message = "Another start of this has not come to an end; try again when it has."
        answer = {"error": "environment_in_use", "message": message}
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else place_path()
        if error.errno in FULL:
            answer = {"error": "disk_full", "message": full_disk(error.errno or 0, where)}
        else:
            answer = {"error": "environment_setup_failed", "message": f"{where}: {error.strerror}."}
    except Gone:
        return
    try:
        talk.say(**answer)
    except Gone:
        return


def _create(config: Dict[str, Any], talk: Talk) -> Dict[str, Any]:
    if sys.version_info < OLDEST:
        raise Problem("python_not_found", f"This Python is too old: {sys.version.split()[0]}.")
    found = current_facts()
    if found is not None and _fits(found, config):
        return {**found, "made": False}
    place, lock = _locked(config, talk)
    try:
        found = place.current()
        if found is not None and _fits(found, config):
            return {**found, "made": False}
        place.sweep(keep_downloads=True)
        _require_room(place.path, config["needed_bytes"])
        return _make(config, talk, place, lock)
    finally:
        place.close(lock)


def _locked(config: Dict[str, Any], talk: Talk) -> Tuple[Place, int]:
    """Return the place, made if it is missing, and its lock."""
    talk.step("waiting_for_others")
    for _ in range(CLEANUPS):
        # Who removed it before may have taken the folder away between its opening and the lock.
        with contextlib.suppress(FileNotFoundError):
            place = Place()
            return place, place.lock(config["lock_seconds"])
    place = Place()
    return place, place.lock(config["lock_seconds"])


def _fits(found: Dict[str, Any], config: Dict[str, Any]) -> bool:
    """Whether an environment that is there is what is asked for."""
    same_python = not config["same_python"] or found.get("python") == _own_python()
    return same_python and config["runicorn_version"] in (None, found.get("runicorn_version"))


def _own_python() -> str:
    return os.path.realpath(sys.executable)


def _require_room(path: str, needed: int) -> None:
    room = os.statvfs(path)
    free = room.f_bavail * room.f_frsize
    if free < needed:
        message = (
            f"{path} has {free / 1e6:.0f} MB left, and this needs about {needed / 1e6:.0f} MB; make room."
        )
        raise Problem("disk_full", message)


def _make(config: Dict[str, Any], talk: Talk, place: Place, lock: int) -> Dict[str, Any]:
    """Make a new environment beside what is there, and switch to it; ``made`` says whether that was it."""
    prefix = place.new_prefix()
    is_made = False
    try:
        talk.step("making_environment")
        venv.EnvBuilder(symlinks=True, with_pip=False).create(prefix)
        version = config["runicorn_version"]
        installer = Installer(talk, place, prefix, lock)
        source = installer.install(f"runicorn=={version}" if version else "runicorn", config["wheels"])
        facts = {
            "runicorn_version": _check(talk, prefix, lock),
            "python": _own_python(),
            "packages_from": source,
        }
        other = None if place.excludes_all else place.current()
        if other is not None and _fits(other, config):
            return {**other, "made": False}  # another machine was faster
        whole = place.switch(prefix, {**facts, "python_version": sys.version.split()[0]})
        is_made = True
        return {**whole, "made": True}
    finally:
        # What did not become the current one goes; downloads stay for the next attempt.
        place.sweep(keep_downloads=not is_made)


def _check(talk: Talk, prefix: str, lock: int) -> str:
    """Import what a viewer needs in a new environment, and return the version of its runicorn."""
    talk.step("checking")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    status, lines = talk.run([os.path.join(prefix, "bin", "python"), "-c", CHECK], environment, kept=(lock,))
    if status:
        raise_if_full(lines, prefix)
        reason = lines[-1] if lines else f"it ended with status {status}"
        raise Problem(
            "environment_setup_failed",
            f"runicorn was installed, but its viewer cannot be imported: {reason}",
            lines,
        )
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    installed = version_in([os.path.join(prefix, "lib", python, "site-packages")])
    if installed is None:
        raise Problem("environment_setup_failed", "What was installed has no runicorn.")
    return installed


def _remove(config: Dict[str, Any], talk: Talk) -> Dict[str, Any]:
    if not os.path.isdir(place_path()):
        raise Problem("environment_not_found", "There is no private environment on the remote.")
    place, lock = _locked(config, talk)
    try:
        if not place.exists:
            raise Problem("environment_not_found", "There is no private environment on the remote.")
        talk.step("removing")
        removed = {"bytes": place.remove()}
    finally:
        place.close(lock)
    if place.runs_this:
        place.last_words(talk.line(result=removed))
    return removed
