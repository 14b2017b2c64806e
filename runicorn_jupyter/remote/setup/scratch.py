"""A folder that goes with who uses it, or, where that was killed, with the next one of its name."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["scratch_folder"]

YOUNG_SECONDS = 60.0
"""A folder that has just been made may not be locked yet."""


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Make a folder in the place for temporary files; the block's end deletes it.

    Parameters
    ----------
    prefix
        Its name begins so, as those that killed processes of the same user left, which are deleted first.
    """
    _sweep(Path(tempfile.gettempdir()), prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        fd = _locked(Path(name))
        try:
            yield Path(name)
        finally:
            if fd is not None:
                os.close(fd)


def _sweep(place: Path, prefix: str) -> None:
    if sys.platform == "win32":
        return  # a folder there has no lock to tell
    for folder in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # somebody else's, or somebody else was faster
            state = folder.lstat()
            if state.st_uid != os.getuid() or time.time() - state.st_mtime < YOUNG_SECONDS:
                continue
            fd = _locked(folder)
            if fd is not None:
                try:
                    shutil.rmtree(folder)
                finally:
                    os.close(fd)


def _locked(folder: Path) -> int | None:
    """Lock a folder for as long as the descriptor is open; None where it is in use, or cannot be locked."""
    if sys.platform == "win32":
        return None
    import fcntl  # noqa: PLC0415 - not on Windows

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd
