"""A file of this machine that is sent to a remote."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SentFile"]


@dataclass(frozen=True)
class SentFile:
    """A file on this machine.

    Attributes
    ----------
    sha256
        Its digest, in hexadecimal.
    """

    path: Path
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> SentFile:
        """Read a file."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path, path.stat().st_size, digest)
