"""Small files that several programs change: appending to them and replacing them, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["append_line", "replace"]

_IN_PROCESS = threading.Lock()  # flock() does not keep threads of one process apart everywhere


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
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
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


def replace(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file's content atomically; readers see the old one or the new one.

    Parameters
    ----------
    path
        The file; made as by `append_line`. A symbolic link is followed.
    change
        Maps the old content (empty for a new file) to the new one; called under the lock.

    Raises
    ------
    OSError
        It cannot be written; the old content is still there.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path) as fd:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return
        old = _read_all(fd)
        new = change(old)
        if new == old:
            return
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(new)
                file.flush()
                os.fsync(descriptor)
                if sys.platform != "win32":
                    os.fchmod(descriptor, stat.S_IMODE(info.st_mode))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file and lock it; not one that was replaced while we waited for the lock."""
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
