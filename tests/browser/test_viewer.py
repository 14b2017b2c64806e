"""The main job: the viewer of a remote in a browser, below a hub's prefix, with each supported runicorn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, WebSocket, expect

from tests.browser.lab import REPOSITORY
from tests.world.browser import Trouble, painted_canvases
from tests.world.environments import RUNICORN_VERSIONS, Trainer, Training
from tests.world.jupyter import JupyterServer, start_jupyter
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome

BASE_URL = "/user/alice/"


@dataclass
class Remote:
    """A Jupyter server below a hub's prefix, and viewers on a remote that it reaches."""

    jupyter: JupyterServer
    trainer: Trainer
    environments: Callable[..., Path]
    folder: Path
    urls: dict[str, str] = field(default_factory=dict)
    live: dict[str, Training] = field(default_factory=dict)

    def viewer(self, version: str) -> str:
        """Give the URL of the viewer of a runicorn, with two runs and a live one."""
        if version not in self.urls:
            root = self.folder / version
            self.trainer.runs(self.environments(version), root, count=2)
            self.live[version] = self.trainer.live(self.environments(version), root, project="live")
            self.urls[version] = self.start(f"rc{version.replace('.', '')}", root)
        return self.urls[version]

    def start(self, env_name: str, root: Path) -> str:
        """Connect anew and start a viewer."""
        connected = self.jupyter.post("connect", host="gpu1")
        assert connected.status_code == 200, connected.text
        started = self.jupyter.post(
            "viewer/start",
            connection_id=connected.json()["connection_id"],
            env_name=env_name,
            remote_root=str(root),
            auto_open=False,
        )
        assert started.status_code == 200, started.text
        return str(started.json()["viewer"]["url"])


@pytest.fixture(scope="module")
def remote(
    sshd: Sshd, runicorn_env: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Remote]:
    """One server and one remote for the module."""
    folder = tmp_path_factory.mktemp("viewer")
    home = SshHome(folder / "home")
    home.trust(sshd)
    home.host("gpu1", sshd)
    versions = {f"rc{version.replace('.', '')}": runicorn_env(version) for version in RUNICORN_VERSIONS}
    add_environments(
        sshd.home, **{n: p for n, p in versions.items() if not (sshd.home / ".virtualenvs" / n).exists()}
    )
    (folder / "trainer").mkdir()
    trainer = Trainer(folder / "trainer")
    server = start_jupyter(home.path, base_url=BASE_URL)
    made = Remote(server, trainer, runicorn_env, folder)
    yield made
    for each in server.get("connections").json()["connections"]:
        server.delete(f"connections/{each['connection_id']}")
    server.stop()
    trainer.close()


class ViewerPage:
    """A viewer's page, by what a person sees of any runicorn."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.frames: list[str] = []
        self.frame_came = asyncio.Event()
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._received)

    def _received(self, payload: Any) -> None:
        self.frames.append(str(payload))
        self.frame_came.set()

    @property
    def fragment(self) -> str:
        """Where the page is."""
        return self.page.url.partition("#")[2]

    async def open(self, fragment: str = "") -> ViewerPage:
        """Go there."""
        await self.page.goto(self.url + fragment)
        return self

    def row(self, run_id: str) -> Any:
        """A run in the list."""
        return self.page.locator(f'tr[data-row-key="{run_id}"]').first

    async def close_drawer(self) -> None:
        """Close the settings, which runicorn before 0.7 opens by itself at the first visit."""
        close = self.page.locator(".ant-drawer-close")
        if await close.count():
            await close.first.click()
            await expect(self.page.locator(".ant-drawer-mask")).to_have_count(0)

    async def charts(self) -> int:
        """Wait until a chart is painted; give how many are."""
        await expect(self.page.locator("canvas").first).to_be_visible()
        async with asyncio.timeout(60):
            while not (painted := await painted_canvases(self.page)):
                await self.page.evaluate("() => new Promise(requestAnimationFrame)")
        return painted

    async def frame_with(self, text: str) -> None:
        """Wait until a message with this text has come over a WebSocket."""
        async with asyncio.timeout(60):
            while not any(text in frame for frame in self.frames):
                self.frame_came.clear()
                await self.frame_came.wait()

    async def picture(self, name: str) -> None:
        """Keep a picture of the page."""
        folder = REPOSITORY / "test-results"
        folder.mkdir(exist_ok=True)
        await self.page.screenshot(path=folder / f"{name}.png")


@pytest.mark.parametrize("version", RUNICORN_VERSIONS)
async def test_the_main_job(remote: Remote, page: Page, trouble: Trouble, version: str) -> None:
    viewer = await ViewerPage(page, remote.viewer(version)).open()
    live = remote.live[version]
    # A script of the page asks for absolute addresses, and gets them from the viewer.
    assert live.run_id in await page.evaluate("async () => await (await fetch('/api/runs')).text()")

    # The list shows the runs.
    await expect(viewer.row(live.run_id)).to_be_visible()
    await expect(page.locator("tr[data-row-key]")).to_have_count(3)
    await viewer.picture(f"viewer-{version}-list")

    # A run's charts are painted.
    await viewer.close_drawer()
    await viewer.row(live.run_id).locator(".ant-btn-link:not(.ant-btn-dangerous)").first.click()
    assert await viewer.charts() >= 1
    listed = remote.jupyter.get("runs", run_id=live.run_id).json()["runs"]
    assert [viewer.fragment] == [f"!{run['page']}" for run in listed]
    await viewer.picture(f"viewer-{version}-run")

    # Its live log arrives over the WebSocket, and is shown.
    tab = page.get_by_role("tab", name="Live Logs")
    if await tab.count():
        await tab.click()
    line = f"canary of {version} arrives"
    live.log(line)
    await viewer.frame_with(line)
    await expect(page.get_by_text(line).first).to_be_attached()

    # Reload keeps the page, and back leads to the list.
    await page.reload()
    assert await viewer.charts() >= 1 or await tab.count()
    assert viewer.fragment == f"!/runs/{live.run_id}"
    await page.go_back()
    await expect(viewer.row(live.run_id)).to_be_visible()
    trouble.assert_none()
