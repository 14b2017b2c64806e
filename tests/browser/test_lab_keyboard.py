"""The main job in JupyterLab without a mouse: into the viewer's page, and out of it."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.lab import PATIENCE_SECONDS, LabPage, LabWorld

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

STEPS = 80
"""Presses of Tab that a person may need."""
HAS_FOCUS = "element => element === element.ownerDocument.activeElement"


async def focused(target: Locator) -> None:
    """Wait until this has the focus.

    Playwright asks too whether the page has it, which Chromium denies where a frame of another origin has.
    """
    async with asyncio.timeout(PATIENCE_SECONDS):
        await target.evaluate(
            """async element => {
              while (element !== document.activeElement) {
                await new Promise(requestAnimationFrame);
              }
            }"""
        )


async def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until this has the focus."""
    for _ in range(STEPS):
        if await target.evaluate(HAS_FOCUS):
            return
        await page.keyboard.press(key)
    raise AssertionError(f"the keyboard does not reach {target}")


async def tab_out_of(page: Page, frame: Locator) -> None:
    """Press Shift and Tab until a frame has the focus no more."""
    for _ in range(STEPS):
        if not await frame.evaluate(HAS_FOCUS):
            return
        await page.keyboard.press("Shift+Tab")
    raise AssertionError(f"the keyboard does not leave {frame}")


async def test_the_main_job_by_keyboard(lab_page: LabPage, lab: LabWorld) -> None:
    page = lab_page.page
    await lab_page.command("Connect to a Server…")
    await expect(lab_page.field("Host")).to_be_focused()
    await page.keyboard.type("gpu1")
    await page.keyboard.press("Enter")
    await expect(lab_page.card("gpu1")).to_have_attribute("data-status", "connected")

    await expect(lab_page.button("Open viewer")).to_be_enabled()
    await tab_to(page, lab_page.field("Environment"))
    await page.keyboard.type("torch")
    await tab_to(page, lab_page.button("Open viewer"))
    await page.keyboard.press("Enter")
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)

    frame = page.locator(".rj-Frame:visible iframe")
    await focused(frame)
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    await tab_to(page, lab_page.viewer.get_by_role("button", name="View run details").first)
    await page.keyboard.press("Enter")
    await expect(lab_page.viewer.get_by_text("Summary", exact=True).first).to_be_visible()

    await tab_out_of(page, frame)
    await lab_page.command("Show the Runs of All Servers")
    runs = page.get_by_role("grid", name="Runs of all servers")
    await expect(runs).to_contain_text("run-0")
    await tab_to(page, runs)
    await page.keyboard.press("Enter")
    await focused(frame)
    await tab_out_of(page, frame)

    await lab_page.command("Stop Viewer…")
    await expect(lab_page.overlay).to_contain_text("this viewer is not running")
    await lab_page.command("Disconnect…")
    await expect(lab_page.card("gpu1")).to_have_count(0)
    assert lab.connections() == []
