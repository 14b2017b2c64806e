"""Record the moving picture of the README: what ``make demo`` shows, in a Chromium, for about a minute.

``make film`` runs it and writes ``docs/images/demo.webp``. Pictures come from the browser whenever the
page has changed (CDP's screencast), so a picture stands for as long as nothing moves.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.async_api import CDPSession, Page, expect

from runicorn_jupyter.demo.folders import default_folder
from scripts.demo_page import WAIT_SECONDS, demo_page

ROOT = Path(__file__).parents[1]
FILM = ROOT / "docs" / "images" / "demo.webp"
SIZE = (1280, 800)
"""Of the page, in CSS pixels."""
WIDTH = 960
"""Of the film, in pixels."""
LEAST_SECONDS = 0.25
"""How long a picture stands at least."""
LONGEST_SECONDS = 70
MAX_BYTES = 3 * 2**20

HAS_RUN = re.compile(r"\[\d+\]:")
CAPTION = """text => {
  let bar = document.querySelector('#film');
  if (!bar) {
    bar = document.createElement('div');
    bar.id = 'film';
    bar.style.cssText = 'position:fixed;inset:auto 0 0;z-index:99999;padding:12px 20px;pointer-events:none;'
      + 'background:#1a237ef0;color:#fff;font:600 22px/1.3 sans-serif;text-align:center';
    document.body.append(bar);
  }
  bar.textContent = text;
}"""


@dataclass
class Film:
    """The pictures so far, each with the time at which it was taken."""

    session: CDPSession
    pictures: list[tuple[float, bytes]] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def begin(self) -> None:
        """Take a picture whenever the page changes."""
        self.session.on("Page.screencastFrame", self._take)
        await self.session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})

    def _take(self, frame: dict[str, Any]) -> None:
        self.pictures.append((time.monotonic(), base64.b64decode(frame["data"])))
        task = asyncio.ensure_future(
            self.session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})
        )
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def cut(pictures: Sequence[tuple[float, bytes]], end: float) -> list[tuple[bytes, int]]:
    """Return the pictures that stand long enough to be seen, with how long each does, in ms.

    Parameters
    ----------
    pictures
        With their times, in seconds.
    end
        When the last one has stood.
    """
    kept: list[tuple[float, bytes]] = []
    for at, picture in pictures:
        if kept and at - kept[-1][0] < LEAST_SECONDS:
            kept[-1] = (kept[-1][0], picture)  # of those within one moment the last is what stays
        else:
            kept.append((at, picture))
    times = [*(at for at, _ in kept), end][1:]
    return [
        (picture, round((until - at) * 1000))
        for (at, picture), until in zip(kept, times, strict=True)
        if until > at
    ]


def write(scenes: Sequence[tuple[bytes, int]], path: Path, quality: int) -> int:
    """Write the film, and return how many bytes it has."""
    frames = []
    for picture, _ in scenes:
        whole = Image.open(io.BytesIO(picture)).convert("RGB")
        frames.append(whole.resize((WIDTH, WIDTH * whole.height // whole.width), Image.Resampling.LANCZOS))
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=[shown for _, shown in scenes],
        loop=0,
        quality=quality,
        method=4,
        minimize_size=False,
        allow_mixed=True,
    )
    return path.stat().st_size


async def run_cell(page: Page, number: int) -> None:
    """Select a code cell of the notebook, run it, and wait until it has run."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    await cell.scroll_into_view_if_needed()
    await cell.locator(".jp-InputArea-editor").click()
    await page.keyboard.press("Shift+Enter")
    await expect(cell.locator(".jp-InputPrompt")).to_have_text(HAS_RUN, timeout=WAIT_SECONDS * 1000)
    await cell.scroll_into_view_if_needed()


async def play(page: Page, film: Film) -> None:
    """Do what the film shows, slowly enough to be read: the waits are the film's own pace."""

    async def say(text: str, seconds: float = 3.0) -> None:
        await page.evaluate(CAPTION, text)
        await asyncio.sleep(seconds)

    await film.begin()
    await say("Three GPU servers, reached by SSH: which GPU is free, and who has the others", 6)
    await page.locator(".lm-TabBar-tab", has_text="Machines").locator(".lm-TabBar-tabCloseIcon").click()
    await say("In a notebook: one line says where the server is", 1.5)
    await run_cell(page, 0)
    await run_cell(page, 1)
    await say("In a notebook: one line says where the server is", 3)
    await say("Its viewer, below the cell: no port forwarded, no data copied", 1)
    await run_cell(page, 4)
    viewer = page.frame_locator(".jp-OutputArea iframe").first
    await expect(viewer.get_by_text("longer schedule").first).to_be_visible(timeout=WAIT_SECONDS * 1000)
    await page.locator(".jp-OutputArea iframe").first.scroll_into_view_if_needed()
    await say("Its viewer, below the cell: no port forwarded, no data copied", 7)
    await page.get_by_role("button", name="Runs of all servers").first.click()
    rows = page.locator(".rj-Runs-body [role=row]")
    await expect(rows).to_have_count(3, timeout=WAIT_SECONDS * 1000)
    await say("The runs of all servers in one table, as they log", 8)
    for number in range(3):
        await rows.nth(number).get_by_role("checkbox").click()
    await say("Tick some, and compare", 2)
    await page.get_by_role("button", name="Compare 3").click()
    await expect(page.locator(".rj-Curves-chart canvas").first).to_be_attached(timeout=WAIT_SECONDS * 1000)
    await say("What differs comes first …", 7)
    await page.locator(".rj-Curves-chart").first.scroll_into_view_if_needed()
    await say("… and the curves grow while the training runs", 9)
    await page.evaluate(CAPTION, "Disconnect, and nothing is left on the server")
    card = page.locator(".rj-Card").filter(has=page.get_by_text("demo-gpu", exact=True))
    await card.locator(".rj-Card-toggle").click()
    await card.get_by_role("button", name="Disconnect").click()
    await expect(card).to_have_count(0)
    await say("Disconnect, and nothing is left on the server", 5)


async def record(folder: Path, profile: Path) -> list[tuple[bytes, int]]:
    """Start the demo and a browser, and return the film's pictures."""
    async with demo_page(folder, profile, SIZE) as page:
        film = Film(await page.context.new_cdp_session(page))
        await play(page, film)
        end = time.monotonic()
    return cut(film.pictures, end)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quality", type=int, default=40, help="of the pictures, 1 to 100")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="runicorn-film-") as profile:
        scenes = asyncio.run(record(default_folder().with_name("runicorn-jupyter-film"), Path(profile)))
    seconds = sum(shown for _, shown in scenes) / 1000
    size = write(scenes, FILM, options.quality)
    print(f"{FILM.relative_to(ROOT)}: {len(scenes)} pictures, {seconds:.0f} s, {size / 2**20:.1f} MiB")
    if size > MAX_BYTES or seconds > LONGEST_SECONDS:
        raise SystemExit("That is more than the README should have.")


if __name__ == "__main__":
    main()
