"""Live curves in marimo: a real run, marimo's own server and kernel, and its page in a real browser."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.lab import REPOSITORY, LabWorld, findings
from tests.browser.test_lab_curves import logged
from tests.notebook.test_live_curves import Drawn, log, viewer_of
from tests.world.environments import Trainer, build

pytestmark = pytest.mark.timeout(300)
MARIMO = "marimo>=0.25.2,<0.26"
APP = """
import marimo

app = marimo.App()

@app.cell
def _():
    import marimo as mo
    from runicorn_jupyter.client import RunicornRemoteClient
    from runicorn_jupyter.notebook.curves import live_plot

    client = RunicornRemoteClient("SERVER", token="TOKEN")
    plot = live_plot(client, client.list_runs(status="running"), "loss")
    SHOWN
    return

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture(scope="module")
def marimo() -> Path:
    """The Python of an environment with marimo and all that we require, but not us."""
    ours = [each for each in importlib.metadata.requires("runicorn-jupyter") or () if "extra ==" not in each]
    return build(MARIMO, "altair>=5.5,<7", *ours, python=Path(sys.executable).resolve()) / "bin" / "python"


@pytest.fixture
def show(marimo: Path, lab: LabWorld, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return ``show(how)``: starts an app with curves of all runs that go on, and returns its address."""
    started: list[subprocess.Popen[str]] = []

    def start(how: str) -> str:
        app = tmp_path / "app.py"
        text = APP.replace("SERVER", lab.jupyter.url).replace("TOKEN", lab.jupyter.token)
        app.write_text(text.replace("SHOWN", how))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = ["--headless", "--no-token", "--host=127.0.0.1", f"--port={port}"]
        process = subprocess.Popen(
            [marimo, "-m", "marimo", "run", app, *options],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "URL" in line:
                _wait_until_listening(process, port)
                return f"http://127.0.0.1:{port}/"
        raise AssertionError(f"marimo ended: {said}")

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


def _wait_until_listening(process: subprocess.Popen[str], port: int) -> None:
    """Wait for marimo, which prints its address before it listens there."""
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["plot", "mo.ui.anywidget(plot.widget)"])
async def test_curves_grow_in_marimo(
    how: str,
    page: Page,
    lab: LabWorld,
    trainer: Trainer,
    *,
    show: Callable[[str], str],
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """The widget draws each step of a real run."""
    root = tmp_path / "root"
    training = trainer.live(runicorn_env(), root, steps=5)
    viewer_of(lab, root)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(show(how))
    drawn = Drawn(page.locator(".rj-Widget"))
    await drawn.unfold()
    await expect(drawn.steps).to_have_text("5")
    before = await drawn.pixels()
    await log(training, float("nan"), 3)
    await expect(drawn.steps).to_have_text("6")  # with a value, of 7
    assert await drawn.pixels() != before
    assert await drawn.values() == logged(root)
    assert await findings(page, "marimo-anywidget") == []
    await page.screenshot(path=REPOSITORY / "test-results" / "marimo.png")
