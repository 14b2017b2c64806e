"""The runs of all servers in JupyterLab: a real viewer, and runs that its own runicorn writes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.environments import Trainer

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests


def row(lab_page: LabPage, name: str) -> Locator:
    """The row of a run."""
    return lab_page.page.locator(".rj-Runs-body [role=row]").filter(has_text=name)


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
    await expect(chart.locator("svg .mark-line path")).to_have_count(2)
    await lab_page.picture("lab-runs", readme=True)
    assert await findings(page, ".rj-Runs") == []
    await page.get_by_label("Filter the runs").fill("run-1")
    await expect(page.get_by_text("1 of 3 runs")).to_be_visible()
    await row(lab_page, "run-1").dblclick()
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    await expect(lab_page.viewer.locator("canvas").first).to_be_visible()
    await lab_page.picture("lab-run-page")
