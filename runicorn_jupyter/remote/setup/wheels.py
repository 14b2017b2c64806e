"""Wheels for a remote that reaches no package index: downloaded here, by this side's pip and its settings."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sys
import zipfile
from collections.abc import AsyncIterator
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from runicorn_jupyter.errors import PackagesUnreachable
from runicorn_jupyter.remote.setup.program import run_program
from runicorn_jupyter.remote.setup.scratch import scratch_folder
from runicorn_jupyter.remote.setup.sent_file import SentFile
from runicorn_jupyter.remote.setup.tags import Target

__all__ = ["download", "missing"]

MAX_METADATA_BYTES = 2**20


@contextlib.asynccontextmanager
async def download(requirements: list[str], target: Target) -> AsyncIterator[list[SentFile]]:
    """Download wheels for another Python, with all that they need there; the block's end deletes them.

    Parameters
    ----------
    requirements
        As pip takes them.
    target
        That Python.

    Raises
    ------
    PackagesUnreachable
        If this machine's pip gets none, or not all.
    """
    if importlib.util.find_spec("pip") is None:
        raise PackagesUnreachable(
            "Neither the remote nor this Jupyter server can get packages: the server's Python has no pip."
        )
    with scratch_folder("runicorn-wheels-") as folder:
        program = Path(__file__).with_name("pip_for_target.py")
        command = [
            sys.executable, str(program), json.dumps(target.markers), "download", "--no-input", "--quiet",
            "--disable-pip-version-check", "--progress-bar=off", "--dest", str(folder), *target.options,
            *requirements,
        ]  # fmt: skip
        status, lines = await run_program(command)
        if status:
            last = next((line for line in reversed(lines) if line.startswith("ERROR")), (lines or [""])[-1])
            raise PackagesUnreachable(
                "The remote reaches no package index, and this Jupyter server found no wheels for it: "
                f"{last.removeprefix('ERROR: ') or 'its pip gave no reason'}",
                log=lines,
            )
        yield await asyncio.to_thread(_read, folder, requirements, target.markers)


def _read(folder: Path, requirements: list[str], markers: dict[str, str]) -> list[SentFile]:
    paths = sorted(folder.glob("*.whl"))
    if lacking := missing(paths, requirements, markers):
        raise PackagesUnreachable(
            f"This Jupyter server's pip left out what the remote needs: {', '.join(sorted(lacking)[:10])}."
        )
    return [SentFile.of(path) for path in paths]


def missing(paths: list[Path], requirements: list[str], markers: dict[str, str]) -> set[str]:
    """Return the names of packages that wheels need under a Python, and that are not among them.

    Parameters
    ----------
    paths
        The wheels.
    requirements
        What is to be installed of them.
    markers
        That Python's environment (PEP 508).
    """
    there = {parse_wheel_filename(path.name)[0]: path for path in paths}
    lacking: set[str] = set()
    waiting = [Requirement(each) for each in requirements]
    done: set[tuple[str, str]] = set()
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        path = there.get(name)
        if path is None:
            lacking.add(name)
            continue
        for extra in ("", *sorted(needed.extras)):
            if (name, extra) not in done:
                done.add((name, extra))
                waiting += [each for each in _needs(path) if _applies(each, markers, extra)]
    return lacking


def _applies(requirement: Requirement, markers: dict[str, str], extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**markers, "extra": extra})


def _needs(path: Path) -> list[Requirement]:
    with zipfile.ZipFile(path) as archive:
        name = next((each for each in archive.namelist() if each.endswith(".dist-info/METADATA")), None)
        if name is None:
            return []
        with archive.open(name) as file:
            head = BytesHeaderParser().parsebytes(file.read(MAX_METADATA_BYTES))
    found = []
    for text in head.get_all("Requires-Dist", []):
        with contextlib.suppress(InvalidRequirement):  # pip itself has refused it, if it counts
            found.append(Requirement(text))
    return found
