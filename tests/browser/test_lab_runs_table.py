"""The table of runs in JupyterLab: columns, order, filter, groups and exports, with a real viewer's runs."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.browser import Trouble
from tests.world.environments import Trainer

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

LEFT = "node => node.getBoundingClientRect().left"

OPEN_NOTEBOOK = """async path => {
  await window.jupyterapp.commands.execute('docmanager:open', { path, factory: 'Notebook' });
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def table(lab_page: LabPage, lab: LabWorld, trainer: Trainer, tmp_path: Path) -> Locator:
    """The table with three finished runs, whose seeds are 0, 1 and 2."""
    torch = lab.sshd.home / ".virtualenvs" / "torch"
    trainer.runs(torch.resolve(), tmp_path / "root", count=3)
    connection = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    at = {"connection_id": connection, "env_name": "torch", "remote_root": str(tmp_path / "root")}
    assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    await lab_page.command("Show the Runs of All Servers")
    found = lab_page.page.locator(".rj-Runs-table")
    await expect(found.locator(".rj-Runs-body [role=row]")).to_have_count(3)
    return found


def heads(table: Locator) -> Locator:
    """The heads of the columns, without that of the check boxes."""
    return table.locator(".rj-Runs-head .rj-Runs-cell")


async def column(table: Locator, name: str) -> list[str]:
    """The cells of a column, from top to bottom."""
    place = await table.get_by_role("columnheader", name=name).get_attribute("aria-colindex")
    cells = table.locator(f".rj-Runs-body .rj-Runs-cell[aria-colindex='{place}']")
    rows = [
        (await cell.evaluate("node => Number(node.parentNode.dataset.index)"), await cell.inner_text())
        for cell in await cells.all()
    ]
    return [text for _, text in sorted(rows)]


async def choose(page: Page, *names: str) -> None:
    """Tick columns in the chooser."""
    await page.get_by_role("button", name="Columns").click()
    for name in names:
        await page.get_by_role("group").get_by_label(name, exact=True).check()


async def fits_a_narrow_tab(page: Page) -> None:
    """Look at the chooser where there is little room: nothing of the tab has to be scrolled to sideways."""
    width, height = await page.evaluate("() => [innerWidth, innerHeight]")
    await page.set_viewport_size({"width": 900, "height": height})
    facts = page.get_by_role("group", name="Facts").get_by_role("checkbox", name="Status")
    await expect(facts).to_be_in_viewport(ratio=1)
    assert await page.locator(".rj-Runs").evaluate("node => node.scrollWidth <= node.clientWidth")
    await page.set_viewport_size({"width": width, "height": height})


async def width_of(head: Locator) -> float:
    """The width of a column."""
    box = await head.bounding_box()
    assert box is not None
    return box["width"]


async def moved_and_widened(page: Page, table: Locator) -> float:
    """Move the column ``seed`` to that of the status and make it wider, by keys and mouse; how wide it is."""
    seed = table.get_by_role("columnheader", name="seed")
    await seed.get_by_role("button").press("Alt+ArrowLeft")
    await seed.drag_to(table.get_by_role("columnheader", name="Status"))
    width = await width_of(seed)
    await seed.get_by_role("button").press("Shift+ArrowRight")
    await expect(seed).to_have_css("width", f"{width + 16:g}px")
    edge = await seed.locator(".rj-Runs-resize").bounding_box()
    assert edge is not None
    await page.mouse.move(edge["x"] + 3, edge["y"] + 5)
    await page.mouse.down()
    await page.mouse.move(edge["x"] + 43, edge["y"] + 5, steps=3)
    await page.mouse.up()
    await expect(seed).to_have_css("width", f"{width + 56:g}px")
    return width + 56


async def test_columns_are_chosen_moved_and_kept(lab_page: LabPage, table: Locator) -> None:
    """By mouse and by keyboard; sorted by several; a reload has them again."""
    page = lab_page.page
    trouble = Trouble()
    trouble.watch(page)
    await page.set_viewport_size({"width": 1600, "height": 900})
    await choose(page, "seed", "accuracy", "best_accuracy")
    names = ["Status", "Run", "loss", "Curve", "Server", "Started", "Duration"]
    await expect(heads(table)).to_have_text([*names, "seed", "accuracy", "best_accuracy"])
    curves = table.get_by_role("img", name="last")
    await expect(curves).to_have_count(3)
    assert await findings(page, ".rj-Runs") == []
    await page.get_by_label("Find a column").fill("see")
    await expect(page.get_by_role("group").get_by_role("checkbox")).to_have_count(1)
    await page.get_by_role("button", name="Hide Duration").click()
    await page.get_by_label("Keep Run in sight").check()
    await expect(heads(table).first).to_have_text("Run")
    await page.get_by_role("button", name="Columns").click()

    seed = table.get_by_role("columnheader", name="seed")
    await seed.get_by_role("button").click()
    await expect(seed).to_have_attribute("aria-sort", "ascending")
    assert await column(table, "seed") == ["0", "1", "2"]
    # The accuracy is the same in all: what is sorted by after it counts.
    accuracy = table.get_by_role("columnheader", name="accuracy", exact=True)
    await accuracy.get_by_role("button").click()
    await seed.get_by_role("button").click(modifiers=["Shift"])
    await seed.get_by_role("button").click(modifiers=["Shift"])
    await expect(seed).to_have_attribute("aria-sort", "descending")
    await expect(accuracy).to_have_attribute("aria-sort", "ascending")
    assert await column(table, "seed") == ["2", "1", "0"]

    width = await moved_and_widened(page, table)
    order = ["Run", "seed", "Status", "loss", "Curve", "Server", "Started", "accuracy", "best_accuracy"]
    plain = await heads(table).all_inner_texts()
    assert [text.split("\n")[0].strip("12 ") for text in plain] == order

    # What is pinned stays where it is, and over the others.
    run = table.get_by_role("columnheader", name="Run")
    await page.set_viewport_size({"width": 1000, "height": 900})
    before = await run.evaluate(LEFT)  # not its height: the bar above may still make room for itself
    await table.evaluate("node => { node.scrollLeft = node.scrollWidth; }")
    await expect(heads(table).last).to_be_in_viewport()
    assert await run.evaluate(LEFT) == before
    await lab_page.picture("lab-runs-columns")

    await lab_page.saved_layout(f'"width":{width:g}')
    await page.reload()
    await expect(table).to_have_attribute("aria-colcount", "10")
    await expect(seed).to_have_attribute("aria-sort", "descending")
    await expect(seed).to_have_css("width", f"{width:g}px")
    assert trouble.page_errors == []
    assert trouble.console_errors == []


async def test_a_condition_finds_runs_and_says_where_it_is_wrong(lab_page: LabPage, table: Locator) -> None:
    """The server reads it; a mistake is marked where it is, and the table stays; filters are saved."""
    page = lab_page.page
    field = page.get_by_label("Filter the runs")
    rows = table.locator(".rj-Runs-body [role=row]")
    await field.fill("seed>0")
    await expect(page.get_by_text("2 of 3 runs")).to_be_visible()
    await expect(rows).to_have_count(2)
    await field.fill("seed>0 and loss<")
    mistake = page.get_by_role("alert")
    await expect(mistake).to_contain_text("has no value here (at character 17)")
    await expect(mistake.locator("code")).to_have_text(re.compile(r"^seed>0 and loss<\s*$"))
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(rows).to_have_count(2)
    assert await findings(page, ".rj-Runs") == []
    await field.fill("seed>0 and (loss<1) step<<2")
    await expect(mistake.locator("mark")).to_have_text("<2")
    await field.fill("seed=1 status=finished")
    await expect(mistake).to_have_count(0)
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="Save this filter").click()
    await expect(page.get_by_role("button", name="Forget this filter")).to_be_visible()
    await field.fill("")
    await expect(rows).to_have_count(3)
    offered = page.locator(".rj-Runs-find datalist option")
    await expect(offered).to_have_attribute("value", "seed=1 status=finished")
    await field.press_sequentially("model.")
    await expect(offered.first).to_have_attribute("value", "model.depth")
    await field.fill("seed=1 status=finished")
    await page.get_by_role("button", name="Forget this filter").click()
    await expect(page.get_by_role("button", name="Save this filter")).to_be_visible()


async def test_groups_and_what_is_taken_along(
    lab_page: LabPage, lab: LabWorld, table: Locator, tmp_path: Path
) -> None:
    """Runs with the same values are a row with mean ± deviation; CSV and a cell have what is shown."""
    page = lab_page.page
    await choose(page, "seed")
    await fits_a_narrow_tab(page)
    await page.get_by_role("button", name="Group by lr").click()
    await page.get_by_role("button", name="Columns").click()
    rows = table.locator(".rj-Runs-body [role=row]")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("lr = 0.001 · 3 runs")
    await expect(rows).to_contain_text("0.13534 ± 0")
    await table.focus()
    await page.keyboard.press("ArrowRight")
    await expect(rows).to_have_count(4)
    await expect(rows.first).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("Space")
    await expect(page.get_by_role("button", name="Compare 3")).to_be_enabled()
    assert await findings(page, ".rj-Runs") == []
    await lab_page.picture("lab-runs-groups")

    async def saved() -> list[list[str]]:
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Download what is shown as CSV").click()
        path = tmp_path / "runs.csv"
        await (await download.value).save_as(path)
        with path.open(newline="") as file:
            return list(csv.reader(file))

    head, group = await saved()
    assert dict(zip(head, group, strict=True)).items() >= {"lr": "0.001", "runs": "3", "seed": ""}.items()
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("button", name="Group by lr").click()
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_label("Filter the runs").fill("seed>0")
    await table.get_by_role("columnheader", name="seed").get_by_role("button").click()
    await expect(rows).to_have_count(2)
    head, *runs = await saved()
    assert [dict(zip(head, run, strict=True))["seed"] for run in runs] == ["1", "2"]

    cell = {
        "cell_type": "code",
        "id": "a",
        "source": "",
        "outputs": [],
        "metadata": {},
        "execution_count": None,
    }
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    (lab.home.path / "work" / "cells.ipynb").write_text(json.dumps(notebook))
    await page.evaluate(OPEN_NOTEBOOK, "cells.ipynb")
    await page.get_by_role("dialog").get_by_role("button", name="No Kernel").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator(".jp-Notebook .jp-Cell .cm-content")).to_be_visible()
    await page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="Runs").click()
    await page.get_by_role("button", name="Insert what is shown as a cell").click()
    await expect(page.locator(".jp-Notebook .jp-mod-active .cm-content")).to_have_text(
        "%runicorn_runs --params --where 'seed>0' --sort=param.seed"
    )
