"""Whether there is room on a disk for this user, and the sentence that says there is none. Python >= 3.8."""

import errno
import os
import tempfile
from typing import Iterable, Optional

__all__ = ["FULL", "full_disk", "full_in", "require_room", "without_room"]

FULL = (errno.ENOSPC, errno.EDQUOT)
ROOM_BYTES = 65536
# What programs say, the kernel's own words first; Rust's have the number (pip and uv).
_WORDS = {
    errno.EDQUOT: (os.strerror(errno.EDQUOT), "Disk quota exceeded", f"os error {errno.EDQUOT}"),
    errno.ENOSPC: (os.strerror(errno.ENOSPC), "No space left on device", f"os error {errno.ENOSPC}"),
}


def full_disk(code: int, path: str) -> str:
    """Return the sentence on a disk, or a quota, that is full.

    Parameters
    ----------
    code
        One of ``FULL``.
    path
        A file or a folder there.
    """
    if code == errno.EDQUOT:
        return (
            f"Your disk quota is used up at {path} (Disk quota exceeded);"
            " delete something of yours there, or ask its administrator for more."
        )
    return f"The disk is full at {path} (No space left on device); make room there."


def full_in(lines: Iterable[str]) -> Optional[int]:
    """Return which of ``FULL`` the words of a program say; None if they say neither."""
    for line in lines:
        for code, words in _WORDS.items():
            if any(one in line for one in words):
                return code
    return None


def require_room(folder: str) -> None:
    """Write a little to a folder, or to the nearest one above it that exists; nothing of it is left.

    Raises
    ------
    OSError
        If that fails.
    """
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    with tempfile.TemporaryFile(dir=folder, prefix=".runicorn-jupyter-") as file:
        file.write(bytes(ROOM_BYTES))
        file.flush()
        os.fsync(file.fileno())  # a file server may say it no sooner


def without_room(folders: Iterable[str]) -> Optional[str]:
    """Return the sentence on the first of some folders that has no room; None if none is full."""
    for folder in folders:
        try:
            require_room(folder)
        except OSError as error:
            if error.errno in FULL:
                return full_disk(error.errno or 0, folder)
    return None
