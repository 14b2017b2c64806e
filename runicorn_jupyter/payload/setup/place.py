"""Where the private environment is, its lock, and what of it is whole. Runs on the remote (Python >= 3.8).

``runicorn`` is a link to one of ``envs``, and the only thing there that counts: it is set, by one rename,
when what it leads to is whole. Whatever else is in the folder was left by a cut or by an earlier version.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
import time
from typing import Any, Dict, Iterator, List, NoReturn, Optional

from runicorn_jupyter.payload.environment_lock import IN_USE, users_of
from runicorn_jupyter.payload.state_files import Folder, Machine, NoLocks, open_folder

__all__ = ["InUse", "Place", "current_facts", "place_path"]

LINK = "runicorn"
LOCK = "environment"
LOCK_FILE = f"{LOCK}.lock"
FACTS = "runicorn-jupyter.json"
SIZE = "runicorn-jupyter.size"
"""At an environment's root: how many bytes it takes, a decimal number. The probe reads it."""
MAX_FACTS_BYTES = 65536
DOWNLOADS = ("wheels", "cache")
PYTHONS = "pythons"
"""Interpreters that were brought, each a folder (see ``bring.sh``)."""
ABANDONED_SECONDS = 86400.0
"""Far longer than making one may take: what is so old was left by a machine that may be gone."""


class InUse(Exception):
    """The environment has processes that run in it."""

    def __init__(self, pids: List[int]) -> None:
        super().__init__(pids)
        self.pids = pids


class Place:
    """The folder of the private environment, made if it is missing.

    Raises
    ------
    OSError
        If it cannot be written to, or is not this user's.
    """

    def __init__(self) -> None:
        machine = Machine.here()
        self.path = place_path()
        self._envs = os.path.join(self.path, "envs")
        self._link = os.path.join(self.path, LINK)
        self._pythons = os.path.join(self.path, PYTHONS)
        self._is_removed = False
        self._tag = hashlib.sha256(machine.folder.encode()).hexdigest()[:8]
        self.excludes_all = True
        """Whether the lock keeps other machines that share the home out, too."""
        try:
            self._folder = Folder(os.path.join(self.path, "lock"), machine)
        except NoLocks:
            # Each machine touches only what is its own, and the link decides.
            self._folder = open_folder(dict(os.environ), machine)
            self.excludes_all = False
            os.makedirs(self.path, 0o700, exist_ok=True)
        of_its_own = "" if self.excludes_all else f"-{self._tag}"
        self.wheels, self.cache = (os.path.join(self.path, f"{name}{of_its_own}") for name in DOWNLOADS)

    def lock(self, seconds: float) -> int:
        """Wait until nobody else changes the folder; return the descriptor of the lock.

        Raises
        ------
        TimeoutError
            If somebody else has held it for so long.
        FileNotFoundError
            If the folder was removed meanwhile.
        """
        return self._folder.lock(LOCK, seconds)

    @property
    def exists(self) -> bool:
        """Whether there is anything to remove."""
        if os.path.lexists(self._link) or os.path.isdir(self._envs) or any(self._downloads()):
            return True
        return os.path.isdir(self._pythons) and not self._is_removed

    def current(self) -> Optional[Dict[str, Any]]:
        """Return the facts of the environment that is whole; None if there is none."""
        return current_facts()

    def new_prefix(self) -> str:
        """Return the path for another environment."""
        _make(self._envs)
        return os.path.join(self._envs, f"{self._tag}-{secrets.token_hex(4)}")

    def switch(self, prefix: str, facts: Dict[str, Any]) -> Dict[str, Any]:
        """Make an environment the current one, at once and as a whole.

        Parameters
        ----------
        prefix
            From `new_prefix`; it is complete.
        facts
            What is remembered of it.
        """
        size = _size(prefix)
        whole = {**facts, "prefix": prefix, "bytes": size}
        for name, text in ((SIZE, f"{size}\n"), (FACTS, json.dumps(whole)), (IN_USE, "")):
            with open(os.path.join(prefix, name), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        made = f"{prefix}.link"
        os.symlink(os.path.relpath(prefix, self.path), made)
        os.replace(made, self._link)
        return whole

    def sweep(self, *, keep_downloads: bool = False) -> None:
        """Delete what is not the current environment, but for what processes run in; needs the lock.

        Parameters
        ----------
        keep_downloads
            Leave what an attempt before this has fetched already.
        """
        current = os.path.realpath(self._link) if self.current() else ""
        for prefix in self._prefixes():
            if prefix != current and self._may_delete(prefix) and not users_of(prefix):
                _delete(prefix)
        if not keep_downloads:
            for folder in self._downloads():
                if self._may_delete(folder):
                    _delete(folder)
        self._sweep_pythons()

    def _sweep_pythons(self) -> None:
        """Delete Pythons that no environment is of, and what attempts left; others may be bringing one."""
        programs = [os.path.join(prefix, "bin", "python") for prefix in self._prefixes()]
        needed = [os.path.realpath(program) for program in (*programs, sys.executable)]
        for name in _names(self._pythons):
            path = os.path.join(self._pythons, name)
            if any(program.startswith(os.path.join(path, "")) for program in needed):
                continue
            with contextlib.suppress(FileNotFoundError):
                # Not when its content was made, which an archive says, but when it was put here.
                is_old = os.lstat(path).st_ctime < time.time() - ABANDONED_SECONDS
                if is_old and not users_of(path):
                    _delete(path)

    def remove(self) -> int:
        """Delete all of it; return how many bytes that were. Needs the lock.

        The Python that runs this stays, where it is one that was brought: `last_words` deletes it.

        Raises
        ------
        InUse
            If processes run in it; nothing is deleted then.
        """
        used = [pid for prefix in self._prefixes() for pid in users_of(prefix)]
        if used:
            raise InUse(used)
        size = _size(self.path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._link)
        for folder in (self._envs, *self._downloads()):
            _delete(folder)
        self._is_removed = True
        if not self.runs_this:
            _delete(self._pythons)
        return size

    @property
    def runs_this(self) -> bool:
        """Whether the Python that runs this was brought."""
        return os.path.realpath(sys.executable).startswith(os.path.join(self._pythons, ""))

    def last_words(self, text: str) -> NoReturn:
        """End as a shell that deletes the Python that ran this, and then prints a text.

        A file server keeps the files of what runs, and their folders with them.
        """
        script = 'rm -rf -- "$1" && { rmdir -- "$2" 2>/dev/null; printf "%s" "$3"; }'
        sys.stdout.flush()
        os.execv("/bin/sh", ["sh", "-c", script, "sh", self._pythons, self.path, text])  # noqa: S606

    def _may_delete(self, path: str) -> bool:
        """Whether what is not the current environment was surely left; another machine may be making it."""
        if self.excludes_all or self._tag in os.path.basename(path):
            return True
        try:
            return os.lstat(path).st_mtime < time.time() - ABANDONED_SECONDS
        except OSError:
            return False

    def close(self, lock: int) -> None:
        """Let go of the lock, and leave no empty folder."""
        with contextlib.suppress(OSError):
            os.rmdir(self._envs)
        if not self.exists:
            own = os.path.join(self.path, "lock")
            # What a process left that was ended while it tried the folder would keep it.
            for name in [LOCK_FILE] if self._folder.path != own else _names(own):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._folder.path, name))
            for folder in (self._folder.path, own, self.path):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        os.close(lock)

    def _prefixes(self) -> Iterator[str]:
        for name in _names(self._envs):
            yield os.path.join(os.path.realpath(self._envs), name)

    def _downloads(self) -> Iterator[str]:
        """Yield the folders of downloads, those of other machines too."""
        for name in _names(self.path):
            if name.partition("-")[0] in DOWNLOADS:
                yield os.path.join(self.path, name)


def place_path() -> str:
    """Return the path of the folder."""
    return os.path.join(os.path.realpath(os.path.expanduser("~")), ".local", "share", "runicorn-jupyter")


def current_facts() -> Optional[Dict[str, Any]]:
    """Return the facts of the environment that is whole; None if there is none. Needs no lock."""
    return _read_facts(os.path.realpath(os.path.join(place_path(), LINK)))


def _read_facts(prefix: str) -> Optional[Dict[str, Any]]:
    """Return what is remembered of an environment; None if it is not a whole one whose Python is there."""
    try:
        with open(os.path.join(prefix, FACTS), encoding="utf-8") as file:
            facts = json.loads(file.read(MAX_FACTS_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(facts, dict) and facts.get("prefix") == prefix
    return facts if is_ours and os.access(os.path.join(prefix, "bin", "python"), os.X_OK) else None


def _size(path: str) -> int:
    """Return how many bytes of disk a folder takes; a link counts as itself."""
    total = 0
    for folder, folders, files in os.walk(path):
        for name in [*files, *folders]:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
    return total


def _names(folder: str) -> List[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _make(folder: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)


def _delete(path: str) -> None:
    """Delete a file or a folder; what is deleted by somebody else meanwhile is gone as well.

    Raises
    ------
    OSError
        If it is still there afterwards.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    # From here on it is no environment any more, whenever this is cut off.
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(path, FACTS))
    shutil.rmtree(path, ignore_errors=True)
    if os.path.isdir(path):
        shutil.rmtree(path)
