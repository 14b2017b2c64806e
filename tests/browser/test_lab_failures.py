"""What JupyterLab shows where one of our views cannot be drawn: answers that are not what the API says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.lab import LabPage, LabWorld, findings, notebook_with_output

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

NO_TEXT = {"no": "text"}
"""In the place of a text: React cannot draw it."""
NOT_DRAWABLE = "React error #31"
"""What React, as Lab ships it, says of that."""


async def answers(page: Page, route: str, status: int = 200, **body: Any) -> None:
    """Have a route answer so, as a proxy between might."""

    async def fulfill(asked: Route) -> None:
        await asked.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    await page.route(f"**/api/remote/{route}", fulfill)


async def says_so(view: Locator, reason: str = NOT_DRAWABLE) -> None:
    """The view says what happened."""
    failure = view.get_by_role("alert").filter(has_text="This view could not be drawn.")
    await expect(failure).to_contain_text(reason)


async def reload(view: Locator) -> None:
    await view.get_by_role("button", name="Reload this view").click()
    await expect(view.locator(".rj-Failure")).to_have_count(0)


async def copied(page: Page, view: Locator) -> str:
    """What *Copy details* has put on the clipboard."""
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await view.get_by_role("button", name="Copy details").click()
    await expect(view.get_by_role("button", name="Copied")).to_be_visible()
    text: str = await page.evaluate("() => navigator.clipboard.readText()")
    return text


async def test_the_panel_and_the_runs(lab_page: LabPage, lab: LabWorld) -> None:
    """Each says so by itself, and is there again after *Reload this view* once the answers are right."""
    page = lab_page.page
    await lab_page.connect("gpu1")
    await lab_page.open_viewer()
    (connection,) = lab.connections()
    runs = page.locator("#runicorn-runs")
    await lab_page.button("Runs of all servers").click()
    await expect(runs.get_by_role("row").filter(has_text="run-0")).to_be_visible()

    await answers(page, "connections", success=True, connections=[{**connection, "host": NO_TEXT}], total=1)
    await lab_page.button("Refresh").click()
    await says_so(lab_page.panel)
    await expect(runs.get_by_role("row").filter(has_text="run-0")).to_be_visible()
    assert await findings(page, "#runicorn-panel") == []
    await lab_page.picture("lab-failure-panel")
    details = await copied(page, lab_page.panel)
    assert NOT_DRAWABLE in details
    assert " at " in details
    await page.unroute_all()
    await reload(lab_page.panel)
    await expect(lab_page.card("gpu1")).to_have_attribute("data-status", "connected")

    listed = lab.jupyter.get("runs").json()
    listed["runs"][0]["tags"] = [NO_TEXT]
    listed["runs"][0]["name"] = NO_TEXT
    await answers(page, "runs?**", **{**listed, "reset": True})
    await runs.get_by_role("button", name="Refresh the runs").click()
    await says_so(runs)
    await expect(lab_page.card("gpu1")).to_be_visible()
    await lab_page.picture("lab-failure-runs")
    await page.unroute_all()
    await reload(runs)
    await expect(runs.get_by_role("row").filter(has_text="run-0")).to_be_visible()


async def test_a_part_that_did_not_come_is_asked_for_again(lab_page: LabPage, lab: LabWorld) -> None:
    """Jupyter was away when a view was first seen: *Reload this view* loads what draws it."""
    page = lab_page.page
    connection = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    assert lab.jupyter.post("viewer/start", connection_id=connection, env_name="torch").ok
    await lab_page.show_panel()
    await expect(lab_page.button("Stop viewer")).to_be_visible()
    scripts = "**/lab/extensions/runicorn-jupyter/static/*"
    await page.route(scripts, lambda asked: asked.abort())
    await lab_page.button("Runs of all servers").click()
    runs = page.locator("#runicorn-runs")
    await says_so(runs, "Loading chunk")
    await page.unroute(scripts)
    await reload(runs)
    await expect(runs.get_by_role("row").filter(has_text="run-0")).to_be_visible()

    curves = {"version": 1, "metrics": ["loss"], "runs": lab.jupyter.get("runs").json()["runs"][:1]}
    text = notebook_with_output("", {"application/vnd.runicorn.curves+json": curves})
    (lab.home.path / "work" / "curves.ipynb").write_text(text)
    await page.route(scripts, lambda asked: asked.abort())
    await page.evaluate(
        "() => void window.jupyterapp.commands.execute('docmanager:open', {path: 'curves.ipynb'})"
    )
    output = page.locator(".rj-CurvesOutput")
    await says_so(output, "Loading chunk")
    await page.unroute(scripts)
    await reload(output)
    await expect(output.locator("canvas")).to_be_visible()


async def test_a_viewers_tab(lab_page: LabPage) -> None:
    """What lies over the viewer says so, and goes on from there."""
    page = lab_page.page
    await lab_page.connect("gpu1")
    await lab_page.open_viewer()
    await lab_page.button("Stop viewer").click()
    await expect(lab_page.overlay).to_contain_text("this viewer is not running")
    key = {"host": "gpu1", "port": 22, "fingerprint_sha256": NO_TEXT}
    failure = {"error": "viewer_start_failed", "message": "It ended.", "details": {"host_key": key}}
    await answers(page, "viewer/start", 500, success=False, **failure)
    await lab_page.overlay.get_by_role("button", name="Open viewer").click()
    frame = page.locator(".rj-Frame:visible")
    await says_so(frame)
    await lab_page.picture("lab-failure-tab")
    await page.unroute_all()
    await reload(frame)
    await lab_page.overlay.get_by_role("button", name="Open viewer").click()
    await expect(lab_page.overlay).to_have_count(0)
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()


async def test_a_question_that_cannot_be_seen_is_not_agreed_to(lab_page: LabPage) -> None:
    """No host key is trusted whose fingerprint was not shown, whatever is pressed."""
    page = lab_page.page
    key = {
        "host": "gpu1",
        "port": 22,
        "key_type": NO_TEXT,
        "fingerprint_sha256": "SHA256:x",
        "public_key": "k",
    }
    failure = {"error": "host_key_unknown", "message": "It is unknown.", "details": {"host_key": key}}
    await answers(page, "connect", 409, success=False, **failure)
    trusted: list[str] = []
    page.on("request", lambda asked: trusted.append(asked.url) if "known-hosts" in asked.url else None)
    await lab_page.show_panel()
    await lab_page.field("Host").fill("gpu1")
    await lab_page.button("Connect").click()
    dialog = page.get_by_role("dialog")
    await says_so(dialog)
    await lab_page.picture("lab-failure-dialog")
    await dialog.get_by_role("button", name="Trust and connect").click()
    await expect(dialog).to_have_count(0)
    await expect(lab_page.button("Connect")).to_be_enabled()
    assert trusted == []
