"""A mirror of standalone builds of Python, in their layout, and remotes that have no Python at all.

The build is an interpreter of this machine that runs from any folder, as pyenv makes them. uv knows the
digests of the real builds alone, so the mirror has a list of its own (``UV_PYTHON_DOWNLOADS_JSON_URL``).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from runicorn_jupyter.remote.setup.standalone import VERSION
from tests.world.environments import build, built_once
from tests.world.sshd import Sshd

BUILDS = "https://github.com/astral-sh/python-build-standalone/releases/download"
"""What uv puts the mirror's address in the place of."""
_LEFT_OUT = ("__pycache__", "test", "share", "include", "idlelib", "tkinter")


@dataclass(frozen=True)
class Mirror:
    """Where uv gets a Python.

    Attributes
    ----------
    folder
        Of the mirror.
    python
        The interpreter that the build was made of.
    """

    folder: Path
    python: Path

    @property
    def settings(self) -> dict[str, str]:
        """What uv has to be told, as variables."""
        return {
            "UV_PYTHON_DOWNLOADS_JSON_URL": f"file://{self.folder}/downloads.json",
            "UV_PYTHON_INSTALL_MIRROR": f"file://{self.folder}",
        }

    def with_another_digest(self, folder: Path) -> Mirror:
        """Return a mirror whose list does not fit its build, in a folder that is made."""
        shutil.copytree(self.folder, folder)
        path = folder / "downloads.json"
        builds = json.loads(path.read_text())
        for each in builds.values():
            each["sha256"] = hashlib.sha256(b"another").hexdigest()
        path.write_text(json.dumps(builds))
        return Mirror(folder, self.python)


def _relocatable() -> Path:
    places = Path.home().glob(f".pyenv/versions/{VERSION}.*/bin/python{VERSION}")
    found = next(iter(sorted(places)), None)
    return found or pytest.skip(f"needs Python {VERSION}, as pyenv installs it")


@pytest.fixture(scope="session")
def standalone() -> Mirror:
    """A mirror with a Python for this machine. Do not change it."""
    python = _relocatable()
    command = [str(python), "-c", "import platform; print(platform.python_version())"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def clean(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if info.name.endswith(".a") or set(_LEFT_OUT) & set(info.name.split("/")) else info

    def make(folder: Path) -> None:
        machine = platform.machine()
        name = f"cpython-{version}+20240107-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
        archive = folder / "20240107" / name
        archive.parent.mkdir(parents=True)
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(python.parents[1], "python", filter=clean)
        major, minor, patch = map(int, version.split("."))
        entry = {
            "name": "cpython", "arch": {"family": machine, "variant": None}, "os": "linux", "libc": "gnu",
            "major": major, "minor": minor, "patch": patch, "prerelease": "", "variant": None,
            "url": f"{BUILDS}/20240107/{name.replace('+', '%2B')}", "build": "20240107",
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        }  # fmt: skip
        (folder / "downloads.json").write_text(json.dumps({f"cpython-{version}-linux-{machine}-gnu": entry}))

    return Mirror(built_once(["standalone", 1, str(python), version], make), python)


def uv_program() -> Path:
    """Return a real uv."""
    return build("uv") / "bin" / "uv"


def hide_pythons(server: Sshd) -> None:
    """Let an sshd's sessions see no Python of the machine."""
    if not server.relocated:
        pytest.skip("hiding the machine's Python needs root and mount namespaces")
    places = (Path("/usr/bin"), Path("/usr/local/bin"))
    for path in {path.resolve() for place in places for path in place.glob("python3*")}:
        hide = ["mount", "--bind", os.devnull, str(path)]
        subprocess.run(["nsenter", f"--mount=/proc/{server.pid}/ns/mnt", *hide], check=True)
