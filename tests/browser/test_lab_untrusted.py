"""A stranger's notebook in JupyterLab: the person sees where it leads before anything is sent there."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Request, expect

from tests.browser.lab import LabPage, LabWorld

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

AT = {"host": "gpu1", "username": "root", "env_name": "torch", "remote_root": "/srv/strangers\u202eroot"}


def button(label: str, command: str, **args: Any) -> str:
    """A button of a document that runs a command of Lab."""
    said = html.escape(json.dumps(args))
    return f'<button data-commandlinker-command="{command}" data-commandlinker-args="{said}">{label}</button>'


def notebook(folder: Path, name: str, **at: Any) -> Path:
    """Write a notebook that nobody has signed: buttons in a text and in an output, and a viewer."""
    viewer = {"application/vnd.runicorn.viewer+json": {"version": 1, "height": 300, **at}}
    data = [{"text/html": button("connect H", "runicorn:connect", **at)}, viewer]
    outputs = [{"output_type": "display_data", "data": each, "metadata": {}} for each in data]
    text = button("connect M", "runicorn:connect", **at) + button("open M", "runicorn:open-viewer", **at)
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "execution_count": 1,
            "source": "x",
            "outputs": outputs,
        },
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / name
    path.write_text(
        json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells})
    )
    return path


def watch(page: Page) -> list[str]:
    """Note what is sent to be connected or started."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "/api/remote/" in request.url:
            sent.append(request.url.rpartition("/api/remote/")[2])

    page.on("request", note)
    return sent


async def run_it(page: Page, then: Locator) -> None:
    """Answer the question of newer Labs whether to run a command at all, and wait for what follows."""
    labs = page.get_by_role("dialog").filter(has_text="Run Command?")
    await expect(then.or_(labs)).to_be_visible()
    if await labs.count():
        once = labs.get_by_role("button", name="Run Once")
        await once.or_(labs.get_by_role("button", name="Run", exact=True)).click()
    await expect(then).to_be_visible()


async def test_a_strangers_notebook_asks_before_the_first_request(lab_tab: LabPage, lab: LabWorld) -> None:
    """Its viewer and its buttons say host, user, port and folder first; Enter declines."""
    notebook(lab.home.path / "work", "stranger.ipynb", **AT, port=lab.sshd.port)
    lab_page = await lab_tab.open("lab/tree/stranger.ipynb?reset")
    page = lab_page.page
    sent = watch(page)
    output = page.locator(".rj-Output")
    overlay = page.locator(".rj-Tab-content .rj-Overlay")
    asked = page.get_by_role("dialog").filter(has_text="Connect to this server?")
    for pressed in (
        output.get_by_role("button", name="Connect and open"),
        page.get_by_role("button", name="connect M"),
        page.get_by_role("button", name="connect H"),
    ):
        await pressed.click()
        await run_it(page, asked)
        for fact in ("gpu1 (127.0.0.1)", "root", str(lab.sshd.port), "/srv/strangers\\u{202e}root", "torch"):
            await expect(asked).to_contain_text(fact)
        await expect(asked.get_by_role("button", name="Don't connect")).to_be_focused()
        await lab_page.picture("lab-untrusted")
        await page.keyboard.press("Enter")
        await expect(asked).to_have_count(0)
    # A tab that such a button opens asks as well, and it does after a reload of the page.
    await page.get_by_role("button", name="open M").click()
    await run_it(page, overlay)
    await expect(overlay).to_contain_text("You are not connected to this server")
    await lab_page.saved_layout('"current":"runicorn-viewer:')
    await lab_page.open("lab")
    await overlay.get_by_role("button", name="Connect and open").click()
    await asked.get_by_role("button", name="Don't connect").click()
    assert sent == []
    assert lab.connections() == []


async def test_a_notebook_of_ones_own_opens_by_one_click(lab_tab: LabPage, lab: LabWorld) -> None:
    """What is trusted, as all that a person ran themselves, is not asked about."""
    path = notebook(lab.home.path / "work", "own.ipynb", host="gpu1", env_name="torch")
    trust = [sys.executable, "-m", "jupyter", "trust", str(path)]
    subprocess.run(trust, check=True, env=lab.jupyter.env, capture_output=True)
    lab_page = await lab_tab.open("lab/tree/own.ipynb?reset")
    page = lab_page.page
    await page.locator(".rj-Output").get_by_role("button", name="Connect and open").click()
    await expect(page.frame_locator(".rj-Output iframe").get_by_text("vision/run-0")).to_be_visible()
