"""JupyterLab of the demo in a Chromium, for the pictures that the README shows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Page, ViewportSize, async_playwright, expect

from runicorn_jupyter.demo.command import running
from runicorn_jupyter.demo.folders import NOTEBOOK, Folders
from tests.world.browser import start_chromium, stop_chromium

WAIT_SECONDS = 60


@contextlib.asynccontextmanager
async def demo_page(
    folder: Path, profile: Path, size: tuple[int, int], locale: str = "en-US", *, dark: bool = False
) -> AsyncIterator[Page]:
    """Start the demo and a browser, and give the page when the demo's notebook and GPUs are on it.

    Parameters
    ----------
    folder
        The demo's; its layout is as at the first start.
    profile
        An empty folder for the browser.
    size
        Of the page, in CSS pixels.
    locale
        The language of the browser, and so of the viewer, and of JupyterLab.
    dark
        Whether JupyterLab has its dark theme, which the viewer follows.
    """
    folders = Folders(folder)
    shutil.rmtree(folders.home / ".jupyter", ignore_errors=True)  # the layout that the last pictures left
    if locale != "en-US":
        _set(folders, "translation-extension/plugin", locale=locale.replace("-", "_"))
    if dark:
        _set(folders, "apputils-extension/themes", theme="JupyterLab Dark")
    chromium = await asyncio.to_thread(start_chromium, profile)
    try:
        async with running(folders) as demo, async_playwright() as playwright:
            browser = await playwright.chromium.connect_over_cdp(chromium.endpoint)
            view = ViewportSize(width=size[0], height=size[1])
            context = await browser.new_context(viewport=view, locale=locale)
            page = await context.new_page()
            page.set_default_timeout(WAIT_SECONDS * 1000)
            # Not the notebook's own address, by which Lab puts it in front at any time later.
            await page.goto(demo.url.replace(f"/tree/{NOTEBOOK}", ""))
            await expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible()
            await expect(page.get_by_text("NVIDIA A100-SXM4-80GB").first).to_be_visible()
            yield page
            await browser.close()
    finally:
        await asyncio.to_thread(stop_chromium, chromium)


def _set(folders: Folders, plugin: str, **settings: str) -> None:
    """Write the user settings of a plugin of JupyterLab's own."""
    path = folders.home / f".jupyter/lab/user-settings/@jupyterlab/{plugin}.jupyterlab-settings"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(settings))
