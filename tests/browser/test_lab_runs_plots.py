"""Values of real runs of two servers against each other: a scatter plot, parallel coordinates."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.browser import Trouble
from tests.world.environments import Trainer

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

PARAMS = ({"rate": 0.0001, "opt": "adam"}, {"rate": 0.01, "opt": "sgd"}, {"rate": 0.5, "opt": "adam"})
"""The learning rates span more than a hundred times."""


@pytest_asyncio.fixture(loop_scope="session")
async def plot(lab_page: LabPage, lab: LabWorld, trainer: Trainer, tmp_path: Path) -> Locator:
    """The plot of six runs: three on each of two hosts, with other parameters."""
    torch = lab.sshd.home / ".virtualenvs" / "torch"
    for host in ("gpu1", "line"):
        root = tmp_path / host
        trainer.runs(torch.resolve(), root, count=3, steps=20 if host == "gpu1" else 5, params=PARAMS)
        connection = lab.jupyter.post("connect", host=host).json()["connection_id"]
        at = {"connection_id": connection, "env_name": "torch", "remote_root": str(root)}
        assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    page = lab_page.page
    await lab_page.command("Show the Runs of All Servers")
    await expect(page.locator(".rj-Runs-body [role=row]")).to_have_count(6)
    await page.get_by_role("button", name="Plot", exact=True).click()
    return page.get_by_role("region", name="Plot", exact=True)


async def pointed(page: Page, canvas: Locator, words: Locator, drawn: str) -> tuple[float, float]:
    """Let the keyboard mark the first run, and the mouse mean the one at that place; where that is.

    ``drawn`` finds what the mark is drawn with, which begins or is centred at a place of the run.
    """
    await canvas.focus()
    await page.keyboard.press("Home")
    place: list[float] = await canvas.locator(drawn).first.evaluate(PLACE_OF)
    await page.keyboard.press("Escape")
    await expect(words).to_contain_text("Point at a run")
    await page.mouse.move(*place)
    await expect(words).to_contain_text("run-")
    return place[0], place[1]


PLACE_OF = """mark => {
  mark.scrollIntoView({ block: 'nearest' });
  if (!mark.points) {
    const { x, y, width, height } = mark.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  }
  // In the middle of a line's first piece: at its ends are axes.
  const [from, to] = mark.points;
  const middle = new DOMPoint((from.x + to.x) / 2, (from.y + to.y) / 2);
  const { x, y } = middle.matrixTransform(mark.getScreenCTM());
  return [x, y];
}"""


@pytest.mark.pictures
async def test_a_parameter_against_a_metric(lab_page: LabPage, plot: Locator) -> None:
    """All servers' runs are points; mouse and keyboard name them, a press opens one, a table has all."""
    page = lab_page.page
    trouble = Trouble()
    trouble.watch(page)
    await expect(plot.get_by_role("heading", name="Plot of 6 runs")).to_be_visible()
    await plot.get_by_label("Horizontal axis").select_option("rate")
    canvas = plot.get_by_role("group", name="loss against rate")
    words = plot.locator("output")
    await expect(canvas).to_have_attribute("data-drawn", "6")
    await expect(canvas.locator("canvas")).to_be_visible()
    legend = plot.get_by_role("list", name="Server").get_by_role("listitem")
    await expect(legend).to_have_text(["gpu1 · torch (3)", "line · torch (3)"])
    await lab_page.picture("lab-runs-scatter", readme=True)
    assert await findings(page, ".rj-Runs") == []

    await canvas.focus()
    await page.keyboard.press("Home")
    await expect(words).to_contain_text("run-0 · gpu1 · torch · rate 0.0001 · loss 0.13534")
    await page.keyboard.press("ArrowRight")
    await expect(words).to_contain_text("run-0 · line · torch · rate 0.0001 · loss 0.60653")
    await page.keyboard.press("End")
    await expect(words).to_contain_text("run-2 · line · torch · rate 0.5")
    await expect(canvas.locator(".rj-Plot-mark")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(words).to_contain_text("Point at a run")

    await plot.get_by_text("As a table").click()
    rows = plot.get_by_role("table").get_by_role("row")
    await expect(rows).to_have_count(7)
    await expect(rows.nth(1).get_by_role("cell")).to_have_text(["gpu1 · torch", "0.0001", "0.13534"])
    await expect(rows.nth(1).get_by_role("cell").last).to_have_attribute("title", "0.1353352832366127")

    # Words are categories; what is filtered away is not drawn, and two runs that are ticked are drawn alone.
    await plot.get_by_label("Horizontal axis").select_option("opt")
    await plot.get_by_label("Colour").select_option("rate")
    canvas = plot.get_by_role("group", name="loss against opt")
    await expect(canvas).to_have_attribute("data-drawn", "6")
    await expect(plot.locator(".rj-Plot-legend")).to_have_text("rate: 0.00010.5")
    await page.get_by_label("Filter the runs").fill("opt=sgd")
    await expect(canvas).to_have_attribute("data-drawn", "2")
    await page.get_by_label("Filter the runs").fill("")
    await expect(canvas).to_have_attribute("data-drawn", "6")
    for index in (0, 1):
        await page.locator(".rj-Runs-body [role=row]").nth(index).get_by_role("checkbox").click()
    await expect(plot.get_by_role("heading", name="Plot of the 2 chosen runs")).to_be_visible()
    await expect(canvas).to_have_attribute("data-drawn", "2")
    assert trouble.page_errors == []
    assert trouble.console_errors == []

    place = await pointed(page, canvas, words, ".rj-Plot-mark")
    await page.mouse.click(*place)
    await expect(lab_page.tab("· torch")).to_be_visible()


async def test_parallel_coordinates(lab_page: LabPage, plot: Locator) -> None:
    """Parameters that differ are axes, the metric the last; a marked part of one leaves the runs in it."""
    page = lab_page.page
    await plot.get_by_label("Kind").select_option("Parallel coordinates")
    canvas = plot.get_by_role("group", name="Parallel coordinates: opt, rate, seed, loss")
    words = plot.locator("output")
    await expect(canvas).to_have_attribute("data-drawn", "6")
    await page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
    )
    await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    assert await findings(page, ".rj-Runs") == []
    await canvas.focus()
    await page.keyboard.press("ArrowDown")
    # From the greatest loss on.
    await expect(words).to_contain_text("line · torch · opt")
    await expect(canvas.locator("polyline")).to_be_visible()
    await lab_page.picture("lab-runs-parallel")

    await canvas.scroll_into_view_if_needed()
    axis = await canvas.locator("g", has_text="rate").locator("line").bounding_box()
    assert axis is not None
    await page.mouse.move(axis["x"], axis["y"] + axis["height"] * 0.8)
    await page.mouse.down()
    await page.mouse.move(axis["x"], axis["y"] + axis["height"] * 1.1, steps=4)
    await page.mouse.up()
    await expect(plot.get_by_text("2 of 6 runs lie in what is marked.")).to_be_visible()
    await expect(canvas).to_have_attribute("data-drawn", "2")
    await plot.get_by_role("button", name="Show all").click()
    await expect(canvas).to_have_attribute("data-drawn", "6")

    await plot.get_by_role("button", name="Remove seed").click()
    await plot.get_by_label("Another axis").select_option("accuracy")
    canvas = plot.get_by_role("group", name="Parallel coordinates: opt, rate, accuracy, loss")
    await expect(canvas).to_have_attribute("data-drawn", "6")
    await page.set_viewport_size({"width": 640, "height": 900})
    await expect(canvas).to_have_attribute("data-drawn", "6")
    assert not await page.locator(".rj-Runs").evaluate("node => node.scrollWidth > node.clientWidth")
    place = await pointed(page, canvas, words, "polyline")
    await page.mouse.click(*place)
    await expect(lab_page.tab("· torch")).to_be_visible()
