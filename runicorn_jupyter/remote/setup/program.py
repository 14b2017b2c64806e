"""Runs a program of this machine to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["run_program"]

MAX_OUTPUT_BYTES = 2**20
TAIL_LINES = 50
END_SECONDS = 5.0


async def run_program(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> tuple[int, list[str]]:
    """Run a program to its end, and return its status and the last lines; it ends with the task.

    Parameters
    ----------
    command
        The program and its arguments.
    environment
        All of its variables; default: those of this process.
    folder
        Where it runs; default: where this process does.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=folder,
    )
    output = bytearray()
    try:
        if process.stdout is not None:
            while data := await process.stdout.read(65536):
                output += data
                del output[:-MAX_OUTPUT_BYTES]
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
    lines = output.decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
    return status, [plain_text(line, limit=2000) for line in lines if line.strip()]
