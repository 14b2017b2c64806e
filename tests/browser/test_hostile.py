"""A viewer that was taken over, as a tab of JupyterLab: its page tries everything, and each try fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Frame, Page, Request

from tests.browser.lab import REPOSITORY, LabPage, LabWorld
from tests.world.hostile import hostile_env, reports
from tests.world.layouts import add_environments

ATTACK = REPOSITORY / "tests" / "data" / "hostile_lab"
TRIES = 84
TRIES_OF_A_FRAME = 9


@pytest.fixture(scope="module")
def hostile(
    lab_world: LabWorld,
    runicorn_env: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Path]:
    """The home of the remote, which has an environment that attacks, until the module's tests end."""
    prefix = hostile_env(tmp_path_factory.mktemp("hostile-lab") / "env", runicorn_env(), ATTACK)
    add_environments(lab_world.sshd.home, hostile=prefix)
    yield lab_world.sshd.home
    (lab_world.sshd.home / ".virtualenvs" / "hostile").unlink()


def state(world: LabWorld) -> dict[str, Any]:
    """What the attack would have changed."""
    session = world.jupyter.session
    headers = {"Authorization": f"token {world.jupyter.token}"}

    def get(path: str) -> Any:
        return session.get(f"{world.jupyter.url}api/{path}", headers=headers, timeout=30).json()

    return {
        "terminals": get("terminals"),
        "kernels": get("kernels"),
        "files": sorted(each["name"] for each in get("contents")["content"]),
        "connections": [each["connection_id"] for each in world.connections()],
    }


@pytest.mark.timeout(300)  # more than eighty tries, one after the other, and some have to be waited out
@pytest.mark.parametrize("how", ["as a tab of JupyterLab", "in a tab of its own"])
async def test_reaches_nothing_of_jupyters(
    lab: LabWorld, hostile: Path, page: Page, context: BrowserContext, how: str
) -> None:
    framed = how.endswith("JupyterLab")
    lab_page = await LabPage(page, lab).open()
    await lab_page.connect("gpu1")
    cookies = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
    before, seen = state(lab), len(reports(hostile))
    asked: list[str] = []
    dialogs: list[str] = []
    context.on("response", lambda response: asked.extend(_astray(response.request)))
    context.on("dialog", lambda dialog: dialogs.append(dialog.message))
    if framed:
        await lab_page.open_viewer("gpu1", "hostile")
        attack = await _frame(page)
    else:
        attack = await _own_tab(context, lab, before["connections"][0])
    await _comes_to(attack, "click")
    # A page behind another one is not painted, so a picture of it would be waited for without end.
    shown = attack if isinstance(attack, Page) else page
    await shown.screenshot(path=REPOSITORY / "test-results" / f"hostile-{framed}.png")
    if isinstance(attack, Page):
        await attack.mouse.click(20, 20)  # a locator would wait for the navigations that were refused
    else:
        await attack.locator("body").click()
    await _comes_to(attack, "done")

    (report,) = reports(hostile)[seen:]
    check(report["results"], framed=framed)
    assert asked == []
    assert dialogs == []
    assert state(lab) == before
    assert {cookie["name"]: cookie["value"] for cookie in await context.cookies()} == cookies
    assert page.url.startswith(lab.jupyter.url)
    assert await page.evaluate("document.querySelector('#jp-main-dock-panel') !== null")
    # The person is logged in as before.
    assert (await context.request.get(f"{lab.jupyter.url}api/contents")).status == 200


async def _comes_to(attack: Page | Frame, title: str) -> None:
    """Wait for a step of the attack; by the clock, as a page behind another one has no frames to count."""
    is_there = "title => document.title === title"
    await attack.wait_for_function(is_there, arg=title, timeout=100_000, polling=100)


def check(results: dict[str, str], *, framed: bool) -> None:
    assert {name: said for name, said in results.items() if not said.startswith("failed")} == {}
    # It ran to its end: nothing passes that was not tried.
    assert len(results) == TRIES - (0 if framed else TRIES_OF_A_FRAME)
    reasons = {
        "read a window of JupyterLab": "SecurityError",
        "read a cookie": "SecurityError",
        "plant a cookie": "SecurityError",
        "post a form": "form-action",
        "change the base of addresses": "base-uri",
        "show JupyterLab in an iframe": "frame-src",
        "a beacon": "connect-src",
        "its own SSH client": "403",
        "a path that leaves the prefix": "400",
    }
    if framed:
        reasons |= {"read the page around": "SecurityError", "move it": "SecurityError"}
    assert {name: said for name, said in results.items() if reasons.get(name, "") not in said} == {}


def _astray(request: Request) -> list[str]:
    """Give the request if it is one of the attack's that went out to somewhere else."""
    if "/runicorn/v/" in request.url:
        return []
    if request.is_navigation_request():
        # Any page may open a window on anything, which it cannot read; it has no frame yet.
        return [] if request.method == "GET" else [f"{request.method} {request.url}"]
    return [f"{request.method} {request.url}"] if "/runicorn/v/" in request.frame.url else []


async def _own_tab(context: BrowserContext, world: LabWorld, connection_id: str) -> Page:
    """Open the viewer's address in a tab of the same browser, where the person is logged in."""
    started = world.jupyter.post(
        "viewer/start", connection_id=connection_id, env_name="hostile", auto_open=False
    )
    page = await context.new_page()
    await page.goto(started.json()["viewer"]["url"])
    return page


async def _frame(page: Page) -> Frame:
    """Give the viewer's frame."""
    element = await page.wait_for_selector(".rj-Frame iframe")
    async with asyncio.timeout(60):
        while (frame := await element.content_frame()) is None or "/runicorn/v/" not in frame.url:
            await page.evaluate("() => new Promise(requestAnimationFrame)")
    return frame
