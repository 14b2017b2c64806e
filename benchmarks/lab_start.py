"""How long JupyterLab takes to start in a browser, with our extension in it and without."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import World
from tests.world.browser import start_chromium
from tests.world.jupyter import JupyterServer, start_jupyter

WITHOUT = "JupyterLab without us"
NAME = "runicorn-jupyter"
# Asked in the page itself, so that only Lab's own work is in the figure.
_RESTORED = """async () => {
  while (!window.jupyterapp) { await new Promise(done => setTimeout(done, 1)); }
  await window.jupyterapp.restored;
  return performance.now();
}"""


def run(world: World, rounds: int = 5) -> list[Answer]:
    """Answer the question of this module: from the navigation to the restored layout, caches warm."""
    servers: dict[str, JupyterServer] = {}
    profile = world.folder / "lab-start-chromium"
    chromium = start_chromium(profile)
    try:
        for name in (OURS, WITHOUT):
            home = world.folder / f"lab-start-{len(servers)}"
            servers[name] = _lab(home, with_us=name == OURS)
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(chromium.endpoint)
            for name, server in servers.items():
                _start(browser, server, is_there=name == OURS)
            contestants = {
                name: (lambda server=server: _start(browser, server)) for name, server in servers.items()
            }
            samples = interleave(contestants, rounds)
            browser.close()
    finally:
        for server in servers.values():
            server.stop()
        chromium.process.terminate()
        chromium.process.wait(30)
    return [Answer("start JupyterLab", samples, "ms", at_most=1.05)]


def _lab(home: Path, *, with_us: bool) -> JupyterServer:
    """Start JupyterLab with the prebuilt extensions of this environment, all or all but ours."""
    here = home / "labextensions"
    here.mkdir(parents=True)
    for folder in (Path(sys.prefix) / "share" / "jupyter" / "labextensions").iterdir():
        if with_us or folder.name != NAME:
            (here / folder.name).symlink_to(folder.resolve())
    options = ("--LabApp.expose_app_in_browser=True", f"--LabApp.labextensions_path={here}")
    return start_jupyter(home, *options, command="lab")


def _start(browser: Browser, server: JupyterServer, *, is_there: bool | None = None) -> float:
    page = browser.contexts[0].new_page()
    try:
        page.goto(f"{server.url}lab?reset&token={server.token}", wait_until="commit")
        milliseconds: float = page.evaluate(_RESTORED)
        if is_there is not None:
            assert page.evaluate("() => window.jupyterapp.hasPlugin('runicorn-jupyter:plugin')") == is_there
        return milliseconds
    finally:
        page.close()
