"""A child process ends within its bounds, with all that it started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from runicorn_jupyter.ssh.child_process import Finished, OutputTooLong, run, run_async
from tests.world import processes

LONG = 600.0
"""Seconds; longer than any test may take."""


def test_status_and_output() -> None:
    done = run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], timeout=LONG, max_stdout=9, max_stderr=9)
    assert done == Finished(3, b"out\n", b"err\n")
    assert run("echo $((1 + 1)); kill -9 $$", timeout=LONG, max_stdout=9) == Finished(-9, b"2\n", b"")


def test_standard_input_is_empty_and_the_environment_as_given() -> None:
    done = run("cat; echo $WORD", timeout=LONG, max_stdout=99, env={**os.environ, "WORD": "x"})
    assert done.stdout == b"x\n"


@pytest.mark.parametrize(("size", "fits"), [(4096, True), (4097, False), (10**8, False)])
def test_output_is_bounded(size: int, fits: bool) -> None:
    command = f"head -c {size} /dev/zero"
    if fits:
        assert run(command, timeout=LONG, max_stdout=4096).stdout == bytes(4096)
    else:
        with pytest.raises(OutputTooLong):
            run(command, timeout=LONG, max_stdout=4096)


def test_standard_error_is_cut_and_what_is_not_kept_is_thrown_away() -> None:
    noisy = "head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero"
    assert run(noisy, timeout=LONG, max_stderr=7) == Finished(0, b"", bytes(7))
    assert run(noisy, timeout=LONG) == Finished(0, b"", b"")


def test_what_it_started_ends_with_it_at_the_limit(tmp_path: Path) -> None:
    with pytest.raises(OutputTooLong):
        run(
            f"sleep {LONG:g} & echo $! >{tmp_path}/pid; head -c 10 /dev/zero; wait",
            timeout=LONG,
            max_stdout=9,
        )
    assert processes.ends(int((tmp_path / "pid").read_text()), LONG)


@pytest.mark.parametrize("command", ["exec sleep 600", "sleep 600 & exit 0"])
def test_a_program_whose_output_does_not_end_in_time(command: str) -> None:
    with pytest.raises(TimeoutError):
        run(command, timeout=0.05, max_stdout=9)


async def test_cancelling_ends_it_and_what_it_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    script = f"sleep {LONG:g} & echo $$ $! >{tmp_path}/fifo; wait"
    running = asyncio.create_task(run_async(["/bin/sh", "-c", script], max_stdout=9))
    shell, child = map(int, (await asyncio.to_thread((tmp_path / "fifo").read_text)).split())
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert not Path(f"/proc/{shell}").exists()
    assert processes.ends(child, LONG)
