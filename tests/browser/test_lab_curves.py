"""The curves of a run that goes on, in JupyterLab: drawn as they come, and only while somebody looks."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.environments import Trainer, Training

pytestmark = pytest.mark.timeout(300)

PIXELS = "() => document.querySelector('.rj-Curves-chart canvas')?.toDataURL()"


class Drawn:
    """The chart of a page, and what the page asks for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.steps = page.get_by_role("region", name="Comparison of loss").locator("tbody td").nth(0)
        page.on("request", self._ask)

    def _ask(self, request: Request) -> None:
        # The small curves of the table ask for few points.
        if "runs/curves" in request.url and '"points":60' not in (request.post_data or ""):
            self.asked.append(request.url)

    async def pixels(self) -> str:
        """What the canvas shows."""
        found: str = await self.page.evaluate(PIXELS)
        return found

    async def moved(self, before: str) -> str:
        """What the canvas shows, as soon as it is something else."""
        await self.page.wait_for_function(f"before => ({PIXELS})() !== before", arg=before)
        return await self.pixels()

    async def values(self) -> list[tuple[int, float | None]]:
        """Step and value of all that is drawn, as it is copied."""
        await self.page.get_by_role("button", name="Copy all values").click()
        text = await self.page.evaluate("() => navigator.clipboard.readText()")
        head, *rows = csv.reader(io.StringIO(text))
        assert head == ["run", "step", "time", "loss"]
        return [(int(step), float(value) if value else None) for _, step, _, value in rows]


def logged(root: Path) -> list[tuple[int, float | None]]:
    """Step and loss of all that the runs' files have."""
    files = sorted(root.rglob("events.jsonl"))
    events = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    rows = [event["data"] for event in events if event["type"] == "metrics" and "loss" in event["data"]]
    return [(row["global_step"], row["loss"] if math.isfinite(row["loss"]) else None) for row in rows]


async def test_curves_grow_with_their_run(
    lab_page: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    each_runicorn: tuple[str, Path],
    *,
    environment: str,
    tmp_path: Path,
) -> None:
    """With each runicorn: steps move the pixels, through a cut of the line; a hidden tab asks for nothing."""
    page = lab_page.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    root = tmp_path / "root"
    training = trainer.live(each_runicorn[1], root, count=1, steps=5)
    connection = lab.jupyter.post("connect", host="line").json()["connection_id"]
    at = {"connection_id": connection, "env_name": environment, "remote_root": str(root)}
    assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    await lab_page.command("Show the Runs of All Servers")
    await page.locator(".rj-Runs-body [role=row]").get_by_role("checkbox").click()
    drawn = Drawn(page)
    await page.get_by_role("button", name="Compare 1").click()
    await page.get_by_text("loss as a table").click()
    await expect(drawn.steps).to_have_text("5")
    before = await drawn.pixels()
    training.log_metrics(loss=3)
    training.log_metrics(loss=float("nan"))
    training.log_metrics(loss=2)
    await expect(drawn.steps).to_have_text("7")  # with a value, of 8
    assert await drawn.pixels() != before
    assert await drawn.values() == logged(root)

    await look_elsewhere(drawn, training)

    # The line is cut; what was drawn stays, and says since when.
    lab.relay.cut()
    training.log_metrics(loss=0.5)
    await page.get_by_role("button", name="Refresh the runs").click()
    await expect(page.locator(".rj-Runs-sources")).to_have_text(
        re.compile(r"is not connected; its runs are those of \d+:\d\d")
    )
    await expect(drawn.steps).to_have_text("10")
    lab.relay.mend()
    await expect(drawn.steps).to_have_text("11")
    assert await drawn.values() == logged(root)

    await zoom_and_hide(drawn, training)
    training.finish()
    await expect(page.get_by_role("list", name="Compared runs")).to_contain_text("Finished")
    asked = len(drawn.asked)
    await look_otherwise(drawn, logged(root))
    # What has ended is never asked for again, but for what was not drawn of it.
    async with page.expect_response("**/api/remote/runs?*"):
        await page.get_by_role("button", name="Refresh the runs").click()
    assert len(drawn.asked) == asked
    await look_closer(lab_page, drawn)
    assert len(drawn.asked) == asked + 1
    await link_cursors(page)


async def look_elsewhere(drawn: Drawn, training: Training) -> None:
    """While another tab is shown nothing is asked; what is logged meanwhile comes by one request."""
    page = drawn.page
    await page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="Launcher").click()
    await expect(page.locator(".rj-Curves")).to_be_hidden()
    hidden = len(drawn.asked)
    for loss in (1.5, 1.25, 1):
        async with page.expect_response("**/api/remote/runs?*"):  # the table follows; the curves do not
            training.log_metrics(loss=loss)
    assert len(drawn.asked) == hidden
    await page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="Runs").click()
    await expect(drawn.steps).to_have_text("10")
    assert len(drawn.asked) == hidden + 1


async def zoom_and_hide(drawn: Drawn, training: Training) -> None:
    """The part in sight stays while the run goes on; a press on its name hides a line, another shows it."""
    page = drawn.page
    await page.locator(".rj-Curves-chart").focus()
    await page.keyboard.press("+")
    part = await drawn.pixels()
    training.log_metrics(loss=0.5)
    await expect(drawn.steps).to_have_text("12")
    await page.get_by_role("button", name="Show all").click()
    await expect(page.get_by_role("button", name="Show all")).to_have_count(0)
    whole = await drawn.pixels()
    assert whole != part
    name = page.get_by_role("list", name="Compared runs").get_by_role("button", name="run-0")
    await name.click()
    await expect(name).to_have_attribute("aria-pressed", "false")
    assert await drawn.pixels() != whole
    await name.click()
    await expect(name).to_have_attribute("aria-pressed", "true")


async def look_otherwise(drawn: Drawn, values: list[tuple[int, float | None]]) -> None:
    """Each axis, the logarithm and smoothing draw something else, and the words at the cursor say what."""
    page = drawn.page
    chart, words = page.locator(".rj-Curves-chart"), page.locator(".rj-Curves-words")
    smoothing = page.get_by_label("Smoothing")
    steps = await drawn.pixels()
    pictures = set[str]()
    for axis, place in (("time", r"\d+:\d\d( [AP]M)?"), ("relative", r"0:\d\d:\d\d"), ("step", "13")):
        before = await drawn.pixels()
        await page.get_by_label("Horizontal axis").select_option(axis)
        pictures.add(await drawn.moved(before))
        await chart.press("ArrowLeft")
        await expect(words).to_have_text(re.compile(rf"^{place} · run-0: 0\.5$"))
    await page.get_by_label("Logarithmic").check()
    pictures.add(await drawn.moved(steps))
    await page.get_by_label("Logarithmic").uncheck()
    await smoothing.press("End")
    smooth = await drawn.moved(steps)
    pictures.add(smooth)
    assert len(pictures) == 5
    await chart.press("ArrowLeft")
    average, left = 0.0, 1.0
    for value in (value for _, value in values if value is not None):
        average, left = 0.99 * average + 0.01 * value, 0.99 * left
    await expect(words).to_have_text(f"13 · run-0: {average / (1 - left):.5g}")
    assert await drawn.values() == values  # as they were logged
    await smoothing.press("Home")
    assert await drawn.moved(smooth) == steps


async def look_closer(lab_page: LabPage, drawn: Drawn) -> None:
    """Logarithmic, by time: a value by the keyboard, a part of it, and another metric beside it."""
    page = lab_page.page
    await page.get_by_label("Horizontal axis").select_option("relative")
    await page.get_by_label("Logarithmic").check()
    await page.locator(".rj-Curves-chart").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".rj-Curves-words")).to_contain_text("run-0: 0.5")
    before = await drawn.pixels()
    await page.keyboard.press("+")
    await expect(page.get_by_role("button", name="Show all")).to_be_visible()
    assert await drawn.pixels() != before
    await page.get_by_label("Another metric").select_option("accuracy")
    await expect(page.locator(".rj-Curves-chart canvas")).to_have_count(2)
    await lab_page.picture("lab-curves")
    assert await findings(page, ".rj-Runs") == []


async def link_cursors(page: Page) -> None:
    """What mouse or keyboard is at in one chart is marked in the others, if they have it in sight."""
    await page.get_by_label("Horizontal axis").select_option("step")
    charts, words = page.locator(".rj-Curves-chart"), page.locator(".rj-Curves-words")
    mark = charts.last.locator(".u-cursor-x")
    none = await words.last.inner_text()
    # By the keyboard, whose mark then says where the mouse has to be.
    await charts.first.focus()
    for _ in range(13 - 2):
        await page.keyboard.press("ArrowLeft")
    await expect(words.first).to_have_text("3 · run-0: 0.74082")
    await expect(words.last).to_have_text("3 · run-0: 0.25918")
    place = await charts.first.locator(".u-cursor-x").bounding_box()
    linked = await mark.bounding_box()
    assert place is not None
    # In sight of one only: a step of which the other has nothing.
    await page.keyboard.press("0")
    for _ in range(10):
        await page.keyboard.press("ArrowRight")
    await expect(words.first).to_have_text("13 · run-0: 0.5")
    await expect(words.last).to_have_text(none)
    await page.mouse.move(place["x"], place["y"] + place["height"] / 2)
    await expect(words.last).to_have_text("3 · run-0: 0.25918")
    moved = await mark.bounding_box()
    assert moved is not None
    assert linked is not None
    assert moved["x"] == pytest.approx(linked["x"], abs=2)  # the mouse is at whole pixels


async def test_small_curves_come_together(
    lab_page: LabPage, lab: LabWorld, trainer: Trainer, tmp_path: Path
) -> None:
    """One request asks for those of all rows in sight, of all servers, and of no other row."""
    page = lab_page.page
    torch = (lab.sshd.home / ".virtualenvs" / "torch").resolve()
    for host, count in (("gpu1", 60), ("line", 2)):  # the newest are on top
        trainer.runs(torch, tmp_path / host, count=count, steps=2)
        connection = lab.jupyter.post("connect", host=host).json()["connection_id"]
        at = {"connection_id": connection, "env_name": "torch", "remote_root": str(tmp_path / host)}
        assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    table, curves = page.locator(".rj-Runs-table"), page.locator(".rj-Runs-body .rj-Spark")
    await lab_page.command("Show the Runs of All Servers")
    await expect(table).to_have_attribute("aria-rowcount", "63")
    await lab_page.open()  # now that all of them are there
    asked: list[list[dict[str, str]]] = []

    def take(request: Request) -> None:
        if "runs/curves" in request.url:
            asked.append(json.loads(request.post_data or "")["runs"])

    page.on("request", take)
    await lab_page.command("Show the Runs of All Servers")
    await expect(curves.first).to_be_visible()
    (first,) = asked
    rows = await page.locator(".rj-Runs-body [role=row]").count()
    assert len({run["run_id"] for run in first}) == len(first) == rows < 62
    assert len({run["connection_id"] for run in first}) == 2
    await table.press("End")
    await expect(page.locator(".rj-Runs-body [aria-rowindex='63'] .rj-Spark")).to_be_visible()
    ids = [run["run_id"] for each in asked for run in each]
    assert len(set(ids)) == len(ids)  # those that were in sight before are not asked for again
