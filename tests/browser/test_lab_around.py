"""Around the panel: language, themes, accessibility, notebook outputs, Notebook 7, size."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Response, expect

from tests.browser.lab import (
    PATIENCE_SECONDS,
    REPOSITORY,
    LabPage,
    LabWorld,
    findings,
    notebook_with_output,
)

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

STATIC = REPOSITORY / "runicorn_jupyter" / "labextension" / "static"
SCRIPT_KB = 150
"""The most that Lab may have to fetch for us, gzipped."""
FIRST_KB = 40
"""The most of it, styles included, that it fetches before anybody uses us."""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
async def test_axe_finds_nothing(lab_tab: LabPage, lab: LabWorld, theme: str) -> None:
    """In the form with an error, in a connection with all of its parts, in an overlay; light and dark."""
    lab.settings(apputils_extension__themes={"theme": theme})
    lab_page = await lab_tab.open()
    await lab_page.show_panel()
    await lab_page.panel.get_by_text("Advanced").click()
    await lab_page.field("Host").fill("127.0.0.1")
    await lab_page.field("Port").fill("1")
    await lab_page.button("Connect").click()
    await expect(lab_page.panel.get_by_role("alert")).to_contain_text("cannot be reached")
    assert await findings(lab_page.page, "#runicorn-panel", ".rj-Status") == []
    await lab_page.field("Port").fill("")
    card = await lab_page.connect("gpu1")
    await lab_page.panel.get_by_text("without Runicorn").click()
    await expect(card.get_by_text("-m pip install runicorn").first).to_be_visible()
    await lab_page.open_viewer()
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    # runicorn's own: it follows what it is told of the browser's preference.
    colours = {"JupyterLab Light": "rgb(255, 255, 255)", "JupyterLab Dark": "rgb(20, 20, 20)"}
    await expect(lab_page.viewer.locator("html")).to_have_css("background-color", colours.pop(theme))
    await lab_page.button("Logs").click()
    await expect(card.locator("pre")).to_be_visible()
    await lab_page.picture(f"lab-{theme.split()[1].lower()}")
    assert await findings(lab_page.page, "#runicorn-panel", ".rj-Status") == []
    ((other, colour),) = colours.items()
    await lab_page.page.evaluate(
        "theme => void window.jupyterapp.commands.execute('apputils:change-theme', { theme })", other
    )
    await expect(lab_page.viewer.locator("html")).to_have_css("background-color", colour)
    await lab_page.button("Stop viewer").click()
    await expect(lab_page.overlay.get_by_role("button", name="Open viewer")).to_be_visible()
    assert await findings(lab_page.page, "#runicorn-panel", ".rj-Overlay") == []


async def test_everything_in_chinese(lab_tab: LabPage, lab: LabWorld) -> None:
    """Panel, tab, palette and settings, with Lab's language pack and our words beside it."""
    pytest.importorskip("jupyterlab_language_pack_zh_CN")
    lab.settings(translation_extension__plugin={"locale": "zh_CN"})
    lab_page = await lab_tab.open()
    await lab_page.show_panel()
    await lab_page.field("主机").fill("gpu1")
    await lab_page.button("连接").click()
    await expect(lab_page.card("gpu1")).to_have_attribute("data-status", "connected")
    await lab_page.field("环境").select_option("torch")
    await lab_page.button("打开查看器").click()
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    await lab_page.panel.get_by_text("个未安装 Runicorn 的环境").click()
    await lab_page.picture("lab-chinese")
    words = await lab_page.panel.inner_text()
    await lab_page.button("所有服务器上的运行").click()
    await expect(lab_page.page.get_by_role("grid", name="所有服务器上的运行")).to_contain_text("已完成")
    # The browser is an English one.
    await expect(lab_page.page.locator(".rj-Runs-body [role=row]").first).to_contain_text("年")
    await lab_page.picture("lab-chinese-runs")
    words += await lab_page.page.locator(".rj-Runs").inner_text()
    await lab_page.tab("gpu1 · torch").click()
    await lab_page.button("停止查看器").click()
    await expect(lab_page.overlay).to_contain_text("已连接，但此查看器没有运行。")
    words += await lab_page.overlay.inner_text()
    await lab_page.command("在浏览器标签页中打开查看器")
    for english in ("onnect", "nvironment", "iewer", "older", "Storage", "Status", "Server", "ompare"):
        assert english not in words.replace("%runicorn_viewer", "")  # a magic's name stays
    await lab_page.button("断开连接").click()
    await expect(lab_page.panel.get_by_text("通过 SSH 连接到服务器")).to_be_visible()
    schema = await lab_page.page.evaluate(
        """async () => {
          await window.jupyterapp.commands.execute('settingeditor:open', {query: 'Runicorn'});
          return window.jupyterapp.commands.label('runicorn:connect');
        }"""
    )
    assert schema == "连接到服务器…"
    await expect(lab_page.page.get_by_text("连接最长可用的时间。")).to_be_visible()


def notebook_with_viewer(**coordinate: Any) -> str:
    """A notebook whose one saved output is a viewer, as `%runicorn_viewer` leaves it."""
    data = {"application/vnd.runicorn.viewer+json": {"version": 1, **coordinate}, "text/plain": "a viewer"}
    return notebook_with_output("%runicorn_viewer", data)


def is_save(answer: Response, name: str) -> bool:
    """Whether this is the server's word that a file is written."""
    return answer.request.method == "PUT" and answer.url.partition("?")[0].endswith(f"api/contents/{name}")


async def test_a_saved_output_draws_the_viewer_after_one_click(lab_tab: LabPage, lab: LabWorld) -> None:
    """Not connected: a button. Connected: the live viewer. The file never holds how to reach it."""
    path = lab.home.path / "work" / "saved.ipynb"
    at = {"host": "gpu1", "port": lab.sshd.port, "username": lab.sshd.user, "env_name": "torch"}
    path.write_text(notebook_with_viewer(**at, remote_root=None, height=420))
    lab_page = await lab_tab.open("lab/tree/saved.ipynb?reset")
    page = lab_page.page
    output = page.locator(".rj-Output")
    await expect(output).to_contain_text("You are not connected to this server")
    box = await output.bounding_box()
    assert box is not None
    assert box["height"] == 420
    await output.get_by_role("button", name="Connect and open").click()
    # Nobody has signed this file.
    await page.get_by_role("dialog").get_by_role("button", name="Connect", exact=True).click()
    runs = page.frame_locator(".rj-Output iframe").get_by_text("vision/run-0")
    await expect(runs).to_be_visible()
    async with page.expect_response(lambda answer: is_save(answer, "saved.ipynb")) as saved:
        await page.keyboard.press("Control+s")
    assert (await saved.value).ok
    assert "vnd.runicorn.viewer" in path.read_text()
    assert "/runicorn/v/" not in path.read_text()

    await lab_page.open("lab/tree/saved.ipynb?reset")
    await expect(runs).to_be_visible()


@pytest.mark.pictures
async def test_notebook_7_has_panel_commands_and_outputs(lab_tab: LabPage, lab: LabWorld) -> None:
    """In Notebook 7, viewers are drawn in outputs, and otherwise open in a browser tab of their own."""
    path = lab.home.path / "work" / "seven.ipynb"
    path.write_text(notebook_with_viewer(host="gpu1", env_name="torch"))
    lab_page, page = lab_tab, lab_tab.page
    await page.goto(f"{lab.jupyter.url}notebooks/seven.ipynb?token={lab.jupyter.token}")
    await page.wait_for_function("() => window.jupyterapp?.restored", polling=100)
    await expect(page.locator(".rj-Output")).to_contain_text("You are not connected to this server")
    await lab_page.command("Connect to a Server")
    await lab_page.field("Host").fill("gpu1")
    await lab_page.field("Host").press("Enter")
    await expect(lab_page.card("gpu1")).to_have_attribute("data-status", "connected")
    await lab_page.field("Environment").select_option("torch")
    # A browser that is asked for a tab more than 5 s after the press wants another press.
    again = asyncio.ensure_future(page.get_by_role("button", name="Open in a browser tab").click())
    async with page.context.expect_page(timeout=PATIENCE_SECONDS * 1000) as opened:
        await lab_page.button("Open viewer").click()
    viewer = await opened.value
    again.cancel()
    await expect(viewer.get_by_text("vision/run-0")).to_be_visible()
    assert await viewer.evaluate("() => window.opener") is None
    await viewer.close()
    await expect(page.frame_locator(".rj-Output iframe").get_by_text("vision/run-0")).to_be_visible()
    await lab_page.picture("notebook-7", readme=True)


def test_the_script_is_small() -> None:
    """All that Lab fetches, together."""
    size = sum(len(gzip.compress(path.read_bytes())) for path in STATIC.glob("*.js"))
    assert size <= SCRIPT_KB * 1024, f"{size / 1024:.0f} kB"


async def test_the_views_come_when_they_are_seen(lab_tab: LabPage) -> None:
    fetched: set[str] = set()
    lab_tab.page.on("request", lambda request: fetched.add(urlsplit(request.url).path))

    def kilobytes() -> float:
        names = {path.rpartition("/")[2] for path in fetched if "/runicorn-jupyter/static/" in path}
        assert any(name.startswith("remoteEntry") for name in names)
        return sum(len(gzip.compress((STATIC / name).read_bytes())) for name in names) / 1024

    lab_page = await lab_tab.open()
    await lab_page.page.evaluate("() => window.jupyterapp.restored")
    first = kilobytes()
    assert first <= FIRST_KB
    await lab_page.show_panel()
    await expect(lab_page.field("Host")).to_be_visible()
    assert kilobytes() > first


def test_the_package_says_how_to_remove_it() -> None:
    """What JupyterLab reads beside a prebuilt extension."""
    install = json.loads((REPOSITORY / "labextension" / "install.json").read_text())
    assert install["packageManager"] == "python"
    assert install["packageName"] == "runicorn-jupyter"
