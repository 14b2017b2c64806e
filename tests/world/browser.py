"""A plainly started Chromium, driven over CDP: Playwright's own flags change how pages are kept apart."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    async_playwright,
    expect,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 120
PATIENCE_SECONDS = 60

# What a person would wait for on a busy machine; a test that fails waits so long, one that passes does not.
expect.set_options(timeout=PATIENCE_SECONDS * 1000)

_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")
# What Chromium says of requests that the page itself gave up, by leaving for instance.
_ABORTED = ("net::ERR_ABORTED",)


@dataclass
class Chromium:
    """A running browser.

    Attributes
    ----------
    endpoint
        Where it is driven: ``ws://…``.
    """

    process: subprocess.Popen[bytes]
    endpoint: str
    said: deque[bytes]


@dataclass
class Trouble:
    """What went wrong in the pages of a context; a test that expects some takes it out.

    Attributes
    ----------
    page_errors
        Uncaught exceptions of scripts.
    failed_requests
        ``METHOD URL: reason`` of requests without an answer.
    bad_answers
        ``STATUS METHOD URL`` of answers from 400 on.
    console_errors
        What was written at the level of errors, policy violations included.
    """

    page_errors: list[str] = field(default_factory=list)
    failed_requests: list[str] = field(default_factory=list)
    bad_answers: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Listen to a page, and to all of its frames."""
        page.on("pageerror", lambda error: self.page_errors.append(f"{error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)
        page.on("console", self._wrote)

    def assert_none(self) -> None:
        """Fail with everything that went wrong."""
        assert self == Trouble()

    def _failed(self, request: Request) -> None:
        if request.failure not in _ABORTED:
            self.failed_requests.append(f"{request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.bad_answers.append(f"{response.status} {response.request.method} {response.url}")

    def _wrote(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)


def find_chromium() -> str | None:
    """Find a Chromium of this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def start_chromium(profile: Path, within: Sequence[str] = ()) -> Chromium:
    """Start a browser without a screen, with a fresh profile, and wait until it can be driven.

    Parameters
    ----------
    profile
        Its folder.
    within
        The command that starts it, where it is to run somewhere else.
    """
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on this machine; `make test` says how to get one")
    arguments = [
        *within, path,
        "--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
        "--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb",  # on each machine
        "--disable-dev-shm-usage", "--window-size=1280,900", "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
    ]  # fmt: skip
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's own sandbox does not start for root
    process = subprocess.Popen(
        [*arguments, "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    said: deque[bytes] = deque(maxlen=200)
    endpoint: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                said.append(line)
                if found := _LISTENING.search(line):
                    endpoint.append(found.group(1).decode())
                    ready.set()
        ready.set()

    threading.Thread(target=listen, daemon=True, name="chromium's stderr").start()
    if not ready.wait(START_SECONDS) or not endpoint:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise RuntimeError("Chromium did not start:\n" + b"".join(said).decode(errors="replace"))
    return Chromium(process, endpoint[0], said)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests; each test has a context of its own."""
    browser = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    stop_chromium(browser)


def stop_chromium(browser: Chromium) -> None:
    """End a browser with all of its processes."""
    # Its helpers are in the session that we started it with, and in no other.
    os.killpg(browser.process.pid, signal.SIGTERM)
    try:
        browser.process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(browser.process.pid, signal.SIGKILL)
        browser.process.wait()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all that drives the browser in one event loop: its driver, a Node of its own, is started once."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: Chromium) -> AsyncIterator[Browser]:
    """The browser, driven from the session's event loop."""
    async with async_playwright() as playwright:
        driven = await playwright.chromium.connect_over_cdp(chromium.endpoint)
        yield driven
        await driven.close()


@pytest.fixture
def trouble() -> Trouble:
    """What goes wrong in the pages of ``context``."""
    return Trouble()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, trouble: Trouble) -> AsyncIterator[BrowserContext]:
    """A fresh profile within the browser: own cookies, own cache."""
    made: BrowserContext = await browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(PATIENCE_SECONDS * 1000)
    made.on("page", trouble.watch)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """An empty tab; its troubles are in ``trouble``."""
    return await context.new_page()


async def painted_canvases(page: Any) -> int:
    """Count the canvases of a page or frame on which something is painted."""
    count: int = await page.evaluate(
        """() => [...document.querySelectorAll('canvas')].filter((canvas) => {
          if (!canvas.width || !canvas.height) return false;
          const copy = document.createElement('canvas');
          copy.width = canvas.width; copy.height = canvas.height;
          const context = copy.getContext('2d');
          context.drawImage(canvas, 0, 0);
          const pixels = new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer);
          return pixels.some((pixel) => pixel !== pixels[0]);
        }).length"""
    )
    return count
