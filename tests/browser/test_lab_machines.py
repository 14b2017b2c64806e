"""The machines of all servers in JupyterLab: stand-ins for nvidia-smi on two real servers, and a real run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.async_api import Locator, Page, Request, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.world.environments import Trainer
from tests.world.gpus import nvidia_smi, two_gpus
from tests.world.processes import descendants, ends
from tests.world.sshd import Sshd

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests

SECONDS = 60.0


def card(lab_page: LabPage, host: str) -> Locator:
    """A machine's card in the tab."""
    return lab_page.page.locator(".rj-Machine").filter(has_text=host)


def strip(lab_page: LabPage, host: str) -> Locator:
    """The strip on a connection's card in the panel."""
    return lab_page.card(host).locator(".rj-Strip")


def looking(sshd: Sshd) -> list[int]:
    """Return what looks at a machine there."""
    shells = descendants(sshd.pid, "sh")
    return [pid for pid in shells if "-s" in psutil.Process(pid).cmdline()]


def requests_for_machines(page: Page) -> list[str]:
    """Return a list that grows by each request for machines."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/api/remote/machines" in request.url:
            asked.append(request.url)

    page.on("request", note)
    return asked


async def toggle_panel(lab_page: LabPage) -> None:
    """Hide the side panel, or show it, as a person does."""
    await lab_page.page.locator('li[data-id="runicorn-panel"]').click()


async def nobody_looks_unseen(lab_page: LabPage, servers: list[Sshd], asked: list[str], bar: Locator) -> None:
    """See that nothing looks at a machine while no tab, panel or bar can be seen; show the panel again."""
    # The tab is behind another now; with the panel hidden too nobody looks, nor is anybody asked.
    there = [pid for server in servers for pid in looking(server)]
    assert there
    await toggle_panel(lab_page)
    await expect(lab_page.panel).not_to_be_visible()
    await lab_page.viewer.get_by_text("Assets", exact=True).first.click()
    await expect(bar).to_have_count(0)
    count = len(asked)
    assert all(ends(pid, SECONDS) for pid in there)
    assert len(asked) == count
    await toggle_panel(lab_page)


async def from_run_to_machine(lab_page: LabPage) -> Locator:
    """Go from a run's page, and from its row, to its machine and back to the page; return the page's bar."""
    page = lab_page.page
    bar = page.locator(".rj-GpuBar:visible")
    await expect(bar.get_by_role("listitem")).to_have_text("GPU 0 · 43 % · 10 GiB")
    await lab_page.picture("lab-run-gpu")
    assert await findings(page, ".rj-GpuBar") == []
    await bar.get_by_role("button", name="Show the machine").click()
    await expect(card(lab_page, "full")).to_be_focused()
    await lab_page.command("Show the Runs of All Servers")
    row = page.locator(".rj-Runs-row").filter(has_text="run-0")
    await expect(row.locator(".rj-mod-gpu")).to_have_text("0")
    assert await findings(page, ".rj-Runs") == []
    await row.locator(".rj-mod-name").click()
    await page.keyboard.press("g")
    await expect(card(lab_page, "full")).to_be_focused()
    await lab_page.command("Show the Runs of All Servers")
    await row.get_by_role("button", name="0", exact=True).click()
    await expect(card(lab_page, "full")).to_be_focused()
    await lab_page.tab("full · torch").click()
    await expect(bar).to_be_visible()
    return bar


@pytest.fixture
def serve(lab: LabWorld, make_sshd: Callable[..., Sshd], tmp_path: Path) -> Callable[[str], Sshd]:
    """Return ``serve(host)``: starts a server of the home that the others have, with programs of its own."""

    def start(host: str) -> Sshd:
        programs = tmp_path / host
        programs.mkdir()
        server = make_sshd(home=lab.sshd.home, SetEnv=f"PATH={programs}:{os.environ['PATH']}")
        lab.home.trust(server)
        lab.home.host(host, server)
        return server

    return start


@pytest.mark.pictures
async def test_the_machines_of_all_servers_live(
    lab_page: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    *,
    runicorn_env: Callable[..., Path],
    serve: Callable[[str], Sshd],
    tmp_path: Path,
) -> None:
    """Who has which GPU, in the panel and in a tab; from a GPU to its run; and nobody looks unseen."""
    page = lab_page.page
    root = tmp_path / "root"
    servers = [serve("full"), serve("roomy")]
    training = trainer.live(runicorn_env(), root)
    nvidia_smi(tmp_path / "full", training.process.pid)
    nvidia_smi(tmp_path / "roomy", os.getppid(), two_gpus())
    asked = requests_for_machines(page)
    await lab_page.command("Show the Machines of All Servers")
    await expect(page.get_by_text("Connect to a server to see its GPUs.")).to_be_visible()
    assert asked == []

    connection = lab.jupyter.post("connect", host="full").json()["connection_id"]
    lab.jupyter.post("connect", host="roomy")
    at = {"connection_id": connection, "env_name": "torch", "remote_root": str(root)}
    assert lab.jupyter.post("viewer/start", **at, auto_open=False).ok
    await expect(card(lab_page, "full").get_by_role("button", name="you: run-0")).to_be_visible()
    await expect(card(lab_page, "full")).to_contain_text("10 of 80 GiB")
    await expect(card(lab_page, "roomy").get_by_text("free", exact=True)).to_be_visible()
    await expect(page.get_by_text("2 machines · 3 GPUs · 1 free")).to_be_visible()
    # The one with the most free memory first.
    await expect(page.locator(".rj-Machine h3").first).to_contain_text("roomy")
    await expect(card(lab_page, "full").get_by_role("meter", name="Busy")).to_have_attribute(
        "aria-valuenow", "43"
    )
    await lab_page.show_panel()
    await expect(strip(lab_page, "full")).to_have_text("GPU 0 you: run-0 43 %")
    await expect(strip(lab_page, "roomy").locator("li").first).to_have_text("GPU 0 free")
    await lab_page.picture("lab-machines", readme=True)
    assert await findings(page, ".rj-Machines", "#runicorn-panel") == []

    # By the keyboard from the GPU to its run.
    await card(lab_page, "full").get_by_role("button", name="you: run-0").focus()
    await page.keyboard.press("Enter")
    await expect(lab_page.tab("full · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    source = await page.locator(".rj-Frame:visible iframe").evaluate("frame => frame.src")
    assert f"/runs/{training.run_id}" in source

    bar = await from_run_to_machine(lab_page)

    await nobody_looks_unseen(lab_page, servers, asked, bar)
    await expect(strip(lab_page, "full")).to_have_text("GPU 0 you: run-0 43 %")


async def test_what_is_wrong_with_a_machine(
    lab_page: LabPage, lab: LabWorld, serve: Callable[[str], Sshd], tmp_path: Path
) -> None:
    """A driver that fails, and a line that is cut: said in words, in both themes."""
    serve("mismatched")
    lost = serve("lost")
    nvidia_smi(tmp_path / "mismatched", 1, '#!/bin/sh\necho "Driver/library version mismatch"\nexit 18\n')
    nvidia_smi(tmp_path / "lost", os.getppid(), two_gpus())
    for host in ("mismatched", "lost"):
        assert lab.jupyter.post("connect", host=host).ok
    await lab_page.show_panel()
    await lab_page.button("Machines of all servers").click()
    await expect(card(lab_page, "mismatched")).to_contain_text("Its GPUs cannot be looked at.")
    await expect(card(lab_page, "mismatched")).to_contain_text("version mismatch")
    await expect(strip(lab_page, "mismatched")).to_contain_text("Its GPUs cannot be looked at.")
    await expect(card(lab_page, "lost")).to_contain_text("GPU 1")
    for theme in ("light", "dark"):
        await lab_page.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            f"JupyterLab {theme.capitalize()}",
        )
        await expect(card(lab_page, "lost")).to_contain_text("GPU 1")
        await lab_page.picture(f"lab-machines-{theme}")
        assert await findings(lab_page.page, ".rj-Machines", "#runicorn-panel") == []
    # A disk that is almost full.
    disk = tmp_path / "mismatched" / "df"
    disk.write_text(
        "#!/bin/sh\necho Filesystem 1024-blocks Used Available Capacity Mounted on\n"
        "echo /dev/sdb1 1000000000 999000000 1000000 100% /data\n"
    )
    disk.chmod(0o755)
    await expect(card(lab_page, "mismatched").get_by_text("The disk is almost full.")).to_be_visible()
    await expect(strip(lab_page, "mismatched")).to_contain_text("Disk: 1.0 GB free")
    assert await findings(lab_page.page, ".rj-Machines", "#runicorn-panel") == []
    lost.close()
    await expect(card(lab_page, "lost")).to_contain_text("It is not connected. This is as of")
    await expect(strip(lab_page, "lost")).to_have_count(0)
