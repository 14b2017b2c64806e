"""TensorBoard's page and trackio's, with long runs on this machine, and how soon their lines are there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from benchmarks.harness import stopwatch
from benchmarks.world import free_port, served
from tests.world.environments import build

TENSORBOARD, TRACKIO = "TensorBoard", "trackio"
LEGEND = 6
"""So many runs trackio's legend names; of the others it says how many they are."""

Load = Callable[[BrowserContext], float]
"""Loads a page in a tab of its own; returns the milliseconds until its lines are there."""

HAS_LINES = """count => {
  const names = document.querySelector('scalar-card-data-table')?.textContent.match(/run-\\d+/g) ?? [];
  return new Set(names).size === count;
}"""
"""TensorBoard draws in a worker, whose canvas tells nobody; the table below it gets its values beside it."""


@contextmanager
def tensorboard(folder: Path, runs: int, steps: int) -> Iterator[Load]:
    """Run TensorBoard with so many runs of so many steps; yield what loads it, once it has read them."""
    python = build("tensorboard==2.21.0") / "bin" / "python"
    logs, port = folder / "tensorboard", free_port()
    subprocess.run([python, _beside("tensorboard_peer.py"), logs, str(runs), str(steps)], check=True)
    command = [python, "-m", "tensorboard.main", "--logdir", logs, "--port", str(port), "--host", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}/"

    def load(context: BrowserContext) -> float:
        with _tab(context) as page, stopwatch() as elapsed:
            page.goto(f"{url}#timeseries", wait_until="commit")
            page.wait_for_function(HAS_LINES, arg=runs)
            return elapsed()

    environment = {**os.environ, "HOME": str(folder)}
    with served(command, environment, f"{url}data/plugin/scalars/tags"):
        yield load


def trackio(folder: Path, runs: int, steps: int) -> Load:
    """Log so many runs of so many steps by trackio; return what loads its page.

    Its page reads all runs again and again, which its server may still be at when the page is closed: the
    server runs only as long as it is measured.
    """
    python = build("trackio==0.43.0") / "bin" / "python"
    program = _beside("trackio_peer.py")
    environment = {**os.environ, "HOME": str(folder), "TRACKIO_DIR": str(folder / "trackio")}
    subprocess.run([python, program, "log", str(runs), str(steps)], check=True, env=environment)

    def load(context: BrowserContext) -> float:
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        command = [python, program, "show", str(port)]
        with served(command, environment, f"{url}version"), _tab(context) as page:
            page.goto(url, wait_until="commit")
            page.get_by_role("button", name=f"+{runs - LEGEND} more").wait_for()
            painted: float = page.evaluate("bench.quiet()")  # counted from the beginning of the page
            return painted

    return load


def _beside(name: str) -> Path:
    return Path(__file__).with_name(name)


@contextmanager
def _tab(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    try:
        yield page
    finally:
        page.close()
