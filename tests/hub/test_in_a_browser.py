"""The hub in Chromium: people log in by a form, and a hostile viewer's page reaches nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Frame, Page, expect

from tests.api.conftest import add_environments
from tests.browser.lab import LabPage
from tests.hub.conftest import Alice
from tests.world.hostile import hostile_env, reports
from tests.world.hub import Hub, Person

PROXYS_OWN = "/runicorn/v/"


class HubLabPage(LabPage):
    """JupyterLab of one of the hub's people, in a browser where they have logged in."""

    def __init__(self, page: Page, hub: Hub, person: Person) -> None:
        super().__init__(page, None)  # type: ignore[arg-type]  # its world is the hub
        self.hub = hub
        self.person = person

    async def open(self, path: str = "lab?reset") -> HubLabPage:
        """Log in by the form, and wait until JupyterLab is there."""
        await self.page.goto(f"{self.hub.url}hub/login?next=/user/{self.person.name}/{path}")
        await self.page.get_by_label("Username").fill(self.person.name)
        await self.page.get_by_label("Password").fill(self.hub.password)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        await self.page.wait_for_function("() => window.jupyterapp?.restored")
        await self.page.evaluate("() => window.jupyterapp.restored")
        return self


@pytest.fixture
async def lab(page: Page, hub: Hub, alice: Alice) -> HubLabPage:
    """Alice's JupyterLab."""
    return await HubLabPage(page, hub, alice.person).open()


async def test_the_panel_connects_and_shows_the_runs(lab: HubLabPage) -> None:
    await lab.connect("gpu1")
    await lab.open_viewer("gpu1", "rc")
    await expect(lab.viewer.locator("body")).to_contain_text("Runicorn")
    frame = lab.page.locator(".rj-Frame:visible iframe")
    assert str(await frame.get_attribute("src")).startswith(f"{lab.person.url}runicorn/v/")


@pytest.fixture(scope="session")
def hostile(
    hub_remote: Any, runicorn_env: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The home of alice's remote, which has an environment that attacks."""
    prefix = hostile_env(tmp_path_factory.mktemp("hostile") / "env", runicorn_env())
    add_environments(hub_remote.home, hostile=prefix)
    return Path(hub_remote.home)


def check(report: dict[str, Any], *, framed: bool) -> None:
    results: dict[str, str] = report["results"]
    assert {name: said for name, said in results.items() if not said.startswith("failed")} == {}
    # It really ran, to its end: nothing can pass that was not tried.
    assert len(results) == (55 if framed else 51)
    assert "SecurityError" in results["read a window of the hub"]
    assert "form-action" in results["post a form to the hub here"]


def state_of(hub: Hub, alice: Alice) -> dict[str, Any]:
    """What the attack would have changed."""
    person = alice.person
    files = person.session.get(f"{person.url}api/contents", timeout=30).json()["content"]
    return {
        "tokens": len(hub.admin("GET", "users/alice/tokens").json()["api_tokens"]),
        "terminals": person.session.get(f"{person.url}api/terminals", timeout=30).json(),
        "files": sorted(each["name"] for each in files),
        "servers": sorted(each["name"] for each in hub.admin("GET", "users").json() if each["servers"]),
    }


async def lab_frame(lab: HubLabPage) -> Frame:
    """Give the viewer's frame, once it has gone to where our script is not."""
    frame = await (await lab.page.wait_for_selector(".rj-Frame iframe")).content_frame()
    assert frame is not None
    await frame.wait_for_url("**/attack.svg")
    return frame


@pytest.mark.parametrize("how", ["in a tab of JupyterLab", "in a tab of the browser, without our script"])
async def test_a_hostile_viewer_reaches_nothing_of_the_hubs(
    lab: HubLabPage, alice: Alice, hostile: Path, context: BrowserContext, how: str
) -> None:
    hub = lab.hub
    framed = how.endswith("JupyterLab")
    await lab.connect("gpu1")
    asked: list[str] = []
    context.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    before, seen = state_of(hub, alice), len(reports(hostile))
    cookies = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
    async with context.expect_event("request", lambda request: request.url.endswith("/report")) as sent:
        if framed:
            await lab.open_viewer("gpu1", "hostile")
            page: Page | Frame = await lab_frame(lab)
            box = await lab.page.locator(".rj-Frame:visible iframe").bounding_box()
            assert box is not None
            click_at, x, y = lab.page, box["x"] + 50, box["y"] + 50
        else:
            viewer = alice.start(alice.connect(), "hostile")
            page = await context.new_page()
            await page.goto(f"{viewer['url']}attack.svg")
            click_at, x, y = page, 50.0, 50.0
        for click in ("click 1", "click 2", "click 3", "click 4"):
            await page.wait_for_function("(title) => document.title === title", arg=click)
            await click_at.mouse.click(x, y)  # waits for no navigation, of which there must be none
    answer = await (await sent.value).response()
    assert answer is not None
    assert answer.status == 200
    (report,) = reports(hostile)[seen:]
    check(report, framed=framed)
    # Nothing was asked of the hub but the windows that any page may open, which it cannot read.
    written = [each for each in asked if not each.startswith("GET ") and PROXYS_OWN not in each]
    assert [each for each in written if "/hub/" in each or "bob" in each or "terminals" in each] == []
    assert state_of(hub, alice) == before
    after = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
    assert {name: after.get(name) for name in cookies} == cookies
    assert "planted" not in after.values()
    # She is logged in as before.
    assert (await context.request.get(f"{hub.url}hub/home")).url == f"{hub.url}hub/home"
