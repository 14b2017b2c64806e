"""From the open tab to what differs between two runs: real runs of each supported runicorn, in JupyterLab."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.environments import Trainer

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

IN_SIGHT = """node => {
  const { top, bottom, left, right } = node.getBoundingClientRect();
  const found = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return node.contains(found);
}"""
"""Whether the middle of an element is there to be seen: neither scrolled away nor covered."""


SCROLLS = "node => node.scrollWidth > node.clientWidth"
"""Whether an element scrolls sideways."""


async def only_the_table_scrolls(page: Page, differing: Locator) -> None:
    """Look at what differs in a narrow tab: it scrolls by itself, and its first column stays."""
    await page.set_viewport_size({"width": 680, "height": 900})
    await page.wait_for_function(SCROLLS, arg=await differing.element_handle())
    assert not await page.locator(".rj-Runs").evaluate(SCROLLS)
    name = differing.get_by_role("rowheader").last
    before = await name.bounding_box()
    await differing.evaluate("node => { node.scrollLeft = node.scrollWidth; }")
    await expect(differing.get_by_role("columnheader").last).to_be_in_viewport(ratio=1)
    assert await name.bounding_box() == before


async def the_code_differs(page: Page, differing: Locator) -> None:
    """Look at the row of the code that the runs kept: two fingerprints, one unlike the baseline's."""
    code = differing.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Code snapshot"))
    await expect(code.get_by_role("cell")).to_have_text([re.compile("^[0-9a-f]{12}$")] * 2)
    await expect(code.locator("[data-differs]")).to_have_count(1)


async def count_clicks(page: Page) -> None:
    """Count the clicks from now on, in ``window.clicks``."""
    await page.evaluate(
        "() => { window.clicks = 0; addEventListener('pointerdown', () => { window.clicks += 1; }, true); }"
    )


async def test_three_clicks_to_what_differs(
    lab_page: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    each_runicorn: tuple[str, Path],
    *,
    environment: str,
    tmp_path: Path,
) -> None:
    """Tick one, tick another, Compare: the parameter that differs is in sight, what is equal folded."""
    version, prefix = each_runicorn
    page = lab_page.page
    root = tmp_path / "root"
    (tmp_path / "code").mkdir()
    training = trainer.live(prefix, root, count=2, code=tmp_path / "code")
    training.log_metrics(loss=0.5)
    training.finish()
    connection = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    at = {"connection_id": connection, "env_name": environment, "remote_root": str(root)}
    assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    await lab_page.command("Show the Runs of All Servers")
    rows = page.locator(".rj-Runs-body [role=row]")
    await expect(rows).to_have_count(2)
    await count_clicks(page)
    await rows.nth(0).get_by_role("checkbox").click()
    await rows.nth(1).get_by_role("checkbox").click()
    await page.get_by_role("button", name="Compare 2").click()
    differing = page.get_by_role("region", name="Differences from the baseline")
    heads = differing.get_by_role("columnheader")
    await expect(heads).to_have_text(["run-1baseline", "run-0"])
    if version == "0.5.0":  # which has none
        await expect(page.get_by_text("These runs have no parameters.")).to_be_visible()
    else:
        seed = differing.get_by_role("row").filter(has=page.get_by_role("rowheader", name="seed"))
        await expect(seed.get_by_role("cell")).to_have_text(["1", "0"])
        assert await seed.evaluate(IN_SIGHT)
        await the_code_differs(page, differing)
    assert await page.evaluate("() => window.clicks") == 3

    if version != "0.5.0":
        equal = page.get_by_text("3 parameters are the same")
        await expect(page.get_by_text("model.depth")).to_be_hidden()
        await equal.click()
        await expect(page.get_by_text("model.depth")).to_be_visible()
    loss = differing.get_by_role("row").filter(has_text="loss")
    figure = loss.locator(".rj-Runs-difference")
    await expect(figure).to_have_text("−0.36466 (−72.9 %)")
    # Whether that is good the runs say of their primary metric only; of others the person does.
    accuracy = differing.get_by_role("rowheader").filter(has_text="accuracy").first
    await expect(accuracy).to_contain_text("↑ more is better")
    await expect(figure).not_to_have_attribute("data-verdict", re.compile(r"."))
    await page.get_by_label("What is better in loss").select_option("min")
    await expect(figure).to_have_attribute("data-verdict", "better")
    await heads.get_by_role("button", name="run-0").click()
    await expect(heads).to_have_text(["run-0baseline", "run-1"])
    await expect(figure).to_have_attribute("data-verdict", "worse")
    await expect(figure).to_contain_text("+0.36466 (+269 %)")
    await expect(figure).to_have_attribute("title", re.compile(r"^0\.36466\d{10,}$"))
    assert await findings(page, ".rj-Runs") == []
    await only_the_table_scrolls(page, differing)
