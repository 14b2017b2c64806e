"""The runs of all servers in JupyterLab: a real viewer, and runs that its own runicorn writes meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Locator, Request, Route, expect

from tests.browser.lab import LabPage, LabWorld, findings, scroll_to_charts
from tests.world.browser import Trouble
from tests.world.environments import Trainer
from tests.world.many_runs import many_runs

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests


def row(lab_page: LabPage, name: str) -> Locator:
    """The row of a run."""
    return lab_page.page.locator(".rj-Runs-body [role=row]").filter(has_text=name)


@pytest.mark.pictures
async def test_the_runs_of_all_servers_live(
    lab_page: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """One table that follows what runs do; filter, compare, notice, and open a run's own page."""
    page = lab_page.page
    root = tmp_path / "root"
    training = trainer.live(runicorn_env(), root, count=3)
    await lab_page.command("Show the Runs of All Servers")
    table = page.get_by_role("grid", name="Runs of all servers")
    await expect(page.get_by_text("Connect to a server to see the training runs")).to_be_visible()

    connection = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    at = {"connection_id": connection, "env_name": "torch", "remote_root": str(root)}
    assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    await expect(page.locator(".rj-Runs-body [role=row]")).to_have_count(3)
    await expect(row(lab_page, "run-2")).to_contain_text("Running")
    await expect(row(lab_page, "run-0")).to_contain_text("Finished")
    await expect(row(lab_page, "run-0")).to_contain_text("gpu1 · torch")

    for step in range(10):
        training.log_metrics(loss=0.2 + step / 20)
    training.log_metrics(loss=float("nan"))
    news = page.locator(".Toastify__toast")
    bad = news.filter(has_text="loss of run-2 on gpu1 is no finite number any more.")
    await expect(bad).to_be_visible()
    training.finish()
    await expect(row(lab_page, "run-2")).to_contain_text("Finished")
    await expect(news.filter(has_text="run-2 on gpu1 has finished.")).to_be_visible()
    await lab_page.picture("lab-runs-news")
    for hide in await news.get_by_title("Hide notification").all():
        await hide.click()
    await expect(news).to_have_count(0)

    # All of it by the keyboard: two runs to compare, among those that the filter leaves.
    await page.get_by_label("Filter the runs").fill("finished run-")
    await table.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("Space")
    await page.keyboard.press("Home")
    await page.keyboard.press("Space")
    await expect(table.locator("[aria-selected=true]")).to_have_count(2)
    await page.get_by_label("Metric", exact=True).select_option("loss")
    await page.get_by_role("button", name="Compare 2").click()
    chart = page.get_by_label("Comparison of loss")
    await expect(chart.locator(".rj-Curves-chart[data-lines='2'] canvas")).to_be_visible()
    await lab_page.picture("lab-runs", readme=True)
    assert await findings(page, ".rj-Runs") == []
    await page.get_by_label("Filter the runs").fill("run-1")
    await expect(page.get_by_text("1 of 3 runs")).to_be_visible()
    await row(lab_page, "run-1").dblclick()
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    await scroll_to_charts(lab_page)
    await lab_page.picture("lab-run-page")


async def show_runs(lab: LabWorld, root: Path | None = None) -> str:
    """Connect and open a viewer without its tab; give the connection's id."""
    connection: str = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    at = {"connection_id": connection, "env_name": "torch", "auto_open": False}
    started = lab.jupyter.post("viewer/start", **at, **({"remote_root": str(root)} if root else {}))
    assert started.ok
    return connection


async def test_a_comparison_that_is_closed_or_loses_its_runs(lab_page: LabPage, lab: LabWorld) -> None:
    """The table stays as it was, and has the runs again when the connection is back."""
    page = lab_page.page
    trouble = Trouble()
    trouble.watch(page)
    await lab_page.show_panel()
    await lab_page.button("Runs of all servers").click()
    await show_runs(lab)
    rows = page.locator(".rj-Runs-body [role=row]")
    count = len(lab.jupyter.get("runs").json()["runs"])
    await expect(rows).to_have_count(count)
    lines = page.locator(".rj-Runs-comparison .rj-Curves-chart[data-lines='2'] canvas")
    for index in (0, 1):
        await rows.nth(index).get_by_role("checkbox").click()
    await page.get_by_role("button", name="Compare 2").click()
    await expect(lines).to_be_visible()
    await page.get_by_role("button", name="Close the comparison").click()
    await expect(lines).to_have_count(0)
    await expect(rows).to_have_count(count)
    await page.get_by_role("button", name="Compare 2").click()
    await expect(lines).to_be_visible()
    await page.get_by_label("Metric", exact=True).select_option("accuracy")
    await expect(
        page.get_by_label("Comparison of accuracy").locator(".rj-Curves-chart canvas")
    ).to_be_visible()
    await lab_page.button("Disconnect").click()
    await expect(page.get_by_text("Connect to a server to see the training runs")).to_be_visible()
    await show_runs(lab)
    await expect(rows).to_have_count(count)
    # The tab goes with a comparison open.
    for index in (0, 1):
        await rows.nth(index).get_by_role("checkbox").click()
    await expect(lines).to_be_visible()
    await (
        page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="Runs")
        .locator(".lm-TabBar-tabCloseIcon")
        .click()
    )
    await expect(page.locator(".rj-Runs")).to_have_count(0)
    assert trouble.page_errors == []
    assert trouble.console_errors == []


@pytest.mark.parametrize("size", [(1280, 900), (640, 400)])
async def test_forty_runs_compared(
    lab_page: LabPage,
    lab: LabWorld,
    finished_runs: Callable[..., Path],
    tmp_path: Path,
    size: tuple[int, int],
) -> None:
    """However many there are, the plot keeps its height, and each line can be told from the others."""
    page = lab_page.page
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    like = next(path.parent for path in sorted(finished_runs().rglob("meta.json")))
    many_runs(tmp_path / "root", like, 41)
    await lab_page.show_panel()
    await lab_page.button("Runs of all servers").click()
    await show_runs(lab, tmp_path / "root")
    await expect(page.get_by_text("41 runs")).to_be_visible()
    chart = page.locator(".rj-Runs-comparison .rj-Curves-chart")
    legend = page.locator(".rj-Curves-legend li")
    plot = chart.locator(".u-over")
    chosen = 0
    for count in (2, 12, 40):
        await page.get_by_role("grid").focus()
        for _ in range(count - chosen):
            await page.keyboard.press("Space")
            await page.keyboard.press("ArrowDown")
        chosen = count
        button = page.get_by_role("button", name=f"Compare {count}")
        if await button.get_attribute("aria-expanded") == "false":
            await button.click()
        # Nothing is read before somebody looks.
        await page.get_by_label("Comparison of loss").scroll_into_view_if_needed()
        await expect(chart).to_have_attribute("data-lines", str(count))
        await expect(legend).to_have_count(count)
        box = await plot.bounding_box()
        assert box is not None
        assert box["height"] >= 200
        assert box["width"] >= 100
    styles = await legend.locator("line").evaluate_all(
        "lines => lines.map(line => line.getAttribute('stroke') + line.getAttribute('stroke-dasharray'))"
    )
    assert len(set(styles)) == 40

    await legend.nth(39).scroll_into_view_if_needed()
    await legend.nth(39).hover()
    name = await legend.nth(39).get_by_role("button").get_attribute("title")
    assert name is not None
    await expect(chart).to_have_attribute("data-raised", name)
    await lab_page.picture(f"lab-compare-40-{size[0]}")

    await plot.scroll_into_view_if_needed()
    box = await plot.bounding_box()
    assert box is not None
    raised = legend.and_(page.locator("[data-raised]"))
    for part in range(1, 20):  # from the top down, until there is a line
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + part * box["height"] / 20)
        if await raised.count():
            break
    await expect(raised).to_have_count(1)
    await page.get_by_label("Filter the runs").hover()
    await expect(raised).to_have_count(0)
    assert await findings(page, ".rj-Runs") == []


async def test_a_flood_of_news_is_one_notification(
    lab_page: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Three hundred runs that fail at once: one notification, a few requests, and the table."""
    page = lab_page.page
    trainer.live(runicorn_env(), tmp_path / "live")  # whose process the copies name: they are running
    like = next(path.parent for path in (tmp_path / "live").rglob("status.json"))
    root = tmp_path / "root"
    ids = many_runs(root, like, 300)
    await lab_page.show_panel()
    await lab_page.button("Runs of all servers").click()
    await show_runs(lab, root)
    await expect(page.get_by_text("300 runs")).to_be_visible()
    await expect(row(lab_page, "trial 299")).to_contain_text("Running")
    # What happens to a run while the list is taken up is no news yet.
    await expect(page.locator(".rj-Runs-sources")).to_have_count(0)
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/api/remote/" in request.url:
            asked.append(request.url)

    page.on("request", note)
    statuses = {path.parent.name: path for path in root.rglob("status.json")}
    for run_id in ids:
        status = json.loads(statuses[run_id].read_text())
        ended = {**status, "status": "failed", "ended_at": status["started_at"] + 60}
        fresh = statuses[run_id].with_suffix(".new")
        fresh.write_text(json.dumps(ended))
        fresh.replace(statuses[run_id])
    toasts = page.locator(".Toastify__toast")
    await expect(toasts.filter(has_text=re.compile(r"… and (299|[3-9]\d\d) more messages"))).to_be_visible()
    await expect(toasts).to_have_count(1)
    await expect(toasts).to_contain_text("has failed.")
    await expect(row(lab_page, "trial 299")).to_contain_text("Failed")
    await expect(page.locator(".jp-Notification-Status")).to_have_text("1")
    # One at a time, whatever happens: fewer than there were runs, by far.
    assert len(asked) < 60
    await lab_page.picture("lab-runs-flood")
    await toasts.get_by_role("button", name="Show the runs").click()
    await expect(toasts).to_have_count(0)


async def test_a_list_that_is_not_whole_says_so(lab_page: LabPage, lab: LabWorld) -> None:
    """As long as a viewer takes up its runs, the tab says of which and how many there are so far."""
    page = lab_page.page

    async def not_yet(asked: Route) -> None:
        answer = await (await asked.fetch()).json()
        servers = [{**server, "complete": False, "total": 26} for server in answer["servers"]]
        await asked.fulfill(json={**answer, "servers": servers})

    await page.route("**/api/remote/runs?**", not_yet)
    await lab_page.show_panel()
    await lab_page.button("Runs of all servers").click()
    await show_runs(lab)
    sources = page.locator(".rj-Runs-sources li")
    await expect(sources).to_have_text("gpu1 · torch reading 26 …")
    await page.unroute_all(behavior="wait")
    await page.get_by_role("button", name="Refresh the runs").click()
    await expect(sources).to_have_count(0)
