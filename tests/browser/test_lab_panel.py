"""The side panel and the viewers' tabs in JupyterLab, against a real remote."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.lab import LabPage, LabWorld, lab, lab_page, module_lab

__all__ = ["lab", "lab_page", "module_lab"]


async def test_connects_and_shows_the_charts_with_the_keyboard_alone(lab_page: LabPage) -> None:
    """From an open Lab to a viewer's page without touching the mouse."""
    page = lab_page.page
    await lab_page.command("Connect to a Server")
    await expect(lab_page.field("Host")).to_be_focused()
    await page.keyboard.type("gpu1")
    await page.keyboard.press("Enter")
    await expect(lab_page.card("gpu1")).to_have_attribute("data-status", "connected")
    await expect(lab_page.field("Environment")).to_be_enabled()
    await expect(lab_page.field("Environment")).to_be_focused()
    await page.keyboard.press("Tab")
    await lab_page.field("Environment").press("t")
    await lab_page.button("Open viewer").focus()
    await page.keyboard.press("Enter")
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    await expect(lab_page.viewer.get_by_text(re.compile("run-0|vision")).first).to_be_visible()
