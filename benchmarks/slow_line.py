"""How soon the list of runs can be used in a browser, on the first and the second visit, over two lines.

The fast one is loopback. On the slow one, a line of 50 ms and 20 Mbit/s lies between ssh and sshd, for us and
for the peer alike. Each first visit is made by a browser and a Jupyter server that never saw the viewer,
as soon as it runs; the second by the same two.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.connecting import BY_HAND
from benchmarks.harness import OURS, Answer, Samples, interleave, stopwatch, until
from benchmarks.world import ALIAS, BARE, World, answers
from tests.world.browser import start_chromium

RTT_MS = 50
MBIT_S = 20
SLOW_ALIAS = "gpu-far-away"
RUN_IN_LIST = "table tbody tr:has-text('run-')"


@contextmanager
def _browser() -> Iterator[Browser]:
    """Start a Chromium that has seen nothing yet; end it with the block."""
    with tempfile.TemporaryDirectory(prefix="runicorn-bench-browser-", ignore_cleanup_errors=True) as profile:
        chromium = start_chromium(Path(profile))
        try:
            with sync_playwright() as playwright:
                yield playwright.chromium.connect_over_cdp(chromium.endpoint)
        finally:
            chromium.process.terminate()
            chromium.process.wait(20)


def _visit(browser: Browser, url: str) -> float:
    """Open the viewer in a new tab; return the ms until a run stands in the list."""
    page = browser.contexts[0].new_page()
    with stopwatch() as elapsed:
        page.goto(url, wait_until="commit")
        page.locator(RUN_IN_LIST).first.wait_for(timeout=60_000)
    page.close()
    return elapsed()


def _ours(world: World, alias: str) -> tuple[float, float]:
    server = world.start_jupyter()
    try:
        with _browser() as browser:
            connection_id = world.connect(server, alias)
            url = world.start_viewer(connection_id, server)["url"]
            visits = _visit(browser, url), _visit(browser, url)
        world.disconnect(connection_id, server)
        return visits
    finally:
        server.stop()


def _by_hand(world: World, alias: str) -> tuple[float, float]:
    with _browser() as browser, world.by_hand(alias) as url:
        until(lambda: answers(url + "api/health"), BY_HAND, tick=0.05)
        return _visit(browser, url), _visit(browser, url)


def _visits(world: World, alias: str, rounds: int) -> tuple[Samples, Samples]:
    second: Samples = {OURS: [], BARE: []}

    def visit(name: str, twice: Callable[[World, str], tuple[float, float]]) -> float:
        first, again = twice(world, alias)
        second[name].append(again)
        return first

    first = interleave({OURS: lambda: visit(OURS, _ours), BARE: lambda: visit(BARE, _by_hand)}, rounds)
    return first, second


def run(world: World, rounds: int = 2) -> list[Answer]:
    """Answer the questions of this module."""
    _by_hand(world, ALIAS)  # Chromium is read from the disk once
    fast = _visits(world, ALIAS, rounds + 1)  # short, and mostly the page's own scripts: the spread counts
    with world.far_away(SLOW_ALIAS, RTT_MS, MBIT_S):
        first, second = _visits(world, SLOW_ALIAS, rounds)
    line = f"{RTT_MS} ms, {MBIT_S} Mbit/s"
    against_first = {
        OURS: second[OURS],
        f"{BARE}, first visit": first[BARE],
        f"{BARE}, second": second[BARE],
    }
    usable = Answer("run list usable, loopback, first visit", fast[0], "ms", at_most=1.0)
    slower = {name: [usable.spread(name)[1]] for name in fast[0]}
    return [
        usable,
        Answer("  the same, the upper quartile", slower, "ms", at_most=1.0),
        Answer("run list usable, loopback, second visit", fast[1], "ms"),
        Answer(f"run list usable, slow line ({line}), first visit", first, "ms", at_most=0.6),
        Answer("the same, second visit", against_first, "ms", at_most=0.25),
        Answer("  the same, against its second", second, "ms", at_most=0.8),
    ]
