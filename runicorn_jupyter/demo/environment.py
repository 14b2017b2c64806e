"""The demo's Python environment with a real runicorn: made once by venv and pip, then kept."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

RUNICORN = "runicorn==0.7.2"


class DemoError(Exception):
    """The demo cannot go on; the message is one sentence for the person who started it."""


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    async for line in process.stdout:
        yield line.decode(errors="replace").rstrip()


async def _run(
    command: list[str], environment: Mapping[str, str], log: Path, on_line: Callable[[str], None]
) -> tuple[bool, str]:
    """Run a program, each line that it prints told and kept; return its success and its last line."""
    last = ""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        with log.open("a", encoding="utf-8") as file:
            async for line in _lines(process):
                file.write(line + "\n")
                on_line(line)
                last = line or last
        return await process.wait() == 0, last
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def stamp_of(prefix: Path) -> Path:
    """Return the file that says of an environment that it was made to its end, and of what."""
    return prefix / f".complete-{RUNICORN}-{sys.version_info.major}.{sys.version_info.minor}"


async def make_environment(
    prefix: Path, environment: Mapping[str, str], log: Path, on_line: Callable[[str], None]
) -> Path:
    """Return the Python of the environment at ``prefix``, made first if it is not as it has to be.

    Parameters
    ----------
    prefix
        The environment's folder.
    environment
        The environment variables for venv and pip.
    log
        The file that what they print is appended to.
    on_line
        Called with each line that they print, as progress.

    Raises
    ------
    DemoError
        If venv or pip fails.
    """
    python = prefix / "bin" / "python"
    stamp = stamp_of(prefix)
    if stamp.exists():
        works, _ = await _run([str(python), "-c", "import runicorn"], environment, log, lambda _: None)
        if works:
            return python
    steps = [
        ([sys.executable, "-m", "venv", "--clear", str(prefix)], "make a virtual environment"),
        (
            [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", RUNICORN],
            f"install {RUNICORN}",
        ),
    ]
    for command, what in steps:
        succeeded, last = await _run(command, environment, log, on_line)
        if not succeeded:
            raise DemoError(f"Could not {what}: {last or 'no reason was given'} (all of it: {log})")
    stamp.touch()
    return python
