"""An account with nothing but Python: from the panel to its runs, and nothing is left afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.lab import LabPage, LabWorld
from tests.world.sshd import Sshd
from tests.world.standalone import hide_pythons, uv_program

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


async def show_empty(lab_page: LabPage, lab: LabWorld, server: Sshd, alias: str) -> None:
    """Connect to a server that has no Python."""
    hide_pythons(server)
    with lab.home.known_hosts.open("a") as file:
        file.write(server.known_hosts_line)
    lab.home.host(alias, server)
    await lab_page.show_panel()
    await lab_page.field("Host").fill(alias)
    await lab_page.button("Connect").click()


async def test_where_there_is_no_python_one_is_offered_and_not_brought_without_a_yes(
    lab_page: LabPage, lab: LabWorld, make_sshd: Callable[..., Sshd]
) -> None:
    server = make_sshd()
    (server.home / ".local" / "bin").mkdir(parents=True)
    (server.home / ".local" / "bin" / "uv").symlink_to(uv_program())
    await show_empty(lab_page, lab, server, "empty")
    await lab_page.button("Set up Runicorn here…").click()
    dialog = lab_page.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("no Python of at least 3.8: its uv downloads one")
    await expect(dialog).to_contain_text("about 210 MB")
    await expect(dialog).to_contain_text("3.12, of which about 100 MB")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(lab_page.button("Set up Runicorn here…")).to_be_enabled()
    assert not (server.home / ".local" / "share").exists()


async def test_where_no_python_can_be_brought_it_is_said_why_and_what_to_do(
    lab_page: LabPage, lab: LabWorld, make_sshd: Callable[..., Sshd], tmp_path: Path
) -> None:
    # No machine here has a C library that is so old.
    (tmp_path / "getconf").write_text("#!/bin/sh\necho glibc 2.12\n")
    (tmp_path / "getconf").chmod(0o755)
    await show_empty(lab_page, lab, make_sshd(SetEnv=f"PATH={tmp_path}:/usr/bin:/bin"), "old")
    card = lab_page.card("old")
    await expect(card).to_contain_text("Runicorn cannot be set up on this server")
    await expect(card).to_contain_text("Install one with uv or conda")
    await expect(card).to_contain_text("glibc 2.12, is older than 2.17")
    await expect(lab_page.button("Set up Runicorn here…")).to_have_count(0)
