"""A Python for a remote that has none: which standalone build fits it, and how this side gets one."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import re
import shutil
import sys
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runicorn_jupyter.errors import PackagesUnreachable
from runicorn_jupyter.remote.setup.program import run_program
from runicorn_jupyter.remote.setup.scratch import scratch_folder
from runicorn_jupyter.remote.setup.sent_file import SentFile

__all__ = ["MEGABYTES", "VERSION", "Platform", "packed_python", "where_from"]

VERSION = "3.12"
"""Of Python: all that runicorn needs is to be had for it as wheels."""
MEGABYTES = 100
"""Of disk that it takes, about."""
OLDEST_GLIBC = 17
"""The minor version of glibc 2 that the builds are made for."""
_MACHINES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "ppc64le": "powerpc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""Names of the kernel's, and uv's for them."""
# What no viewer needs, and what a start of the Python makes anew.
_LEFT_OUT = re.compile(
    r"(include|share)(/|$)|lib/(tcl|tk|itcl|thread)|.*/(__pycache__|test|idlelib|turtledemo|tkinter)(/|$)|.*\.a$"
)


@dataclass(frozen=True)
class Platform:
    """What a Python that is brought has to fit, as the probe found it.

    Attributes
    ----------
    system, machine
        As ``uname`` says them.
    libc
        ``gnu``, ``musl`` or empty.
    glibc
        Its version, such as ``2.31``; empty where it is not known.
    uv
        The path of the remote's uv; empty without one.
    """

    system: str
    machine: str
    libc: str
    glibc: str
    uv: str

    @property
    def request(self) -> str | None:
        """What uv calls the build; None where there is none for this platform."""
        machine = _MACHINES.get(self.machine)
        if self.system != "Linux" or machine is None or self.libc not in ("gnu", "musl"):
            return None
        return f"cpython-{VERSION}-linux-{machine}-{self.libc}"

    @property
    def problem(self) -> str | None:
        """Why no build can run there, a sentence; None if one may."""
        found = re.fullmatch(r"2\.(\d{1,3})(?:\.\d{1,3})?", self.glibc)
        if found and int(found[1]) < OLDEST_GLIBC:
            return (
                f"Its C library, glibc {found[0]}, is older than 2.{OLDEST_GLIBC},"
                " which a Python that is brought needs."
            )
        return None


def where_from(platform: Platform) -> Literal["remote", "local"] | None:
    """Return whose uv can bring a Python first: the remote's own, this machine's, or nobody's.

    Parameters
    ----------
    platform
        The remote's.
    """
    if platform.problem:
        return None
    if platform.uv:
        return "remote"
    return "local" if platform.request and _find_uv() else None


def _find_uv() -> str | None:
    home = Path.home()
    others = [Path(sys.executable).parent, home / ".local" / "bin", home / ".cargo" / "bin"]
    return shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, others)]))


@contextlib.asynccontextmanager
async def packed_python(platform: Platform) -> AsyncIterator[SentFile]:
    """Have this machine's uv download a Python for a remote, by its own settings; the block's end deletes it.

    Parameters
    ----------
    platform
        The remote's.

    Raises
    ------
    PackagesUnreachable
        If there is no uv, none for that platform, or it gets none.
    """
    uv, request = _find_uv(), platform.request
    if uv is None or request is None:
        what = "this Jupyter server has no uv to get one with" if request else "none fits its platform"
        raise PackagesUnreachable(f"No Python can be sent to the remote: {what}.")
    with scratch_folder("runicorn-python-") as folder:
        pythons = folder / "pythons"
        environment = {
            **os.environ,
            "UV_PYTHON_INSTALL_DIR": str(pythons),
            "UV_PYTHON_INSTALL_BIN": "0",
            "UV_PYTHON_INSTALL_REGISTRY": "0",
        }
        # Not where Jupyter runs: a project's settings there are not this machine's.
        status, lines = await run_program(
            [uv, "python", "install", "--no-progress", request], environment=environment, folder=folder
        )
        found = [path for path in pythons.glob(f"cpython-{VERSION}.*") if not path.is_symlink()]
        if status or not found:
            last = next((line for line in reversed(lines) if line.strip()), "its uv gave no reason")
            raise PackagesUnreachable(f"This Jupyter server got no Python for the remote: {last}", log=lines)
        yield await asyncio.to_thread(_pack, found[0], folder / "python.tar.gz")


def _pack(python: Path, archive: Path) -> SentFile:
    """Pack a Python, always to the same bytes, so that a sending that was cut can go on."""

    def clean(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if _LEFT_OUT.match(info.name):
            return None
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 0
        return info

    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(python.iterdir()):
            tar.add(path, path.name, filter=clean)
    shutil.rmtree(python)
    return SentFile.of(archive)
