"""The side panel and the viewers' tabs in JupyterLab, against a real remote."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from playwright.async_api import Page, expect

from tests.browser.lab import LabPage, LabWorld
from tests.world.browser import painted_canvases
from tests.world.sshd import Sshd, make_key


async def painted(page: Page) -> int:
    """Wait until a chart of the viewer is painted; give how many are."""
    frame = next(frame for frame in page.frames if "/runicorn/v/" in frame.url)
    async with asyncio.timeout(20):
        while not (count := await painted_canvases(frame)):
            await frame.evaluate("() => new Promise(requestAnimationFrame)")
    return count


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
    await expect(lab_page.viewer.locator("canvas").first).to_be_visible()
    assert await painted(page) >= 1
    await lab_page.picture("lab-viewer", readme=True)
    assert await page.locator(".rj-Frame iframe").get_attribute("sandbox") == (
        "allow-scripts allow-forms allow-popups allow-downloads allow-modals"
    )


async def test_an_unknown_host_is_asked_about_and_no_is_the_default(lab_page: LabPage, lab: LabWorld) -> None:
    """Enter refuses; only a deliberate yes connects, and the key is the one that sshd has."""
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


async def test_the_passphrase_of_a_key_is_asked_for(lab_page: LabPage, lab: LabWorld) -> None:
    """A dialog asks, Escape gives up, and the answer connects."""
    key = lab.home.ssh / "locked"
    if not key.exists():
        make_key(key, passphrase="open sesame")
        with lab.sshd.authorized_keys.open("a") as keys:
            keys.write(key.with_suffix(".pub").read_text())
        lab.home.host("locked", lab.sshd, IdentityFile=str(key))
    await lab_page.show_panel()
    await lab_page.field("Host").fill("locked")
    await lab_page.button("Connect").click()
    answer = lab_page.page.get_by_role("dialog").locator("input")
    await expect(answer).to_be_focused()
    assert await answer.get_attribute("type") == "password"
    await lab_page.page.keyboard.press("Escape")
    await expect(lab_page.button("Connect")).to_be_enabled()
    await lab_page.button("Connect").click()
    await expect(answer).to_be_focused()
    await lab_page.page.keyboard.type("open sesame")
    await lab_page.page.keyboard.press("Enter")
    await expect(lab_page.card("locked")).to_have_attribute("data-status", "connected")


async def test_reload_cut_and_back_stop_and_disconnect(lab_page: LabPage, lab: LabWorld) -> None:
    """A tab outlives a reload of the page and an outage of the network, and says when it can't be had."""
    page = lab_page.page
    await lab_page.connect("line")
    await lab_page.open_viewer("line")
    runs = lab_page.viewer.get_by_text("vision/run-0")
    await expect(runs).to_be_visible()

    await lab_page.viewer.locator("tr[data-row-key] .ant-btn-link:not(.ant-btn-dangerous)").first.click()
    charts = lab_page.viewer.locator("canvas").first
    await expect(charts).to_be_visible()
    await lab_page.saved_layout("#!/runs/")
    await lab_page.open("lab")
    await expect(lab_page.tab("line · torch")).to_be_visible()
    await expect(charts).to_be_visible()
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
    await expect(charts).to_be_visible()

    await lab_page.button("Disconnect").click()
    await expect(lab_page.card("line")).to_have_count(0)
    await expect(lab_page.overlay).to_contain_text("You are not connected to this server")
    await lab_page.overlay.get_by_role("button", name="Connect and open").click()
    await expect(lab_page.overlay).to_have_count(0)
    await expect(charts).to_be_visible()


async def test_a_saved_connection_shows_at_one_press_what_it_showed_last(lab_page: LabPage) -> None:
    """Saved without a secret; the environment is remembered once a viewer was opened."""
    await lab_page.show_panel()
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
