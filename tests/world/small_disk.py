"""A home on a disk of its own, which is soon full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def home_on_disk(parent: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a disk of a size in memory as a home below a folder, until the block's end."""
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    home = parent / "small-home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", home], check=True)
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", home], check=True)
