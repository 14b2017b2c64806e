"""Puts packages into an environment: by the remote's pip or uv, or from wheels sent there. Python >= 3.8."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from typing import Any, Dict, List, Optional, Tuple

from runicorn_jupyter.payload.full_disk import full_disk, full_in
from runicorn_jupyter.payload.setup.place import Place
from runicorn_jupyter.payload.setup.platform_tags import target_facts
from runicorn_jupyter.payload.setup.talk import Problem, Talk

__all__ = ["Installer", "raise_if_full"]

MAX_WHEELS = 500
_NAME = re.compile(r"[A-Za-z0-9_.+!-]{1,200}\.whl")
# Each would put the packages elsewhere than into the environment.
_UNSET = (
    "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT",
    "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT",
)  # fmt: skip
# Where nobody has said otherwise: an index that does not answer is given up within a minute.
_PATIENCE = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "15", "UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "15"}


def raise_if_full(lines: List[str], path: str) -> None:
    """Raise the `Problem` of a full disk, or quota, at a path, if a program's last words say so."""
    full = full_in(lines)
    if full is not None:
        raise Problem("disk_full", full_disk(full, path), lines)


class Installer:
    """Installs runicorn into an environment.

    Parameters
    ----------
    talk
        With the side that asked.
    place
        Keeps what is downloaded or sent, for the next attempt.
    prefix
        The environment.
    lock
        The lock of the place.
    """

    def __init__(self, talk: Talk, place: Place, prefix: str, lock: int) -> None:
        self._talk = talk
        self._place = place
        self._lock = lock
        self._python = os.path.join(prefix, "bin", "python")
        self._uv = _find_uv()
        self._pip = _find_pip()

    def install(self, requirement: str, wheels: str) -> str:
        """Install a requirement and what it needs; return which of ``remote`` and ``local`` it came from.

        Parameters
        ----------
        requirement
            As pip takes it.
        wheels
            ``remote``, ``local`` or ``auto``.

        Raises
        ------
        Problem
            If that fails.
        """
        if wheels != "local":
            reason = self._from_index(requirement)
            if reason is None:
                return "remote"
            if wheels == "remote":
                raise reason
        self._from_here(requirement)
        return "local"

    def _from_index(self, requirement: str) -> Optional[Problem]:
        """Install by uv, or by pip, whose settings may know an index that uv's do not; return why not.

        Raises
        ------
        Problem
            If the disk is full.
        """
        reason = Problem("packages_unreachable", "The remote has neither pip nor uv for this Python.")
        for command in filter(None, (self._uv_install(), self._pip_install())):
            status, lines = self._run([*command, "--only-binary=:all:", requirement])
            if status == 0:
                return None
            raise_if_full(lines, self._place.path)
            reason = Problem("packages_unreachable", f"The remote got no packages: {_last(lines)}", lines)
        return reason

    def _uv_install(self) -> List[str]:
        """Return the command by which uv installs; empty where there is none."""
        return [self._uv, "pip", "install", "--python", self._python] if self._uv else []

    def _pip_install(self, own: str = "") -> List[str]:
        """Return the command by which this Python's pip, or one of our own, installs; empty without one."""
        # What a viewer imports is compiled when that is tried, and nothing else.
        options = ["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--no-compile"]
        if own:
            return [self._python, own, "install", *options]
        if self._pip is None:
            return []
        if self._pip[1] >= (22, 3):
            return [sys.executable, "-m", "pip", "--python", self._python, "install", *options]
        # What lies beside that pip is not in the environment, though it is seen.
        return [self._python, self._pip[0], "install", "--ignore-installed", *options]

    def _run(self, command: List[str]) -> Tuple[int, List[str]]:
        self._talk.step("installing")
        return self._talk.run(
            command,
            self._environment(),
            kept=(self._lock,),
            on_line=lambda line: self._talk.step("installing", line),
        )

    def _environment(self) -> Dict[str, str]:
        environment = {**_PATIENCE, **os.environ, "PIP_USER": "0"}
        for name in _UNSET:
            environment.pop(name, None)
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        # A cache that the person has is used; none is left behind where there was none.
        for name, program in (("PIP_CACHE_DIR", "pip"), ("UV_CACHE_DIR", "uv")):
            if not os.path.isdir(os.path.join(caches, program)):
                environment.setdefault(name, os.path.join(self._place.cache, program))
        return environment

    def _from_here(self, requirement: str) -> None:
        """Ask for wheels for this Python, take what is not here yet, and install them."""
        tool = None if self._uv or self._pip else "pip"
        self._talk.step("downloading_here")
        answer = self._talk.ask(need={"requirement": requirement, "tool": tool, "target": target_facts()})
        names = self._receive(answer["wheels"])
        own_pip = ""
        if tool:
            own_pip = next(
                (os.path.join(name, "pip") for name in names if os.path.basename(name).startswith("pip-")), ""
            )
            names = [name for name in names if not os.path.basename(name).startswith("pip-")]
        command = self._uv_install() or self._pip_install(own_pip)
        status, lines = self._run([*command, "--no-index", "--no-deps", *names])
        if status:
            raise_if_full(lines, self._place.path)
            message = f"The packages cannot be installed: {_last(lines)}"
            raise Problem("environment_setup_failed", message, lines)

    def _receive(self, wheels: List[Dict[str, Any]]) -> List[str]:
        """Take the wheels that are not here yet, and return the paths of all."""
        os.makedirs(self._place.wheels, 0o700, exist_ok=True)
        if len(wheels) > MAX_WHEELS or not all(_NAME.fullmatch(str(each["name"])) for each in wheels):
            raise Problem("environment_setup_failed", "What was sent are no wheels.")
        wanted = {each["name"] for each in wheels}
        for name in os.listdir(self._place.wheels):
            if name.partition(".part")[0] not in wanted:
                os.unlink(os.path.join(self._place.wheels, name))
        paths = [os.path.join(self._place.wheels, each["name"]) for each in wheels]
        begins = list(map(_already, paths, wheels))
        total = sum(each["size"] for each in wheels)
        done = sum(begins)
        self._talk.say(want=begins)
        for number, path in enumerate(paths):
            each, left = wheels[number], wheels[number]["size"] - begins[number]
            if not left and os.path.exists(path):
                continue
            with open(f"{path}.part", "ab") as file:
                while left:
                    data = self._talk.read(left)
                    file.write(data)
                    left -= len(data)
                    done += len(data)
                    self._talk.step("sending", f"{done / 1e6:.1f} of {total / 1e6:.1f} MB")
            if _digest(f"{path}.part") != each["sha256"]:
                os.unlink(f"{path}.part")
                raise Problem(
                    "environment_setup_failed", f"{each['name']} did not arrive as it was sent; try again."
                )
            os.rename(f"{path}.part", path)
        return paths


def _last(lines: List[str]) -> str:
    """Return the last line that says something was wrong, else the last."""
    for line in reversed(lines):
        if re.match(r"(ERROR|error|OSError|.*Error:|[×╰])", line):
            return line[:500]
    return lines[-1][:500] if lines else "no reason was given"


def _already(path: str, wheel: Dict[str, Any]) -> int:
    """Return how many bytes of a wheel are here; a whole one that is another is deleted."""
    if os.path.exists(path):
        if os.path.getsize(path) == wheel["size"] and _digest(path) == wheel["sha256"]:
            return int(wheel["size"])
        os.unlink(path)
    try:
        size = os.path.getsize(f"{path}.part")
    except OSError:
        return 0
    if size >= wheel["size"]:
        os.unlink(f"{path}.part")
        return 0
    return size


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            data = file.read(2**20)
            if not data:
                return digest.hexdigest()
            digest.update(data)


def _find_uv() -> Optional[str]:
    home = os.path.expanduser("~")
    others = [os.path.join(home, ".local", "bin", "uv"), os.path.join(home, ".cargo", "bin", "uv")]
    return next(filter(_runs, filter(None, map(shutil.which, ["uv", *others]))), None)


def _runs(program: str) -> bool:
    """Whether a program can be started: one of another architecture, or of another C library, cannot."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _find_pip() -> Optional[Tuple[str, Tuple[int, int]]]:
    """Return the folder of this Python's pip and its version; it is not started for that."""
    try:
        spec = importlib.util.find_spec("pip")
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin:
        return None
    try:
        with open(spec.origin, encoding="utf-8") as file:
            found = re.search(r"__version__ = \"(\d+)\.(\d+)", file.read(65536))
    except (OSError, UnicodeDecodeError):
        return None
    return (os.path.dirname(spec.origin), (int(found[1]), int(found[2]))) if found else None
