"""Whose a running viewer is, and where that is written down. Runs on the remote (Python >= 3.8, POSIX).

A viewer is one per host, boot, user, environment and root. Its *state file* says which
process it is, where it listens and what secret it knows. The file is 0600 in a 0700 folder
of its own, made without following links, replaced atomically, and believed only if it belongs to
us. A process is known by its id *and* its start time, so that a reused id never counts.

Homes are shared among the nodes of a cluster: the folder is named by host and boot, and what
stands in one of another host is never touched.
"""

import contextlib
import errno
import hashlib
import json
import os
import signal
import stat
import threading
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

__all__ = ["MAX_STATE_BYTES", "Folder", "Machine", "candidates", "is_alive", "open_folder", "start_time"]

FOLDER = "runicorn-jupyter"
TEMPORARY_PREFIX = "runicorn-jupyter-state-"
MAX_STATE_BYTES = 65536
LOCK_SECONDS = 10.0
"""A folder where a lock that nobody holds takes longer has none that work (NFS without its lock service)."""
# Only folders of ours in them are used; where the user's name for one is taken, one that nobody can guess.
_TEMPORARY = ("/var/tmp", "/dev/shm")  # noqa: S108
# Neither is there on Windows, where this side may run and the other not.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# What says "not here, try the next folder" rather than "something is wrong".
_UNUSABLE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.EEXIST,
    errno.EIO,
    errno.ESTALE,
}


class NoLocks(OSError):
    """Files of a folder cannot be locked: by its file system (NFS, Lustre, FUSE), or not in time."""


class Machine(NamedTuple):
    """The host and its boot: what a process id means something within."""

    host: str
    boot: str
    uid: int

    @classmethod
    def here(cls) -> "Machine":
        """Return the machine that this runs on."""
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                boot = file.read().strip()
        except OSError:
            # macOS has the one, the BSDs have the other.
            boot = _output("sysctl", "-n", "kern.bootsessionuuid") or _output("sysctl", "-n", "kern.boottime")
            boot = hashlib.sha256(boot.encode()).hexdigest()[:32]
        return cls(os.uname().nodename, boot, os.geteuid())

    @property
    def folder(self) -> str:
        """The name of this machine's folder among those of the machines that share a home."""
        host = "".join(c if c.isalnum() or c in "-." else "_" for c in self.host)[:64]
        return f"{host}.{self.boot[:36]}"


def _output(*command: str) -> str:
    import subprocess

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def start_time(pid: int) -> Optional[str]:
    """Return when a process started, as this machine's kernel says it; None if there is no such process.

    The source is field 22 of Linux's ``/proc/PID/stat`` (see proc(5)), elsewhere ``ps -o lstart``.
    A zombie is no process.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
    except (OSError, IndexError):
        if os.path.exists("/proc/self/stat"):
            return None
    return " ".join(_output("env", "LC_ALL=C", "ps", "-o", "lstart=", "-p", str(pid)).split()) or None


def is_alive(state: Dict[str, Any], machine: Machine) -> bool:
    """Tell whether a state describes a process of this machine, boot and user that still runs."""
    return (
        state.get("host") == machine.host
        and state.get("boot") == machine.boot
        and state.get("uid") == machine.uid
        and start_time(state["pid"]) == state.get("start_time")
    )


def candidates(environ: Dict[str, str]) -> Iterator[str]:
    """Yield the folders that may hold our state, the best first; the last ones are new or ours already.

    A home that cannot be written to (read-only, full, absent), or locks no files, leaves the runtime folder
    of the session, then a folder of ours in a place for temporary files. Its name is that of the user, so
    that two who start at once meet there; where somebody else has taken it, one that nobody can guess.
    """
    home = os.path.expanduser("~")
    base = environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
    if os.path.isabs(base):
        yield os.path.join(base, FOLDER)
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):
        yield os.path.join(runtime, FOLDER)
    import tempfile

    for place in dict.fromkeys([tempfile.gettempdir(), *_TEMPORARY]):
        with contextlib.suppress(OSError):  # it is there, or the place is no good
            os.mkdir(os.path.join(place, f"{TEMPORARY_PREFIX}{os.geteuid()}"), 0o700)
        try:
            names = sorted(name for name in os.listdir(place) if name.startswith(TEMPORARY_PREFIX))
        except OSError:
            continue
        for name in names:
            try:
                found = os.lstat(os.path.join(place, name))
            except OSError:  # it has just been cleaned up
                continue
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                yield os.path.join(place, name)
        try:
            yield tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=place)
        except OSError:
            continue


def open_folder(environ: Dict[str, str], machine: Machine) -> "Folder":
    """Return the first folder that is private, ours and can be written to.

    Raises
    ------
    OSError
        If there is none: of the first that was tried.
    """
    problem: Optional[OSError] = None
    for path in candidates(environ):
        try:
            folder = Folder(os.path.join(path, machine.folder), machine)
        except OSError as error:
            if error.errno not in _UNUSABLE and not isinstance(error, NoLocks):
                raise
            problem = problem or OSError(error.errno, error.strerror, path)
        else:
            return folder
    raise problem or OSError(errno.EROFS, "no folder can be written to")


def _make_levels(path: str) -> None:
    """Make a folder and those above it that are missing, each for its owner alone, whatever the umask."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(one, 0o700)


def _open_private(name: str, uid: int, within: Optional[int] = None) -> int:
    """Open a folder of ours, made where it is missing, and close it to others; a link is none.

    Raises
    ------
    OSError
        If it is not ours, or is no folder.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=within)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NOFOLLOW, dir_fd=within)
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, descriptor)
        found = os.fstat(descriptor)
        if found.st_uid != uid:
            raise OSError(errno.EPERM, "belongs to somebody else", name)
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(descriptor, 0o700)
        undo.pop_all()
    return descriptor


class Folder:
    """This machine's private folder of state files, held open so that it cannot be exchanged.

    So is the one above it, ``parent``, which the machines that share a home share.

    Parameters
    ----------
    path
        Made with mode 0700 if it is not there.
    machine
        Whose states are believed.

    Raises
    ------
    OSError
        If it is a link, not ours, or cannot be written to.
    """

    def __init__(self, path: str, machine: Machine) -> None:
        self.path = path
        self.machine = machine
        parent, name = os.path.split(path)
        _make_levels(os.path.dirname(parent))
        self.parent = _open_private(parent, machine.uid)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, self.parent)
            self.descriptor = _open_private(name, machine.uid, within=self.parent)
            undo.callback(os.close, self.descriptor)
            undo.callback(self._remove_if_empty)
            self._try_file()
            undo.pop_all()

    def _try_file(self) -> None:
        """Write a file that has no name any more, and lock it.

        Raises
        ------
        OSError
            If that fails, with the folder's path.
        """
        name = f".writable-{os.getpid()}"
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | _NOFOLLOW, 0o600, dir_fd=self.descriptor)
            with contextlib.ExitStack() as undo:
                undo.callback(os.close, descriptor)
                os.unlink(name, dir_fd=self.descriptor)
                # Whether there is room as well as leave: a full disk makes empty files gladly.
                with open(descriptor, "wb", closefd=False) as file:
                    file.write(bytes(MAX_STATE_BYTES))
                undo.pop_all()
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from error
        self._try_lock(descriptor)

    def _try_lock(self, descriptor: int) -> None:
        """Lock a file that nobody else does, and close it.

        In a thread, for a file system in trouble may let no signal interrupt that; what hangs ends with the
        process.

        Raises
        ------
        NoLocks
            If that fails, or takes too long.
        """
        import fcntl

        problems: List[OSError] = []

        def lock() -> None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                problems.append(error)

        thread = threading.Thread(target=lock, name="try-lock", daemon=True)
        thread.start()
        thread.join(LOCK_SECONDS)
        if thread.is_alive():  # the descriptor is the thread's
            raise NoLocks(errno.ETIMEDOUT, "locking a file does not come to an end")
        os.close(descriptor)
        if problems:
            raise NoLocks(problems[0].errno, f"files cannot be locked ({problems[0].strerror})")

    def lock(self, key: str, seconds: float) -> int:
        """Wait for the lock of a viewer's start; return its descriptor, to be closed to let go.

        Raises
        ------
        TimeoutError
            If somebody else has held it for ``seconds``.
        """

        def give_up(_signum: int, _frame: Any) -> None:
            raise TimeoutError

        before = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            while True:
                descriptor = self._lock_once(f"{key}.lock")
                if descriptor is not None:
                    return descriptor
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _lock_once(self, name: str) -> Optional[int]:
        import fcntl

        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | _NOFOLLOW, 0o600, dir_fd=self.descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if self._is_there(name, descriptor):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _is_there(self, name: str, descriptor: int) -> bool:
        """Whether an open file is still the one of that name: one that was cleaned up locks nothing."""
        found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        return found.st_ino == os.fstat(descriptor).st_ino

    def claim(self, key: str, lock: int) -> None:
        """Say that this process starts the viewer of a key: until that has a state, nobody else cleans up.

        The one before may still be ending, and removes what it left only as long as nobody else has come.

        Parameters
        ----------
        key
            The viewer's.
        lock
            That of its start, which this process holds.

        Raises
        ------
        FileNotFoundError
            If the folder, or the lock, was cleaned up just before.
        """
        self.write(key, {"pid": os.getpid()})
        if not self._is_there(f"{key}.lock", lock):
            raise FileNotFoundError(errno.ENOENT, "the lock was cleaned up", f"{key}.lock")

    def open_log(self, key: str) -> int:
        """Return a descriptor that appends to a new log; that of the viewer before is kept as ``.log.1``."""
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{key}.log", f"{key}.log.1", src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _NOFOLLOW
        return os.open(f"{key}.log", flags, 0o600, dir_fd=self.descriptor)

    def read(self, key: str) -> Optional[Dict[str, Any]]:
        """Return what a state file says, or None if there is none that may be believed."""
        state = self._read(key)
        expected = {"port": int, "secret": str, "start_time": str}
        if state is None or not all(isinstance(state.get(k), t) for k, t in expected.items()):
            return None
        return state

    def _read(self, key: str) -> Optional[Dict[str, Any]]:
        """Return what a state file, or a claim, says."""
        try:
            descriptor = os.open(
                f"{key}.json", os.O_RDONLY | os.O_NONBLOCK | _NOFOLLOW, dir_fd=self.descriptor
            )
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            private = stat.S_ISREG(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
            if not private or found.st_uid != self.machine.uid or found.st_size > MAX_STATE_BYTES:
                return None
            text = file.read(MAX_STATE_BYTES)
        try:
            state = json.loads(text.decode("utf-8"))
        except (ValueError, RecursionError):
            return None
        return state if isinstance(state, dict) and isinstance(state.get("pid"), int) else None

    def running(self, key: str) -> Optional[Dict[str, Any]]:
        """Return the state of the viewer of this key if its process runs."""
        state = self.read(key)
        return state if state is not None and is_alive(state, self.machine) else None

    def write(self, key: str, state: Dict[str, Any]) -> None:
        """Put down a viewer's state, all or nothing."""
        self._replace(f"{key}.json", json.dumps(state).encode("utf-8") + b"\n")

    def _replace(self, name: str, content: bytes) -> None:
        """Put down a file, all or nothing.

        Raises
        ------
        OSError
            With the file's whole path.
        """
        partial = f"{name}.{os.getpid()}.new"
        try:
            descriptor = os.open(
                partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o600, dir_fd=self.descriptor
            )
            try:
                with open(descriptor, "wb") as file:
                    file.write(content)
                os.rename(partial, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
            except BaseException:
                os.unlink(partial, dir_fd=self.descriptor)
                raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.path.join(self.path, name)) from error

    def forget(self, key: str, pid: int, cleanup: bool) -> None:
        """Remove a viewer's state, if it is still that of this process, and nobody else has claimed the key.

        Parameters
        ----------
        key
            The viewer's.
        pid
            Whose state it must be.
        cleanup
            Remove its logs too, and the folders that are empty then.

        What a disk does not let go of (it became read-only) stays: a viewer's end never depends on it.
        """
        state = self._read(key)
        if state is not None and state["pid"] != pid:
            return
        for suffix in [".json", *([".log", ".log.1", ".lock"] if cleanup else [])]:
            with contextlib.suppress(OSError):
                os.unlink(key + suffix, dir_fd=self.descriptor)
        if cleanup:
            self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        with contextlib.suppress(OSError):
            os.rmdir(os.path.basename(self.path), dir_fd=self.parent)
            os.rmdir(os.path.dirname(self.path))

    def prune(self) -> None:
        """Remove what viewers left that had no chance to: of an earlier boot, or of a host long unseen."""
        own = os.path.basename(self.path)
        for name in os.listdir(self.parent):
            days = 1 if name.rpartition(".")[0] == own.rpartition(".")[0] else 30
            with contextlib.suppress(OSError):  # another start may do the same
                found = os.stat(name, dir_fd=self.parent, follow_symlinks=False)
                if name != own and found.st_mtime < time.time() - days * 86400:
                    self._remove(name)

    def _remove(self, name: str) -> None:
        """Remove a machine's folder with its files; never what a link leads to, nor a folder within."""
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NOFOLLOW, dir_fd=self.parent)
        try:
            for entry in os.listdir(descriptor):
                os.unlink(entry, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        os.rmdir(name, dir_fd=self.parent)
