"""JupyterLab and Notebook 7 as a person uses them: a real server, a real remote, a real browser."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FrameLocator, Locator, Page, expect

from scripts.pictures import save_picture
from tests.world.jupyter import JupyterServer, start_jupyter
from tests.world.layouts import add_environments
from tests.world.relay import Relay
from tests.world.ssh_home import SshHome
from tests.world.sshd import Sshd

REPOSITORY = Path(__file__).parents[2]
RESULTS = REPOSITORY / "test-results"
AXE = REPOSITORY / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
README_IMAGES = REPOSITORY / "docs" / "images"
"""Where the README's pictures are; ``UPDATE_SCREENSHOTS=1`` renews them."""

APPS = ("LabApp", "JupyterNotebookApp")

PATIENCE_SECONDS = 60
"""For one thing to come up: Lab alone takes seconds on a busy machine."""
expect.set_options(timeout=PATIENCE_SECONDS * 1000)

PALETTE = "apputils:activate-command-palette"
SHORTCUT_IS_THERE = """command =>
  window.jupyterapp.commands.keyBindings.some(binding => binding.command === command)"""
WATCH_COMMANDS = """() => {
  if (!window.ranCommands) {
    window.jupyterapp.commands.commandExecuted.connect((_, { id }) => window.ranCommands.push(id));
  }
  window.ranCommands = [];
}"""
CHOSEN_COMMAND = """label => {
  const search = document.querySelector('.lm-CommandPalette-input');
  const item = document.querySelector('.lm-CommandPalette-item.lm-mod-active');
  const isReady = document.activeElement === search && search.value === label;
  return isReady && item?.textContent.includes(label) ? item.dataset.command : null;
}"""
"""The command that Enter would run now, or null if the palette is not there or not that far yet."""

CHANGE_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
HAS_COLOUR = (
    "colour => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim() === colour"
)
COLOURS = {"light": "white", "dark": "#111"}
"""Of JupyterLab's themes: style sheets come later than the mark on the page's body, behind its splash."""
SETTLED_SECONDS = 5
"""For what follows a change of theme in a picture for readers: a viewer's charts, and curves."""

QUIET_SETTINGS: dict[str, dict[str, Any]] = {"apputils-extension/notification": {"fetchNews": "false"}}


@dataclass
class LabWorld:
    """A JupyterLab, and a remote that it reaches as ``gpu1`` (trusted), ``strange`` (not) and ``line``.

    ``line`` leads over ``relay``, which can be cut.
    """

    jupyter: JupyterServer
    sshd: Sshd
    home: SshHome
    relay: Relay

    def settings(self, **settings: dict[str, Any]) -> None:
        """Set the user settings of JupyterLab's own plugins; ``__`` in a name stands for a slash."""
        folder = self.home.path / ".jupyter" / "lab" / "user-settings" / "@jupyterlab"
        for old in folder.glob("*/*.jupyterlab-settings"):
            old.unlink()
        named = {name.replace("__", "/").replace("_", "-"): value for name, value in settings.items()}
        for name, values in {**QUIET_SETTINGS, **named}.items():
            path = folder / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))

    def connections(self) -> list[dict[str, Any]]:
        """What the API lists."""
        connections: list[dict[str, Any]] = self.jupyter.get("connections").json()["connections"]
        return connections

    def wait_step(self, step: int) -> None:
        """Return as soon as the server knows that a run has come so far."""
        answer = self.jupyter.get("runs").json()
        while max((run["step"] or 0 for run in answer["runs"]), default=0) < step:
            answer = self.jupyter.get("runs", changed_since=answer["version"], wait=30).json()

    def clean(self) -> None:
        """Close all connections, forget what was saved, and end the kernels, which each Lab's start asks."""
        for each in self.connections():
            self.jupyter.delete(f"connections/{each['connection_id']}")
        for each in self.jupyter.get("profiles").json()["profiles"]:
            self.jupyter.delete("profiles", name=each["name"])
        api = f"{self.jupyter.url}api/kernels"
        headers = {"Authorization": f"token {self.jupyter.token}"}
        for each in self.jupyter.session.get(api, headers=headers, timeout=60).json():
            self.jupyter.session.delete(f"{api}/{each['id']}", headers=headers, timeout=60).raise_for_status()


@pytest.fixture(scope="session")
def lab_world(
    _sshd_program: str,
    runicorn_env: Callable[..., Path],
    empty_env: Path,
    finished_runs: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LabWorld]:
    """The session's world; use `lab`, which cleans up."""
    sshd = Sshd(tmp_path_factory.mktemp("lab-sshd")).start()
    relay = Relay(sshd.host, sshd.port)
    add_environments(sshd.home, torch=runicorn_env(), plain=empty_env)
    # Where runicorn keeps runs if nobody says anything else.
    (sshd.home / ".runicorn").symlink_to(finished_runs())
    home = SshHome(tmp_path_factory.mktemp("lab-home"))
    home.known_hosts.write_text(f"{sshd.known_hosts_line}line {sshd.host_key}\n")
    home.host("gpu1", sshd)
    home.host("strange", sshd, UserKnownHostsFile=str(home.ssh / "strange_hosts"))
    home.host("line", sshd, Port=relay.port, HostKeyAlias="line")
    exposed = (f"--{app}.expose_app_in_browser=True" for app in APPS)
    server = start_jupyter(home.path, *exposed, command="lab")
    yield LabWorld(server, sshd, home, relay)
    server.stop()
    relay.close()
    sshd.close()


@pytest.fixture
def lab(lab_world: LabWorld) -> Iterator[LabWorld]:
    """A world without connections, before and after, with Lab as it comes."""
    lab_world.settings()
    yield lab_world
    lab_world.clean()


@pytest.fixture
def environment(each_runicorn: tuple[str, Path], lab: LabWorld) -> Iterator[str]:
    """The name of an environment with this runicorn on the session's remote, as long as the test goes on."""
    version, prefix = each_runicorn
    name = f"rc{version.replace('.', '')}"
    add_environments(lab.sshd.home, **{name: prefix})
    yield name
    (lab.sshd.home / ".virtualenvs" / name).unlink()


class LabPage:
    """A page with JupyterLab, by the names that a person sees."""

    def __init__(self, page: Page, lab: LabWorld) -> None:
        self.page = page
        self.lab = lab
        self.panel = page.locator("#runicorn-panel")

    async def open(self, path: str = "lab?reset") -> LabPage:
        """Open it and wait until it is there."""
        separator = "&" if "?" in path else "?"
        await self.page.goto(f"{self.lab.jupyter.url}{path}{separator}token={self.lab.jupyter.token}")
        await expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        await self.page.wait_for_function("() => window.jupyterapp?.restored", polling=100)
        await self.page.evaluate("() => window.jupyterapp.restored")
        # The last thing of Lab's start: the tab in front takes the focus.
        await expect(
            self.page.locator("#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current").first
        ).to_be_visible()
        return self

    async def show_panel(self) -> LabPage:
        """Show the side panel, if it is hidden."""
        if not await self.panel.is_visible():
            await self.page.locator('li[data-id="runicorn-panel"]').click()
        await expect(self.panel).to_be_visible()
        return self

    def field(self, label: str) -> Locator:
        """A field of the panel."""
        return self.panel.get_by_label(label, exact=True)

    def button(self, label: str) -> Locator:
        """A button of the panel."""
        return self.panel.get_by_role("button", name=label, exact=True)

    def card(self, host: str) -> Locator:
        """The card of a connection."""
        return self.panel.locator(".rj-Card").filter(has=self.page.locator("strong", has_text=host))

    def tab(self, title: str) -> Locator:
        """A tab of the main area."""
        return self.page.locator("#jp-main-dock-panel .lm-TabBar-tab.rj-Tab").filter(has_text=title)

    @property
    def viewer(self) -> FrameLocator:
        """The page of the viewer that is shown."""
        return self.page.frame_locator(".rj-Frame:visible iframe")

    @property
    def overlay(self) -> Locator:
        """What lies over the viewer that is shown."""
        return self.page.locator(".rj-Frame:visible .rj-Overlay")

    async def connect(self, host: str = "gpu1") -> Locator:
        """Connect by the form, and give the card."""
        await self.show_panel()
        await self.field("Host").fill(host)
        await self.button("Connect").click()
        await expect(self.card(host)).to_have_attribute("data-status", "connected")
        return self.card(host)

    async def open_viewer(self, host: str = "gpu1", environment: str = "torch") -> None:
        """Open a viewer of a connection, and wait for its page."""
        await self.field("Environment").select_option(environment)
        await self.button("Open viewer").click()
        await expect(self.tab(f"{host} · {environment}")).to_be_visible()
        await expect(self.overlay).to_have_count(0)

    async def saved_layout(self, text: str) -> None:
        """Wait until Lab has saved a layout that holds this text, which it does a little after a change."""
        # Not `wait_for_function`, which takes the promise of an async function for a yes.
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.page.evaluate(
                """async text => {
                  const { workspaces } = window.jupyterapp.serviceManager;
                  while (!JSON.stringify((await workspaces.fetch('default')).data).includes(text)) {
                    await new Promise(resolve => setTimeout(resolve, 300));
                  }
                }""",
                text,
            )

    async def command(self, label: str) -> None:
        """Run a command of the palette by its label, with the keyboard.

        Lab hides the palette when anything else takes the focus or runs a command, which its parts do for
        as long as they start. As a person would, this opens it again then, until the command has run.
        """
        await self.page.wait_for_function(SHORTCUT_IS_THERE, arg=PALETTE, polling=100)
        await self.page.evaluate(WATCH_COMMANDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._run_from_palette(label):
                pass

    async def _run_from_palette(self, label: str) -> bool:
        """One try at a command of the palette; whether it ran."""
        await self.page.keyboard.press("Control+Shift+C")
        await self._drawn()
        await self.page.locator(".lm-CommandPalette-input").fill(label, force=True)
        await self._drawn()
        chosen: str | None = await self.page.evaluate(CHOSEN_COMMAND, label)
        if chosen is None:
            return False
        await self.page.keyboard.press("Enter")
        has_run: bool = await self.page.evaluate("command => window.ranCommands.includes(command)", chosen)
        return has_run

    async def _drawn(self) -> None:
        """Wait until Lab has drawn what it was told: its messages are handled before the next frame."""
        await self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    async def picture(self, name: str, *, readme: bool = False) -> None:
        """Keep a picture of the page; the README's, a light and a dark one, only change when asked for."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=RESULTS / f"{name}.png")
        if not readme or not os.environ.get("UPDATE_SCREENSHOTS"):
            return
        save_picture(await self.page.screenshot(), README_IMAGES / f"{name}.png")
        await change_theme(self.page, "dark")
        await asyncio.sleep(SETTLED_SECONDS)
        save_picture(await self.page.screenshot(), README_IMAGES / f"{name}-dark.png")
        await change_theme(self.page, "light")


async def change_theme(page: Page, theme: str) -> None:
    """Change JupyterLab's theme, ``light`` or ``dark``, and wait until the page has its colours."""
    await page.evaluate(CHANGE_THEME, f"JupyterLab {theme.title()}")
    await page.wait_for_function(HAS_COLOUR, arg=COLOURS[theme])
    await expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def notebook_with_output(source: str, data: dict[str, Any]) -> str:
    """A notebook of one cell, with what its kernel left of one output."""
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    said = {"cell_type": "code", "source": source, "outputs": [output]}
    cell: dict[str, Any] = {**said, "id": "cell", "execution_count": None, "metadata": {}}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]}
    )


async def findings(page: Page, *selectors: str) -> list[str]:
    """What axe-core finds in these parts of a page, but for what is minor."""
    await page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = await page.evaluate(
        """async selectors => (await axe.run({include: selectors.map(selector => [selector])})).violations""",
        list(selectors),
    )
    return [
        f"{each['id']}: {node['html']} {node.get('failureSummary')}"
        for each in found
        if each["impact"] != "minor"
        for node in each["nodes"]
    ]


async def scroll_to_charts(lab_page: LabPage) -> None:
    """Scroll a run's page until a chart is there: charts are made when they come into sight."""
    await lab_page.viewer.get_by_text("Summary", exact=True).first.hover()
    async with asyncio.timeout(60):
        while not await lab_page.viewer.locator("canvas").count():
            await lab_page.page.mouse.wheel(0, 100)
            await lab_page.page.evaluate("() => new Promise(requestAnimationFrame)")


@pytest_asyncio.fixture(loop_scope="session")
async def lab_tab(browser: Browser, lab: LabWorld) -> AsyncIterator[LabPage]:
    """A page for JupyterLab, not opened yet.

    It is in the browser's own profile, whose cache spares Lab's 15 MB from the second test on.
    """
    page = await browser.contexts[0].new_page()
    await page.set_viewport_size({"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    yield LabPage(page, lab)
    await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def lab_page(lab_tab: LabPage) -> LabPage:
    """JupyterLab, open."""
    return await lab_tab.open()
