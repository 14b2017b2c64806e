"""Reads and writes small private files: owned by the user, replaced atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from jupyter_core.paths import allow_insecure_writes

__all__ = ["NotPrivate", "append_line", "make_folders", "own_folder", "read_own", "replace", "write_own"]

_IN_PROCESS = threading.RLock()  # flock() does not keep threads of one process apart everywhere


class NotPrivate(PermissionError):
    """A private file or folder has another owner or is writable by others; the message says which."""

    def __str__(self) -> str:
        return str(self.args[0])


def make_folders(path: Path) -> None:
    """Create a folder and its missing parents, each with mode 0700, whatever the umask.

    Raises
    ------
    OSError
        It cannot be made.
    """
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was first
            one.mkdir(mode=0o700)


def own_folder(path: Path) -> None:
    """Create a private folder with `make_folders`, or restrict an existing one to the user.

    Parameters
    ----------
    path
        The folder, which holds nothing but our files. A link that its owner made leads to it.

    Raises
    ------
    NotPrivate
        It has another owner, or stays open to others.
    OSError
        It cannot be made.
    """
    make_folders(path)
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if info.st_uid == os.geteuid() and stat.S_IMODE(info.st_mode) & 0o077:
            with contextlib.suppress(PermissionError):
                os.fchmod(fd, 0o700)
            info = os.fstat(fd)
        _require_own(info)
    finally:
        os.close(fd)


def read_own(path: Path, max_bytes: int) -> bytes:
    """Read a private file; raise if another user may have written it.

    Parameters
    ----------
    path
        The file.
    max_bytes
        The most that it may hold.

    Returns
    -------
    bytes
        Its content; empty if there is no such file.

    Raises
    ------
    NotPrivate
        It has another owner, or others may write to it.
    OSError
        It cannot be read, is longer, or is not a regular file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        fd = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return b""
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        _require_own(info)
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"longer than {max_bytes} bytes")
    return content


def write_own(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 atomically, replacing an existing one.

    Parameters
    ----------
    path
        The file, in a folder of `own_folder`.
    content
        All of it.

    Raises
    ------
    OSError
        It cannot be written; what was there before still is.
    """
    _put(path, content, 0o600)


def _require_own(info: os.stat_result) -> None:
    """Fail closed as OpenSSH does for its own files: 0600 says nothing if another user wrote the content.

    File systems without modes are for Jupyter's own setting to allow.
    """
    if sys.platform == "win32" or allow_insecure_writes:
        return
    if info.st_uid not in (os.geteuid(), 0):
        raise NotPrivate("it belongs to another user")
    if stat.S_IMODE(info.st_mode) & 0o022:
        raise NotPrivate("others may write to it (chmod go-w)")


def append_line(path: Path, line: bytes) -> None:
    """Append a line in one write, as OpenSSH does, so that no line of another program is lost.

    Parameters
    ----------
    path
        The file; made with mode 0600, and its folder with 0700, where they are missing. What
        is not a regular file (``/dev/null``) is left alone.
    line
        With its newline. If the last line of the file has none, it gets one first.

    Raises
    ------
    OSError
        It cannot be written.
    """
    make_folders(path.parent)
    with _locked(path) as fd:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return
        if info.st_size:
            os.lseek(fd, -1, os.SEEK_END)
            if os.read(fd, 1) != b"\n":
                line = b"\n" + line
        written = os.write(fd, line)  # O_APPEND: at the end, wherever that is by now
        if written != len(line):
            os.ftruncate(fd, info.st_size)
            raise OSError("the disk is full")
        os.fsync(fd)


def replace(path: Path, change: Callable[[bytes], bytes], *, own: bool = False) -> None:
    """Replace a file's content atomically; readers see the old one or the new one.

    Parameters
    ----------
    path
        The file; made as by `append_line`. A symbolic link is followed.
    change
        Maps the old content (empty for a new file) to the new one; called under the lock.
    own
        Whether the file is ours alone: it is then checked as by `read_own`, and has mode 0600 afterwards.

    Raises
    ------
    NotPrivate
        It is to be ours alone, and is not.
    OSError
        It cannot be written; the old content is still there.
    """
    path = path.resolve()
    make_folders(path.parent)
    with _locked(path) as fd:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return
        if own:
            _require_own(info)
        old = _read_all(fd)
        new = change(old)
        if new != old:
            _put(path, new, 0o600 if own else stat.S_IMODE(info.st_mode))


def _put(path: Path, content: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600, nobody else's name
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            if sys.platform != "win32" and mode != 0o600:
                os.fchmod(descriptor, mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open and lock a file; open again if it was replaced while waiting for the lock."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    with _IN_PROCESS:
        while True:
            fd = os.open(path, flags, 0o600)
            try:
                _lock(fd)
                if not _is_same(fd, path):
                    continue
                yield fd
                return
            finally:
                os.close(fd)


def _lock(fd: int) -> None:
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415 - not on Windows

    with contextlib.suppress(OSError):  # file systems without locks: as OpenSSH, which has none
        fcntl.flock(fd, fcntl.LOCK_EX)


def _is_same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _read_all(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    chunks = []
    while chunk := os.read(fd, 1024 * 1024):
        chunks.append(chunk)
    return b"".join(chunks)
