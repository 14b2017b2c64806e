"""What the front ends look like, compared with pictures; `make pictures` renews them."""

from __future__ import annotations

import base64
import functools
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from PIL import Image, ImageChops
from playwright.async_api import Browser, Locator, expect

from scripts.pictures import save_picture
from tests.browser.lab import PATIENCE_SECONDS, REPOSITORY, RESULTS, LabPage, LabWorld, change_theme
from tests.world.face import NOW, answer_always_the_same

PICTURES = Path(__file__).parent / "pictures"
SEEN = 24
"""By how much of 255 a pixel has to differ, in any of its colours, to count."""
TOLERANCE = 0.002
"""The part of the pixels that may."""

FONTS = REPOSITORY / "labextension" / "node_modules" / "@fontsource"
SANS, MONO = FONTS / "noto-sans" / "files", FONTS / "noto-sans-mono" / "files"
FACES = {
    ("Face", 400): SANS / "noto-sans-latin-400-normal.woff2",
    ("Face", 600): SANS / "noto-sans-latin-600-normal.woff2",
    ("Face Mono", 400): MONO / "noto-sans-mono-latin-400-normal.woff2",
}
"""Fonts of the lock file of npm, so that the pictures are the same on each machine."""

STILL = """
:root {
  --jp-ui-font-family: Face !important;
  --jp-content-font-family: Face !important;
  --jp-code-font-family: 'Face Mono' !important;
}
*, *::before, *::after { animation: none !important; transition: none !important; }
"""
LOAD_FONTS = """async faces => {
  for (const [family, weight, bytes] of faces) {
    const face = new FontFace(family, Uint8Array.from(atob(bytes), each => each.charCodeAt(0)), { weight });
    document.fonts.add(await face.load());
  }
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def still(browser: Browser, lab: LabWorld) -> AsyncIterator[LabPage]:
    """JupyterLab, not opened yet, at a time and place that stay the same."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-US", timezone_id="UTC", reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page = await context.new_page()
    await page.clock.set_fixed_time(NOW)
    yield LabPage(page, lab)
    await context.close()


async def open_still(lab_page: LabPage, *, connected: bool) -> list[str]:
    """Open JupyterLab with answers that stay the same; returns the paths that had none."""
    unknown = await answer_always_the_same(lab_page.page, connected=connected)
    await lab_page.open()
    await lab_page.page.add_style_tag(content=STILL)
    faces = [
        (family, str(weight), base64.b64encode(path.read_bytes()).decode())
        for (family, weight), path in FACES.items()
    ]
    await lab_page.page.evaluate(LOAD_FONTS, faces)
    await lab_page.show_panel()
    return unknown


async def settled(part: Locator) -> Image.Image:
    """Take a picture of a part of the page, once two in a row are the same."""
    before = b""
    while (taken := await part.screenshot(animations="disabled", caret="hide")) != before:
        before = taken
    return Image.open(io.BytesIO(taken)).convert("RGB")


async def looks_as_before(part: Locator, name: str) -> None:
    """Compare a part of the page with its pictures, light and dark."""
    for theme in ("light", "dark"):
        await change_theme(part.page, theme)
        compare(await settled(part), f"{name}-{theme}")


def compare(taken: Image.Image, name: str) -> None:
    """Compare a picture with the one that is kept; what differs is left in ``test-results``."""
    kept = PICTURES / f"{name}.png"
    if os.environ.get("RENEW_PICTURES"):
        save_picture(taken, kept)
        return
    RESULTS.mkdir(exist_ok=True)
    taken.save(RESULTS / f"face-{name}.png")
    expected = Image.open(kept).convert("RGB")
    assert taken.size == expected.size, f"{name} is {taken.size} now; it was {expected.size}"
    most = functools.reduce(ImageChops.lighter, ImageChops.difference(taken, expected).split())
    share = sum(most.histogram()[SEEN:]) / (taken.width * taken.height)
    differing = RESULTS / f"face-{name}-difference.png"
    if share > TOLERANCE:
        most.point(lambda value: 255 if value >= SEEN else 0).save(differing)
    assert share <= TOLERANCE, f"{share:.2%} of {name} look different: see {differing}"


async def test_without_a_connection(still: LabPage) -> None:
    unknown = await open_still(still, connected=False)
    await expect(still.field("Host")).to_be_visible()
    await looks_as_before(still.panel, "panel-empty")
    assert unknown == []


async def test_with_connections(still: LabPage) -> None:
    page = still.page
    unknown = await open_still(still, connected=True)
    await still.card("gpu1").get_by_role("button", expanded=False).first.click()
    await expect(still.button("Open viewer")).to_be_visible()
    await expect(still.panel.locator(".rj-Strip").first).to_be_visible()
    await looks_as_before(still.panel, "panel")

    await still.button("Runs of all servers").click()
    runs = page.locator(".rj-Runs")
    await expect(runs.get_by_text("convnext")).to_be_visible()
    await looks_as_before(runs, "runs")
    for number in (1, 2):
        await runs.locator(".rj-Runs-body [role=row]").nth(number).get_by_role("checkbox").click()
    await runs.get_by_role("button", name="Compare 2").click()
    await expect(runs.locator("canvas").first).to_be_visible()
    await looks_as_before(runs, "comparison")
    await runs.get_by_role("button", name="Columns").click()
    await looks_as_before(runs.locator(".rj-Runs-chooser"), "columns")
    await runs.get_by_role("button", name="Plot", exact=True).click()
    plot = runs.locator(".rj-Plot")
    await expect(plot.locator("canvas")).to_be_visible()
    await looks_as_before(plot, "scatter")
    await plot.get_by_label("Kind").select_option("Parallel coordinates")
    await expect(plot.locator(".rj-Plot-parallel")).to_be_visible()
    await looks_as_before(plot, "parallel")

    await still.button("Machines of all servers").click()
    machines = page.locator(".rj-Machines")
    await expect(machines.get_by_text("NVIDIA A100").first).to_be_visible()
    await looks_as_before(machines, "machines")
    assert unknown == []
