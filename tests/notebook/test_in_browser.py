"""The panel and the magics in Chromium, in JupyterLab and in Notebook 7, down to the first chart."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import nbformat
import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.lab import LabPage, LabWorld
from tests.world.browser import painted_canvases

# A test is many waits of up to PATIENCE each, beside other tests: more than the suite's 120 s in all.
pytestmark = pytest.mark.timeout(300)
PATIENCE = 60_000  # ms; Lab, a kernel and a viewer start one after the other
SECRETS = re.compile(r"runicorn/v/|token|\b[0-9a-f]{32}\b|\b[0-9a-f]{48,}\b")
PLACES = {"lab": "lab/tree/{name}?reset&", "notebook": "notebooks/{name}?"}


def write_notebook(lab: LabWorld, name: str, *cells: str) -> Path:
    """Put a notebook where the server's people keep theirs."""
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": python}
    )
    path = lab.home.path / "work" / name
    path.write_text(nbformat.writes(made))
    return path


async def open_notebook(tab: LabPage, place: str, name: str) -> Page:
    """Open a notebook and wait until its kernel can be used."""
    page = tab.page
    page.set_default_timeout(PATIENCE)
    address = PLACES[place].format(name=name)
    await page.goto(f"{tab.lab.jupyter.url}{address}token={tab.lab.jupyter.token}")
    await page.wait_for_function("() => window.jupyterapp?.restored")
    await page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()
    return page


async def run_cells(page: Page, count: int = 1) -> None:
    """Run all cells, and wait until that many are done."""
    await page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    await page.locator(".jp-InputPrompt").get_by_text(f"[{count}]:", exact=True).wait_for()


async def save(page: Page, path: Path) -> str:
    """Save the notebook and return the file."""
    await page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    return path.read_text()


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until this has the focus; it has to be reachable."""
    for _ in range(30):
        if await target.evaluate("(element) => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {target}")


async def first_chart(page: Page) -> None:
    """Open the first run of the viewer in the output, with the mouse, and wait until a chart is painted."""
    viewer = page.frame_locator(".rj-Output iframe")
    await viewer.get_by_text("vision/run-0").first.wait_for()
    await viewer.locator("tr[data-row-key] .ant-btn-link:not(.ant-btn-dangerous)").first.click()
    # Charts are made when they come into sight, which in an output's frame takes scrolling.
    await viewer.get_by_text("Summary", exact=True).first.hover()
    frame = next(frame for frame in page.frames if "/runicorn/v/" in frame.url)
    async with asyncio.timeout(PATIENCE / 1000):
        while not await painted_canvases(frame):
            await page.mouse.wheel(0, 100)
            await frame.evaluate("() => new Promise(requestAnimationFrame)")


@pytest.mark.parametrize("place", PLACES)
async def test_the_panel_by_keyboard_and_mouse(lab_tab: LabPage, lab: LabWorld, place: str) -> None:
    path = write_notebook(lab, f"panel-{place}.ipynb", "%load_ext runicorn_jupyter\n%runicorn_panel")
    page = await open_notebook(lab_tab, place, path.name)
    await run_cells(page)
    panel = page.locator(".jp-OutputArea-output .widget-vbox").first
    host = panel.get_by_label("Host", exact=True)
    await host.focus()
    await page.keyboard.type("gpu1")
    await tab_to(page, panel.get_by_role("button", name="Connect", exact=True))
    await page.keyboard.press("Enter")
    await expect(panel.get_by_role("status")).to_contain_text("gpu1: connected", timeout=PATIENCE)
    await expect(panel.get_by_role("table")).to_contain_text("torch")

    environment = panel.get_by_label("Environment", exact=True)
    await tab_to(page, environment)
    await environment.select_option(label=await environment.locator("option", has_text="torch").inner_text())
    await tab_to(page, panel.get_by_role("button", name="Open viewer", exact=True))
    await page.keyboard.press("Enter")
    await first_chart(page)
    saved = await save(page, path)
    assert "RunicornPanel()" in saved
    assert not SECRETS.search(re.sub(r'"model_id": "[0-9a-f]{32}"', "", saved)), saved

    await panel.get_by_role("button", name="Disconnect", exact=True).click()
    await expect(host).to_be_visible()
    assert lab.connections() == []


@pytest.mark.parametrize("place", PLACES)
async def test_the_magics_draw_a_viewer_and_save_only_which_it_is(
    lab_tab: LabPage, lab: LabWorld, place: str
) -> None:
    cells = ["%load_ext runicorn_jupyter\n%runicorn_connect gpu1", "%runicorn_viewer torch --height 700"]
    path = write_notebook(lab, f"magics-{place}.ipynb", *cells)
    page = await open_notebook(lab_tab, place, path.name)
    await run_cells(page, len(cells))
    await first_chart(page)
    saved = await save(page, path)
    assert '"env_name": "torch"' in saved
    assert not SECRETS.search(saved), saved


async def test_a_restarted_kernels_panel_finds_the_viewer_again(lab_tab: LabPage, lab: LabWorld) -> None:
    cell = "%load_ext runicorn_jupyter\n%runicorn_connect gpu1 --env torch"
    path = write_notebook(lab, "restart.ipynb", cell)
    page = await open_notebook(lab_tab, "lab", path.name)
    await run_cells(page)
    await page.frame_locator(".rj-Output iframe").get_by_text("vision/run-0").first.wait_for()
    await page.evaluate(
        """async () => {
          const panel = window.jupyterapp.shell.currentWidget;
          await panel.sessionContext.session.kernel.restart();
        }"""
    )
    await page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()
    write_notebook(lab, "again.ipynb", "%load_ext runicorn_jupyter\n%runicorn_panel")
    page = await open_notebook(lab_tab, "lab", "again.ipynb")
    await run_cells(page)
    await expect(page.get_by_role("status").filter(has_text="viewer running in torch")).to_be_visible()
    await page.frame_locator(".rj-Output iframe").get_by_text("vision/run-0").first.wait_for()
