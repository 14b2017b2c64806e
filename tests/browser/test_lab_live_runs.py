"""The runs that go on, in the cards of JupyterLab's panel: a curve each, and only while it can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.environments import Trainer

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests


class Asked:
    """What a page asks for: the runs that go on, and their curves."""

    def __init__(self, page: Page) -> None:
        self.runs = self.curves = 0
        page.on("request", self._take)

    @property
    def counts(self) -> tuple[int, int]:
        """How often it asked for the runs, and for the curves."""
        return self.runs, self.curves

    def _take(self, request: Request) -> None:
        self.runs += "/api/remote/runs?" in request.url and "status=running" in request.url
        self.curves += "/api/remote/runs/curves" in request.url


def open_viewer(lab: LabWorld, root: Path) -> None:
    """Open the viewer of a root, over the line that can be cut."""
    connection = lab.jupyter.post("connect", host="line").json()["connection_id"]
    at = {"connection_id": connection, "env_name": "torch", "remote_root": str(root), "auto_open": False}
    assert lab.jupyter.post("viewer/start", **at).ok


WHOLE_IN_A_NARROW_PANEL = """node => {
  node.closest('li').style.width = '150px';
  const isWhole = node.scrollWidth <= node.clientWidth;
  node.closest('li').style.width = '';
  return isWhole;
}"""
"""Whether nothing of a value beside a curve is cut off where both do not fit."""


async def test_a_card_has_the_runs_that_go_on(
    lab_page: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    *,
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Its curve grows; hidden, the panel asks for nothing; the name leads to the run, which ends."""
    page = lab_page.page
    root = tmp_path / "root"
    training = trainer.live(runicorn_env(), root, count=2, steps=5)
    await lab_page.show_panel()
    asked = Asked(page)
    open_viewer(lab, root)
    lines = lab_page.card("line").get_by_role("list", name="Runs that go on").get_by_role("listitem")
    curve = lines.get_by_role("img")
    await expect(lines).to_have_count(1)
    await expect(lines).to_contain_text("run-1")
    await expect(curve).to_have_accessible_name("loss: last 0.60653, least 0.60653, greatest 0.90484")
    assert await lines.get_by_text("loss 0.60653").evaluate(WHOLE_IN_A_NARROW_PANEL)
    before = await curve.locator("path").get_attribute("d")
    training.log_metrics(loss=3)
    await expect(curve).to_have_accessible_name("loss: last 3, least 0.60653, greatest 3")
    assert await curve.locator("path").get_attribute("d") != before
    await expect(lines).to_contain_text("3")
    for theme, is_light in (("Dark", "false"), ("Light", "true")):
        await page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            f"JupyterLab {theme}",
        )
        await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", is_light)
        await expect(page.locator("#jupyterlab-splash")).to_have_count(0)
        await lab_page.picture(f"lab-live-runs-{theme.lower()}")
        assert await findings(page, "#runicorn-panel") == []

    await page.locator('li[data-id="runicorn-panel"]').click()
    await expect(lab_page.panel).to_be_hidden()
    counts = asked.counts
    for loss in (2, 1):
        training.log_metrics(loss=loss)
    await asyncio.to_thread(lab.wait_step, 8)
    assert asked.counts == counts
    await lab_page.show_panel()
    await expect(curve).to_have_accessible_name("loss: last 1, least 0.60653, greatest 3")
    assert asked.curves == counts[1] + 1

    await lines.get_by_role("button", name="run-1").focus()
    await page.keyboard.press("Enter")
    await expect(lab_page.tab("line · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    source = await page.locator(".rj-Frame:visible iframe").evaluate("frame => frame.src")
    assert f"/runs/{training.run_id}" in source
    training.finish()
    await expect(lines).to_have_count(0)
