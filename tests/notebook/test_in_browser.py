"""The panel and the magics in Chromium, in JupyterLab and in Notebook 7, down to the first chart."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import nbformat
import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.lab import LabPage, LabWorld, findings
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
    """Open a notebook and wait until its kernel answers."""
    page = tab.page
    page.set_default_timeout(PATIENCE)
    address = PLACES[place].format(name=name)
    await page.goto(f"{tab.lab.jupyter.url}{address}token={tab.lab.jupyter.token}")
    await page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext", polling=100)
    # The page says "idle" before the notebook has a session; whoever runs a cell then is asked for a kernel.
    await page.evaluate(
        """async () => {
          const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
          await context.ready;
          await sessionContext.ready;
          await sessionContext.session.kernel.info;
        }"""
    )
    return page


async def run_cell(page: Page, number: int) -> None:
    """Run one of the notebook's cells, and wait until it is done."""
    await page.evaluate(
        """async number => {
          const { commands, shell } = window.jupyterapp;
          shell.currentWidget.content.activeCellIndex = number;
          await commands.execute('notebook:run-cell');
        }""",
        number,
    )


async def restart_kernel(page: Page) -> None:
    """Restart the kernel, and wait until it answers again."""
    await page.evaluate(
        """async () => {
          const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
          await kernel.restart();
          await kernel.info;
        }"""
    )


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


async def connect_by_keyboard(page: Page, panel: Locator) -> None:
    """Do what the panel is for without touching the mouse, until the viewer is asked for."""
    await panel.get_by_label("Host", exact=True).focus()
    await page.keyboard.type("gpu1")
    await tab_to(page, panel.get_by_role("button", name="Connect", exact=True))
    await page.keyboard.press("Enter")
    await expect(panel.get_by_role("status")).to_contain_text("gpu1: connected")
    await expect(panel.get_by_role("table")).to_contain_text("torch")
    environment = panel.get_by_label("Environment", exact=True)
    await tab_to(page, environment)
    await environment.select_option(label=await environment.locator("option", has_text="torch").inner_text())
    await tab_to(page, panel.get_by_role("button", name="Open viewer", exact=True))
    await page.keyboard.press("Enter")


OFFERED = """part => [...part.querySelectorAll('button, label, summary, .jupyter-widget-Collapse-header')]
  .filter(each => each.checkVisibility())
  .map(each => (each.textContent.trim() || each.getAttribute('aria-label') || each.title).trim())"""
"""What a panel offers, by the words that a person sees, or hears where there is an icon alone."""


async def offered(part: Locator) -> set[str]:
    """Return the words of all fields and buttons of a part of a panel."""
    return set(await part.evaluate(OFFERED))


async def compare_forms(lab_tab: LabPage, panel: Locator) -> None:
    """JupyterLab's panel and the notebook's ask for the same, in the same words."""
    await lab_tab.show_panel()
    form = lab_tab.panel.locator(".rj-Form")
    await form.get_by_text("Advanced").click()
    await panel.get_by_text("Advanced").click()
    await expect(panel.get_by_label("Save this connection as")).to_be_visible()
    # JupyterLab shows all connections below each other, where the notebook's chooses among them.
    assert await offered(panel) - {"Connection"} == await offered(form)
    methods = [
        [" ".join(each.split()) for each in await options.all_inner_texts()]
        for options in (
            part.get_by_label("Authentication", exact=True).locator("option") for part in (panel, form)
        )
    ]
    assert methods[0] == methods[1]
    await panel.get_by_text("Advanced").click()


async def compare_connections(lab_tab: LabPage, panel: Locator) -> None:
    """Both offer the same of a connection that has a viewer."""
    card = lab_tab.panel.locator(".rj-Card-body")
    await expect(card.get_by_role("button", name="Stop viewer")).to_be_visible()
    of_lab = {each for each in await offered(card) if "environment" not in each or "again" in each}
    # There it is folded away as long as an environment says which root it has.
    of_lab = of_lab - {"Another storage root"} | {"Storage root"}
    # It shows the runs of all servers in a tab, and restarts a viewer that does not answer.
    of_notebook = await offered(panel) - {"Connection", "Runs", "Restart viewer"}
    assert {each for each in of_notebook if "without Runicorn" not in each} == of_lab


async def first_chart(page: Page, number: int) -> None:
    """Open the first run of the viewer in an output, with the mouse, and wait until a chart is painted."""
    outer = page.locator(".rj-Output iframe").nth(number)
    viewer = outer.content_frame
    await viewer.get_by_text("vision/run-0").first.wait_for()
    await viewer.locator("tr[data-row-key] .ant-btn-link:not(.ant-btn-dangerous)").first.click()
    # Charts are made when they come into sight, which in an output's frame takes scrolling.
    await viewer.get_by_text("Summary", exact=True).first.hover()
    frame = await (await outer.element_handle()).content_frame()
    async with asyncio.timeout(PATIENCE / 1000):
        while not await painted_canvases(frame):
            await page.mouse.wheel(0, 100)
            await frame.evaluate("() => new Promise(requestAnimationFrame)")


async def open_run(page: Page, place: str) -> None:
    """Click on a run's name in the table: its page opens, in a tab of JupyterLab or of the browser."""
    name = page.get_by_role("button", name="run-0", exact=True)
    if place == "lab":
        await name.click()
        opened = page.frame_locator(".rj-Frame:visible iframe")
        await opened.get_by_text("Summary", exact=True).first.wait_for()
        await page.locator("#jp-main-dock-panel .lm-TabBar-tab").get_by_text("lab.ipynb").click()
    else:
        async with page.expect_popup() as popup:
            await name.click()
        opened = await popup.value
        await opened.get_by_text("Summary", exact=True).first.wait_for()
        await opened.close()


@pytest.mark.parametrize("place", PLACES)
async def test_the_panel_and_the_magics_to_the_first_chart(
    lab_tab: LabPage, lab: LabWorld, place: str
) -> None:
    cells = [
        "%load_ext runicorn_jupyter\n%runicorn_panel",
        "%runicorn_viewer --height 700",
        "%runicorn_runs",
        "%runicorn_runs --metrics loss --compare run-0 run-1",
    ]
    path = write_notebook(lab, f"{place}.ipynb", *cells)
    page = await open_notebook(lab_tab, place, path.name)
    await run_cell(page, 0)
    panel = page.locator(".jp-OutputArea-output .widget-vbox").first
    if place == "lab":
        await compare_forms(lab_tab, panel)
    await connect_by_keyboard(page, panel)
    await first_chart(page, 0)
    if place == "lab":
        await compare_connections(lab_tab, panel)
        assert await findings(page, ".jp-OutputArea-output .widget-vbox") == []

    await run_cell(page, 1)
    await first_chart(page, 1)
    await run_cell(page, 2)
    await open_run(page, place)
    await run_cell(page, 3)
    chart = page.locator(".jp-RenderedVegaCommon5 canvas, .jp-RenderedVegaCommon5 svg").first
    await chart.scroll_into_view_if_needed()
    await lab_tab.picture(f"runs-in-{place}", readme=place == "lab")
    saved = await save(page, path)
    assert "RunicornPanel()" in saved
    assert '"env_name": "torch"' in saved
    assert not SECRETS.search(re.sub(r'"model_id": "[0-9a-f]{32}"', "", saved)), saved

    await restart_kernel(page)
    await run_cell(page, 0)
    await expect(panel.get_by_role("status").first).to_contain_text("viewer running in torch")
    await page.frame_locator(".rj-Output iframe").first.get_by_text("vision/run-0").first.wait_for()
    await panel.get_by_role("button", name="Disconnect", exact=True).click()
    await expect(panel.get_by_label("Host", exact=True)).to_be_visible()
    assert lab.connections() == []
