"""The side panel and the viewers' tabs in JupyterLab, against a real remote."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.lab import LabPage, LabWorld, scroll_to_charts
from tests.world.browser import painted_canvases
from tests.world.codes import code_server
from tests.world.proxy_command import write_proxy_command
from tests.world.relay import Relay
from tests.world.sshd import Sshd, make_key

pytestmark = pytest.mark.timeout(300)  # a walk is many waits of up to PATIENCE_SECONDS, beside other tests


async def painted(page: Page) -> int:
    """Wait until a chart of the viewer is painted; give how many are."""
    frame = next(frame for frame in page.frames if "/runicorn/v/" in frame.url)
    async with asyncio.timeout(60):
        while not (count := await painted_canvases(frame)):
            await frame.evaluate("() => new Promise(requestAnimationFrame)")
    return count


@pytest.mark.pictures
async def test_from_the_keyboard_to_the_charts(lab_page: LabPage) -> None:
    """From an open Lab to a viewer's charts without touching the mouse."""
    page = lab_page.page
    await lab_page.command("Connect to a Server")
    await expect(lab_page.field("Host")).to_be_focused()
    await page.keyboard.type("gpu")
    await expect(lab_page.panel.get_by_role("option").filter(has_text="gpu1")).to_be_visible()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(lab_page.field("Host")).to_have_value("gpu1")
    await page.keyboard.press("Enter")
    await expect(lab_page.card("gpu1")).to_have_attribute("data-status", "connected")
    await expect(lab_page.button("Open viewer")).to_be_focused()
    await lab_page.field("Environment").press("t")
    await expect(lab_page.field("Environment")).to_have_value("torch")
    await lab_page.button("Open viewer").press("Enter")
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.overlay).to_have_count(0)
    await lab_page.viewer.locator("tr[data-row-key] .ant-btn-link:not(.ant-btn-dangerous)").first.click()
    await scroll_to_charts(lab_page)
    assert await painted(page) >= 1
    await lab_page.viewer.locator("canvas").first.evaluate("c => c.scrollIntoView({ block: 'center' })")
    await lab_page.picture("lab-viewer", readme=True)
    assert await page.locator(".rj-Frame iframe").get_attribute("sandbox") == (
        "allow-scripts allow-forms allow-popups allow-downloads allow-modals"
    )


@pytest.mark.pictures
async def test_an_unknown_and_a_changed_host_key(lab_page: LabPage, lab: LabWorld) -> None:
    """Enter refuses; only a deliberate yes connects, and the key is the one that sshd has.

    A changed key is refused with both fingerprints; it takes forgetting the known one to be asked anew.
    """
    trusted = lab.home.ssh / "strange_hosts"
    trusted.unlink(missing_ok=True)
    await lab_page.show_panel()
    await lab_page.field("Host").fill("strange")
    await lab_page.field("Host").press("Enter")
    dialog = lab_page.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Is this really")
    await expect(dialog).to_contain_text("SHA256:")
    await expect(dialog.get_by_role("button", name="Don't connect")).to_be_focused()
    await lab_page.picture("lab-host-key", readme=True)
    await lab_page.page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(lab_page.button("Connect")).to_be_enabled()
    assert not trusted.exists()
    assert lab.connections() == []

    await lab_page.button("Connect").click()
    await dialog.get_by_role("button", name="Trust and connect").click()
    await expect(lab_page.card("strange")).to_have_attribute("data-status", "connected")
    assert lab.sshd.host_key in trusted.read_text()

    await lab_page.button("Disconnect").click()
    await expect(lab_page.card("strange")).to_have_count(0)
    other = make_key(lab.home.ssh / "other_host_key").with_suffix(".pub").read_text().split()[1]
    known = trusted.read_text().replace(lab.sshd.host_key.split()[1], other)
    trusted.write_text(known)
    await lab_page.field("Host").fill("strange")
    await lab_page.button("Connect").click()
    alert = lab_page.panel.get_by_role("alert")
    await expect(alert).to_contain_text("The identity of this server has changed.")
    assert len(set(await alert.locator(".rj-Fingerprint").all_inner_texts())) == 2
    await lab_page.picture("lab-host-key-changed")
    await lab_page.button("Forget the known key…").click()
    await expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    await lab_page.picture("lab-host-key-forget")
    await lab_page.page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    assert trusted.read_text() == known
    await lab_page.button("Forget the known key…").click()
    await dialog.get_by_role("button", name="Forget the key").click()
    await expect(dialog).to_contain_text("Is this really")
    await dialog.get_by_role("button", name="Trust and connect").click()
    await expect(lab_page.card("strange")).to_have_attribute("data-status", "connected")
    assert other not in trusted.read_text()


async def test_what_times_out_is_said_the_first_time(lab_page: LabPage) -> None:
    """A browser asks again by itself, once for each connection that it kept, what is answered by 408."""
    await lab_page.show_panel()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        await lab_page.field("Host").fill("127.0.0.1")
        await lab_page.panel.get_by_text("Advanced").click()
        await lab_page.field("Port").fill(str(silent.getsockname()[1]))
        await lab_page.field("Timeout in seconds").fill("2")
        await lab_page.button("Connect").click()
        await expect(lab_page.panel.get_by_role("alert")).to_contain_text("did not answer in time")
        silent.setblocking(False)
        tries = []
        with contextlib.suppress(BlockingIOError):
            while True:
                tries.append(silent.accept()[0])
        for each in tries:
            each.close()
    assert len(tries) == 1


async def test_connecting_can_be_cancelled(lab_page: LabPage, lab: LabWorld) -> None:
    """The step is shown while it lasts; after Cancel nothing is left, here or on the server."""
    await lab_page.show_panel()
    await lab_page.field("Host").fill("line")
    lab.relay.hold()
    try:
        await lab_page.button("Connect").click()
        await expect(lab_page.panel.locator(".rj-Attempt")).to_contain_text("Connecting…")
        await expect(lab_page.button("Connect")).to_be_disabled()
        await lab_page.button("Cancel").click()
        await expect(lab_page.panel.locator(".rj-Attempt")).to_have_count(0)
        await expect(lab_page.button("Connect")).to_be_enabled()
    finally:
        lab.relay.release()
    await lab_page.connect("gpu1")
    assert [each["host"] for each in lab.connections()] == ["gpu1"]


async def test_a_wrong_password_then_the_right_one(
    lab_page: LabPage, lab: LabWorld, make_sshd: Callable[..., Sshd]
) -> None:
    """A refusal is said in words with a way forward, and nothing typed is lost but the mistake."""
    server = make_sshd(password="correct horse")
    lab.home.trust(server)
    await lab_page.show_panel()
    await lab_page.field("Host").fill(server.host)
    await lab_page.field("User name").fill(server.user)
    await lab_page.panel.get_by_text("Advanced").click()
    await lab_page.field("Port").fill(str(server.port))
    await lab_page.field("Authentication").select_option("password")
    await expect(lab_page.button("Connect")).to_be_disabled()
    await lab_page.field("Password").fill("battery staple")
    await lab_page.button("Connect").click()
    alert = lab_page.panel.get_by_role("alert")
    await expect(alert).to_contain_text("The server did not accept you.")
    await lab_page.picture("lab-error")
    await lab_page.field("Password").fill("correct horse")
    await lab_page.field("Password").press("Enter")
    await expect(lab_page.card(server.host)).to_have_attribute("data-status", "connected")
    await expect(alert).to_have_count(0)
    assert "correct horse" not in lab.jupyter.log.read_text()


async def test_what_a_key_and_a_server_ask_for(
    lab_page: LabPage, lab: LabWorld, make_relay: Callable[..., Relay]
) -> None:
    """A passphrase, a one-time code, and another code when the network was gone; Escape gives up."""
    key = make_key(lab.home.ssh / "locked", passphrase="open sesame")
    with lab.sshd.authorized_keys.open("a") as keys:
        keys.write(key.with_suffix(".pub").read_text())
    lab.home.host("locked", lab.sshd, IdentityFile=str(key))
    await lab_page.show_panel()
    await lab_page.field("Host").fill("locked")
    await lab_page.button("Connect").click()
    dialog = lab_page.page.get_by_role("dialog")
    answer = dialog.locator("input")
    await expect(answer).to_be_focused()
    assert await answer.get_attribute("type") == "password"
    await lab_page.page.keyboard.press("Escape")
    await expect(lab_page.button("Connect")).to_be_enabled()
    await lab_page.button("Connect").click()
    await expect(answer).to_be_focused()
    await lab_page.page.keyboard.type("open sesame")
    await lab_page.page.keyboard.press("Enter")
    await expect(lab_page.card("locked")).to_have_attribute("data-status", "connected")
    await lab_page.button("Disconnect").click()
    await expect(lab_page.card("locked")).to_have_count(0)

    with code_server(lab.sshd.home, ["271828", "314159"]) as server:
        relay = make_relay("127.0.0.1", server.port)
        lab.home.host("codes", HostName=relay.host, Port=relay.port, HostKeyAlias="codes")
        with lab.home.known_hosts.open("a") as known_hosts:
            known_hosts.write(f"codes {server.host_key}\n")
        await lab_page.field("Host").fill("codes")
        await lab_page.button("Connect").click()
        await expect(dialog).to_contain_text("The cluster asks for a second factor.")
        await expect(dialog).to_contain_text("Verification code")
        await expect(answer).to_be_focused()
        await lab_page.picture("lab-code")
        await lab_page.page.keyboard.type("271828")
        await lab_page.page.keyboard.press("Enter")
        await expect(lab_page.card("codes")).to_have_attribute("data-status", "connected")
        relay.reset()
        await expect(answer).to_be_focused()
        await expect(lab_page.card("codes")).to_have_attribute("data-status", "reconnecting")
        await lab_page.picture("lab-code-reconnecting")
        await lab_page.page.keyboard.type("314159")
        await lab_page.page.keyboard.press("Enter")
        await expect(lab_page.card("codes")).to_have_attribute("data-status", "connected")
        assert server.codes == []
        await lab_page.button("Disconnect").click()
        await expect(lab_page.card("codes")).to_have_count(0)
    log = lab.jupyter.log.read_text()
    assert not any(secret in log for secret in ("open sesame", "271828", "314159"))


async def test_a_viewer_that_is_replaced_ends_or_does_not_show_up(
    lab_page: LabPage, lab: LabWorld, tmp_path: Path
) -> None:
    """Each says what happened, with a way forward."""
    page = lab_page.page
    await lab_page.connect("gpu1")
    await lab_page.open_viewer()
    dialog = page.get_by_role("dialog")
    folder = lab_page.field("Storage root")
    if not await folder.is_visible():  # it is open already where a root is offered: the last one
        await lab_page.panel.get_by_text("Another storage root").click()
    await folder.fill(str(tmp_path))
    await lab_page.button("Open viewer").click()
    await expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    await lab_page.picture("lab-replace")
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    await lab_page.button("Open viewer").click()
    await dialog.get_by_role("button", name="Stop it and open").click()
    await expect(lab_page.tab("gpu1 · torch")).to_have_count(2)
    await expect(lab_page.overlay).to_have_count(0)
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_have_count(0)

    (connection,) = lab.connections()
    os.kill(connection["viewer"]["pid"], signal.SIGKILL)
    await expect(lab_page.overlay).to_contain_text("ended unexpectedly")
    await lab_page.overlay.get_by_role("button", name="Logs").click()
    await expect(lab_page.overlay.locator("pre")).to_contain_text(re.compile("."))
    await lab_page.picture("lab-crashed")
    await lab_page.overlay.get_by_role("button", name="Start it again").click()
    await expect(lab_page.overlay).to_have_count(0)

    # Something between, such as an organisation's login, answers in the viewer's place.
    await page.clock.install()
    await page.route("**/runicorn/v/**", lambda route: route.fulfill(status=403, body="Log in first."))
    await lab_page.command("Reload Viewer")
    await expect(lab_page.overlay).to_contain_text("Loading the viewer")
    await page.clock.fast_forward(10_000)
    await expect(lab_page.overlay).to_contain_text("The viewer does not show up here.")
    await lab_page.picture("lab-silent")
    await page.unroute("**/runicorn/v/**")
    await lab_page.overlay.get_by_role("button", name="Try again").click()
    await expect(lab_page.overlay).to_have_count(0)


@pytest.mark.pictures
async def test_reload_cut_and_back_stop_and_disconnect(lab_page: LabPage, lab: LabWorld) -> None:
    """A tab outlives a reload of the page and an outage of the network, and says when it can't be had."""
    page = lab_page.page
    await lab_page.connect("line")
    await lab_page.open_viewer("line")
    runs = lab_page.viewer.get_by_text("vision/run-0")
    await expect(runs).to_be_visible()

    await lab_page.viewer.locator("tr[data-row-key] .ant-btn-link:not(.ant-btn-dangerous)").first.click()
    charts = lab_page.viewer.locator("canvas").first
    await scroll_to_charts(lab_page)
    await lab_page.saved_layout("#!/runs/")
    await lab_page.open("lab")
    await expect(lab_page.tab("line · torch")).to_be_visible()
    await scroll_to_charts(lab_page)
    await expect(lab_page.tab("line · torch")).to_have_class(re.compile("rj-mod-running"))

    lab.relay.cut()
    await expect(lab_page.overlay).to_contain_text("Reconnecting to line…")
    await expect(lab_page.tab("line · torch")).to_have_class(re.compile("rj-mod-reconnecting"))
    await expect(charts).to_be_visible()  # the last picture
    assert await lab_page.overlay.bounding_box() == await page.locator(".rj-Frame:visible").bounding_box()
    await lab_page.show_panel()
    await expect(lab_page.card("line")).to_have_attribute("data-status", "reconnecting")
    await lab_page.picture("lab-reconnecting", readme=True)
    lab.relay.mend()
    await expect(lab_page.overlay).to_have_count(0)
    await expect(lab_page.card("line")).to_have_attribute("data-status", "connected")

    await lab_page.button("Logs").click()
    await expect(lab_page.panel.locator("pre")).to_contain_text(re.compile("."))
    await lab_page.button("Stop viewer").click()
    await expect(lab_page.overlay).to_contain_text("this viewer is not running")
    await lab_page.overlay.get_by_role("button", name="Open viewer").click()
    await expect(lab_page.overlay).to_have_count(0)
    await scroll_to_charts(lab_page)

    await lab_page.button("Disconnect").click()
    await expect(lab_page.card("line")).to_have_count(0)
    await expect(lab_page.overlay).to_contain_text("You are not connected to this server")
    await lab_page.overlay.get_by_role("button", name="Connect and open").click()
    await expect(lab_page.overlay).to_have_count(0)
    await scroll_to_charts(lab_page)


async def test_saved_connections(lab_page: LabPage) -> None:
    """Imported from the ssh config, or saved without a secret; one press shows what was shown last."""
    await lab_page.show_panel()
    await lab_page.button("Import from SSH config…").click()
    dialog = lab_page.page.get_by_role("dialog")
    await dialog.get_by_role("checkbox", name="line").uncheck()
    await lab_page.picture("lab-import")
    await dialog.get_by_role("button", name="Save", exact=True).click()
    await expect(lab_page.panel.get_by_role("button", name="Forget gpu1")).to_be_visible()
    await expect(lab_page.panel.get_by_role("button", name="Forget line")).to_have_count(0)
    await expect(lab_page.button("Import from SSH config…")).to_be_visible()
    await lab_page.field("Host").fill("gpu1")
    await lab_page.panel.get_by_text("Advanced").click()
    await lab_page.field("Save this connection as").fill("The big one")
    await lab_page.button("Connect").click()
    await lab_page.open_viewer()
    saved = lab_page.panel.locator(".rj-Saved-connect").filter(has_text="The big one")
    await expect(saved).to_contain_text("torch")
    await lab_page.button("Disconnect").click()
    await expect(lab_page.card("gpu1")).to_have_count(0)
    await lab_page.tab("gpu1 · torch").locator(".lm-TabBar-tabCloseIcon").click()
    await saved.click()
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    await lab_page.panel.get_by_role("button", name="Forget The big one").click()
    await expect(saved).to_have_count(0)


async def test_a_viewer_that_a_program_opens_gets_a_tab(lab_page: LabPage, lab: LabWorld) -> None:
    """`auto_open` reaches the page as an event; without it nothing opens."""
    connection = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    await expect(lab_page.page.get_by_role("button", name="1 Runicorn connection")).to_be_visible()
    lab.jupyter.post("viewer/start", connection_id=connection, env_name="torch", auto_open=True)
    await expect(lab_page.tab("gpu1 · torch")).to_be_visible()
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()


async def test_a_viewer_that_does_not_answer_is_restarted_by_one_click(
    lab_page: LabPage, lab: LabWorld
) -> None:
    """A stopped process: tab, card and status bar say so; the same URL leads to the new one."""
    page = lab_page.page
    trouble: list[str] = []
    page.on("response", lambda answer: trouble.append(answer.url) if answer.status == 409 else None)
    await lab_page.connect("gpu1")
    await lab_page.open_viewer()
    await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    (connection,) = lab.connections()
    before = connection["viewer"]
    os.kill(before["pid"], signal.SIGSTOP)
    try:
        await expect(lab_page.overlay).to_contain_text("The viewer of gpu1 · torch does not answer.")
        await expect(lab_page.tab("gpu1 · torch")).to_have_class(re.compile("rj-mod-unresponsive"))
        await expect(lab_page.card("gpu1")).to_contain_text("Viewer: Not answering")
        status = page.locator(".rj-Status-button")
        await expect(status).to_have_attribute("title", re.compile("1 viewer does not answer"))
        await lab_page.button("Open viewer").click()
        await expect(lab_page.panel.get_by_role("alert")).to_have_count(0)
        await expect(lab_page.button("Restart viewer")).to_be_enabled()
        await lab_page.picture("lab-unresponsive")
        await lab_page.overlay.get_by_role("button", name="Restart viewer").click()
        await expect(lab_page.overlay).to_have_count(0)
        await expect(lab_page.card("gpu1")).to_contain_text("Viewer: Running")
        await expect(lab_page.viewer.get_by_text("vision/run-0")).to_be_visible()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(before["pid"], signal.SIGCONT)
    (connection,) = lab.connections()
    assert connection["viewer"]["url"] == before["url"]
    assert connection["viewer"]["pid"] != before["pid"]
    assert trouble == []


async def test_a_login_link_of_a_server_is_shown_and_can_be_clicked(
    lab_page: LabPage, lab: LabWorld, tmp_path: Path
) -> None:
    """What a ProxyCommand says while it waits is there, as lines with a link; connecting goes on."""
    done = tmp_path / "done"
    os.mkfifo(done)
    words = "Please log in <b>here</b>:\n  https://login.example/x?a=1&b=2\n"
    before = f"os.write(2, {words.encode()!r})\nopen({str(done)!r}).read()\n"
    script = write_proxy_command(tmp_path / "access.py", before=before)
    command = f"{sys.executable} {script} {lab.sshd.host} {lab.sshd.port}"
    lab.home.host("access", lab.sshd, ProxyCommand=command, HostKeyAlias="line")
    await lab_page.page.context.route(
        "https://login.example/**", lambda route: route.fulfill(body="logged in", content_type="text/html")
    )
    await lab_page.show_panel()
    await lab_page.field("Host").fill("access")
    await lab_page.field("Host").press("Enter")
    shown = lab_page.panel.locator(".rj-ServerWords")
    await expect(shown).to_contain_text("Please log in <b>here</b>:")
    link = shown.get_by_role("link")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    async with lab_page.page.context.expect_page() as opened:
        await link.click()
    assert (await opened.value).url == "https://login.example/x?a=1&b=2"
    await (await opened.value).close()
    await asyncio.to_thread(done.write_text, "")
    await expect(lab_page.card("access")).to_have_attribute("data-status", "connected")
    await expect(shown).to_have_count(0)
