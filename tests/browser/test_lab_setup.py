"""An account with nothing but Python: from the panel to its runs, and nothing is left afterwards."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.lab import LabPage, LabWorld
from tests.world.sshd import Sshd

pytestmark = pytest.mark.timeout(300)


async def test_two_clicks_from_a_bare_account_to_its_runs(
    lab_page: LabPage,
    lab: LabWorld,
    make_sshd: Callable[..., Sshd],
    wheelhouse: Path,
    finished_runs: Callable[..., Path],
) -> None:
    bare = make_sshd(SetEnv=["PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheelhouse}"])
    if not bare.relocated:
        pytest.skip("an account of its own needs root")
    shutil.copytree(finished_runs(), bare.home / "data" / "results")
    with lab.home.known_hosts.open("a") as file:
        file.write(bare.known_hosts_line)
    lab.home.host("bare", bare)
    await lab_page.show_panel()
    await lab_page.field("Host").fill("bare")
    await lab_page.button("Connect").click()
    await expect(lab_page.card("bare")).to_have_attribute("data-status", "connected")
    await expect(lab_page.button("Open viewer")).to_be_disabled()

    await lab_page.button("Set up Runicorn here…").click()
    dialog = lab_page.page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"{bare.home}/.local/share/runicorn-jupyter")
    await expect(dialog).to_contain_text("about 110 MB")
    root = dialog.get_by_role("radio", name=f"{bare.home}/data/results")
    await expect(root).to_be_checked()
    await expect(dialog).to_contain_text("2 runs")
    await lab_page.picture("lab-setup")
    await dialog.get_by_role("button", name="Set up and open").click()
    await expect(lab_page.tab("bare · runicorn")).to_be_visible(timeout=240_000)
    await expect(lab_page.viewer.locator("tr[data-row-key]")).to_have_count(2)

    # The choice is remembered: the next time nothing is asked.
    await lab_page.button("Stop viewer").click()
    await expect(lab_page.button("Stop viewer")).to_have_count(0)
    await lab_page.button("Open viewer").click()
    await expect(lab_page.button("Stop viewer")).to_be_enabled()
    assert lab.connections()[0]["viewer"]["remote_root"] == f"{bare.home}/data/results"

    await lab_page.panel.get_by_text("On this server").click()
    await lab_page.button("Remove").click()
    await expect(lab_page.panel.get_by_role("alert")).to_contain_text("Something runs in this environment.")
    await lab_page.button("Stop viewer").click()
    await expect(lab_page.button("Stop viewer")).to_have_count(0)
    await lab_page.button("Remove").click()
    await expect(lab_page.button("Set up Runicorn here…")).to_be_enabled()
    assert not (bare.home / ".local" / "share" / "runicorn-jupyter").exists()


async def test_where_an_environment_has_it_the_list_offers_it(lab_page: LabPage, lab: LabWorld) -> None:
    await lab_page.show_panel()
    await lab_page.connect("gpu1")
    environment = lab_page.field("Environment")
    await expect(environment).to_have_value("torch")
    await expect(lab_page.button("Set up Runicorn here…")).to_have_count(0)
    await environment.select_option(label="Set up Runicorn here…")
    dialog = lab_page.page.get_by_role("dialog")
    await expect(dialog).to_contain_text(f"{lab.sshd.home}/.local/share/runicorn-jupyter")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(environment).to_have_value("torch")
    await expect(lab_page.button("Open viewer")).to_be_enabled()


async def test_where_there_is_no_python_it_is_said_what_to_do(
    lab_page: LabPage, lab: LabWorld, make_sshd: Callable[..., Sshd]
) -> None:
    empty = make_sshd()
    if not empty.relocated:
        pytest.skip("an account of its own needs root")
    for python in Path("/usr/bin").glob("python3*"):
        hide = ["mount", "--bind", "/dev/null", str(python.resolve())]
        subprocess.run(["nsenter", f"--mount=/proc/{empty.pid}/ns/mnt", *hide], check=True)
    with lab.home.known_hosts.open("a") as file:
        file.write(empty.known_hosts_line)
    lab.home.host("empty", empty)
    await lab_page.show_panel()
    await lab_page.field("Host").fill("empty")
    await lab_page.button("Connect").click()
    card = lab_page.card("empty")
    await expect(card).to_contain_text("Runicorn cannot be set up on this server")
    await expect(card).to_contain_text("Install one with uv or conda")
    await expect(lab_page.button("Set up Runicorn here…")).to_have_count(0)
