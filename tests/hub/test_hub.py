"""A hub with two people: alice's viewer works below /user/alice/, and what is hers stays hers.

By HTTP first, then in Chromium, where people log in by a form and a hostile viewer's page reaches nothing of
the hub's. All of it is one file, since a hub is a minute of a test run and each worker would start its own.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import requests
from playwright.async_api import BrowserContext, Frame, Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_websocket

from tests.browser.lab import PATIENCE_SECONDS, LabPage
from tests.hub.conftest import PER_PERSON, Alice
from tests.world.hostile import hostile_env, reports
from tests.world.hub import Hub, Person
from tests.world.layouts import add_environments
from tests.world.sshd import make_key

PROXYS_OWN = "/runicorn/v/"


def test_it_works_below_user_alice(alice: Alice, hub: Hub) -> None:
    connection_id = alice.connect()
    viewer = alice.start(connection_id)
    assert viewer["url"].startswith(f"{hub.url}user/alice/runicorn/v/")
    assert viewer["local_port"] == urlsplit(hub.url).port
    # The URL needs nothing else, and what it opens is alice's runs.
    page = requests.get(viewer["url"], timeout=30)
    assert page.status_code == 200
    assert page.headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
    prefix = urlsplit(viewer["url"]).path
    assert f'="{prefix}' in page.text
    runs = requests.get(f"{viewer['url']}api/runs", timeout=30).json()
    assert len(runs) == 2
    listed = alice.person.request("GET", "connections").json()["connections"]
    assert [each["connection_id"] for each in listed] == [connection_id]
    # A script of hers uses her token.
    answer = alice.person.with_token("GET", "ping", params={"connection_id": connection_id})
    assert answer.status_code == 200
    assert answer.json()["latency_ms"] > 0
    document = alice.person.request("GET", "openapi.json").json()
    assert document["servers"] == [{"url": "/user/alice/api/remote"}]


OURS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "connections", None),
    ("GET", "openapi.json", None),
    ("GET", "hosts", None),
    ("GET", "known-hosts", None),
    ("GET", "profiles", None),
    ("GET", "viewer/status?connection_id={id}", None),
    ("GET", "viewer/logs?connection_id={id}", None),
    ("GET", "environments?connection_id={id}", None),
    ("GET", "ping?connection_id={id}", None),
    ("POST", "connect", {"host": "gpu1"}),
    ("POST", "viewer/start", {"connection_id": "{id}", "env_name": "rc"}),
    ("POST", "viewer/stop", {"connection_id": "{id}"}),
    ("DELETE", "connections/{id}", None),
    ("GET", "no/such/route", None),
]


def test_bob_gets_nothing_on_alices_server(alice: Alice, bob: Person) -> None:
    connection_id = alice.connect()
    viewer = alice.start(connection_id)
    for method, path, body in OURS:
        where = f"{alice.person.url}api/remote/{path.replace('{id}', connection_id)}"
        sent = json.loads(json.dumps(body).replace("{id}", connection_id)) if body is not None else None
        below = path.replace("{id}", connection_id)
        for answer in (
            bob.request(method, below, url=alice.person.url, json=sent),
            bob.with_token(method, below, url=alice.person.url, json=sent),
            requests.request(method, where, json=sent, timeout=30),
        ):
            assert (answer.status_code, answer.json()["error"]) == (403, "forbidden"), (where, answer.text)
            assert connection_id not in answer.text
    status = alice.person.request("GET", "viewer/status", params={"connection_id": connection_id}).json()
    assert status["viewer"]["status"] == "running"
    assert status["viewer"]["url"] == viewer["url"]


def knows_nothing_of(person: Person, connection_id: str) -> None:
    """Check that a server has no connection, and that every route with this one's id says so."""
    assert person.request("GET", "connections").json()["connections"] == []
    for method, path, body in OURS:
        if "{id}" not in path + json.dumps(body):
            continue
        sent = json.loads(json.dumps(body).replace("{id}", connection_id)) if body else None
        answer = person.request(method, path.replace("{id}", connection_id), json=sent)
        assert (answer.status_code, answer.json()["error"]) == (404, "connection_not_found"), path


def test_alices_connection_is_unknown_on_bobs_server(alice: Alice, bob: Person) -> None:
    connection_id = alice.connect()
    knows_nothing_of(bob, connection_id)


def test_alices_events_are_hers(alice: Alice, bob: Person) -> None:
    url = f"{alice.person.url.replace('http', 'ws', 1)}api/events/subscribe"
    with open_websocket(url, additional_headers={"Authorization": f"token {alice.person.token}"}):
        pass
    with (
        pytest.raises(InvalidStatus) as caught,
        open_websocket(url, additional_headers={"Authorization": f"token {bob.token}"}),
    ):
        pass
    assert caught.value.response.status_code == 403


def test_a_capability_url_is_its_own_authorisation_and_ends_with_the_viewer(
    alice: Alice, bob: Person
) -> None:
    """What SECURITY.md says of it: whoever has the URL has this one viewer, until it is stopped."""
    connection_id = alice.connect()
    url = alice.start(connection_id)["url"]
    assert requests.get(f"{url}api/runs", timeout=30).status_code == 200  # nobody in particular
    assert bob.session.get(f"{url}api/runs", timeout=30).status_code == 200
    # On bob's server it is nothing.
    elsewhere = url.replace("/user/alice/", "/user/bob/")
    assert bob.session.get(elsewhere, timeout=30).status_code == 404
    # It grants the viewer, not the API, nor the viewer's own way to other machines.
    for path in ("api/remote/connections", "api/remote", "../../../api/contents", "..%2f..%2fapi/contents"):
        answer = requests.Request("GET", url).prepare()
        answer.url = url + path
        assert requests.Session().send(answer, timeout=30).status_code in (400, 403), path
    stop = alice.person.request("POST", "viewer/stop", json={"connection_id": connection_id})
    assert stop.status_code == 200
    for session in (bob.session, alice.person.session):
        assert session.get(f"{url}api/runs", timeout=30).status_code == 404
    again = alice.start(connection_id)["url"]
    assert again != url
    assert requests.get(url, timeout=30).status_code == 404


def test_the_hubs_log_holds_no_capability(alice: Alice, hub: Hub) -> None:
    url = alice.start(alice.connect())["url"]
    capability = urlsplit(url).path.split("/")[-2]
    for path in ("", "api/runs", "no/such/page", "..%2f", "api/remote/x", f"?next={capability}"):
        requests.get(url + path, timeout=30)
    requests.get(f"{hub.url}user/alice/runicorn/v/{capability[:-1]}x/", timeout=30)
    for path in (f"/runicorn/v/{capability}/", f"Runicorn/v/{capability}/", f"api/contents/{capability}"):
        requests.get(f"{hub.url}user/alice/{path}", timeout=30, allow_redirects=False)
    said = hub.log.read_text(errors="replace")
    assert "/runicorn/v/[capability]/" in said
    assert capability not in said


def test_named_servers_of_one_person_know_nothing_of_each_other(alice: Alice, hub: Hub) -> None:
    connection_id = alice.connect()
    viewer = alice.start(connection_id)
    other = hub.named_server(alice.person, "second")
    knows_nothing_of(other, connection_id)
    elsewhere = viewer["url"].replace("/user/alice/", "/user/alice/second/")
    assert other.session.get(elsewhere, timeout=30).status_code == 404
    # It has connections and viewers of its own, below its own prefix; to the same remote they share a viewer.
    connected = other.request("POST", "connect", json={"host": "gpu1"}).json()
    second = {"connection_id": connected["connection_id"], "env_name": "rc", "remote_root": str(alice.root)}
    started = other.request("POST", "viewer/start", json=second).json()["viewer"]
    assert started["url"].startswith(f"{hub.url}user/alice/second/runicorn/v/")
    assert started["pid"] == viewer["pid"]
    assert requests.get(f"{started['url']}api/runs", timeout=30).status_code == 200
    # Stopped there, it stays for whom it serves here.
    stopped = other.request("POST", "viewer/stop", json={"connection_id": connected["connection_id"]})
    assert stopped.status_code == 200, stopped.text
    assert requests.get(f"{started['url']}api/runs", timeout=30).status_code == 404
    assert requests.get(f"{viewer['url']}api/runs", timeout=30).status_code == 200
    hub.admin("DELETE", "users/alice/servers/second", json={"remove": True})


def enter(visitor: Person, url: str) -> None:
    """Open somebody else's server in a browser, and agree to what the hub asks then."""
    page = visitor.session.get(f"{url}lab", timeout=60)
    page.raise_for_status()
    assert "/oauth2/authorize" in page.url, page.url
    fields = re.findall(r'<input[^>]*name="(_xsrf|scopes)"[^>]*value="([^"]*)"', page.text)
    agreed = visitor.session.post(page.url, data=fields, headers={"Referer": page.url}, timeout=60)
    agreed.raise_for_status()
    assert agreed.url.startswith(url), agreed.url


def test_who_shares_a_server_has_all_of_it_but_the_answers_to_anothers_questions(
    alice: Alice, bob: Person, hub: Hub, tmp_path: Path
) -> None:
    """A share of the hub's is access to the server: terminals, files, and so the connections."""
    connection_id = alice.connect()
    key = make_key(tmp_path / "key", passphrase="of alice")
    with alice.sshd.authorized_keys.open("a") as file:
        file.write(Path(f"{key}.pub").read_text())
    asked = alice.person.request("POST", "connect", json={"host": "gpu1", "private_key_path": str(key)})
    assert (asked.status_code, asked.json()["error"]) == (401, "authentication_required"), asked.text
    challenge = asked.json()["details"]["challenge_id"]
    shared = hub.admin("POST", "shares/alice/", json={"user": "bob"})
    assert shared.status_code in (200, 201), shared.text
    try:
        enter(bob, alice.person.url)
        listed = bob.request("GET", "connections", url=alice.person.url)
        assert listed.status_code == 200, listed.text
        assert [each["connection_id"] for each in listed.json()["connections"]] == [connection_id]
        for method in ("GET", "POST", "DELETE"):
            body = {"responses": ["guess"]} if method == "POST" else None
            answer = bob.request(method, f"connect/{challenge}", url=alice.person.url, json=body)
            assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), answer.text
        # Two of alice's three are taken, by the connection and the question; bob has three of his own there.
        alice.connect()
        refused = alice.person.request("POST", "connect", json={"host": "gpu1"})
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many_connections"), refused.text
        assert refused.json()["details"] == {"quota": "max_connections_per_user", "limit": PER_PERSON}
        his = bob.request("POST", "connect", url=alice.person.url, json={"host": "gpu1"})
        assert his.status_code == 200, his.text
    finally:
        assert hub.admin("DELETE", "shares/alice/").status_code == 204
    declined = alice.person.request("DELETE", f"connect/{challenge}")
    assert declined.status_code == 200, declined.text


class HubLabPage(LabPage):
    """JupyterLab of one of the hub's people, in a browser where they have logged in."""

    def __init__(self, page: Page, hub: Hub, person: Person) -> None:
        super().__init__(page, None)  # type: ignore[arg-type]  # its world is the hub
        self.hub = hub
        self.person = person

    async def open(self, path: str = "lab?reset") -> HubLabPage:
        """Log in by the form, and wait until JupyterLab is there."""
        await self.page.goto(f"{self.hub.url}hub/login?next=/user/{self.person.name}/{path}")
        await self.page.get_by_label("Username").fill(self.person.name)
        await self.page.get_by_label("Password").fill(self.hub.password)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        await self.page.wait_for_function("() => window.jupyterapp?.restored", polling=100)
        await self.page.evaluate("() => window.jupyterapp.restored")
        return self


@pytest_asyncio.fixture(loop_scope="session")
async def lab(page: Page, hub: Hub, alice: Alice) -> HubLabPage:
    """Alice's JupyterLab."""
    return await HubLabPage(page, hub, alice.person).open()


async def test_the_panel_connects_and_shows_the_runs(lab: HubLabPage) -> None:
    await lab.connect("gpu1")
    await lab.open_viewer("gpu1", "rc")
    await expect(lab.viewer.locator("body")).to_contain_text("Runicorn")
    frame = lab.page.locator(".rj-Frame:visible iframe")
    assert str(await frame.get_attribute("src")).startswith(f"{lab.person.url}runicorn/v/")


@pytest.fixture(scope="session")
def hostile(
    hub_remote: Any, runicorn_env: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The home of alice's remote, which has an environment that attacks."""
    prefix = hostile_env(tmp_path_factory.mktemp("hostile") / "env", runicorn_env())
    add_environments(hub_remote.home, hostile=prefix)
    return Path(hub_remote.home)


def check(report: dict[str, Any], *, framed: bool) -> None:
    results: dict[str, str] = report["results"]
    assert {name: said for name, said in results.items() if not said.startswith("failed")} == {}
    # It really ran, to its end: nothing can pass that was not tried.
    assert len(results) == (55 if framed else 51)
    assert "SecurityError" in results["read a window of the hub"]
    assert "form-action" in results["post a form to the hub here"]


def state_of(hub: Hub, alice: Alice) -> dict[str, Any]:
    """What the attack would have changed."""
    person = alice.person
    files = person.session.get(f"{person.url}api/contents", timeout=30).json()["content"]
    return {
        "tokens": len(hub.admin("GET", "users/alice/tokens").json()["api_tokens"]),
        "terminals": person.session.get(f"{person.url}api/terminals", timeout=30).json(),
        "files": sorted(each["name"] for each in files),
        "servers": sorted(each["name"] for each in hub.admin("GET", "users").json() if each["servers"]),
    }


async def lab_frame(lab: HubLabPage) -> Frame:
    """Give the viewer's frame, once it has gone to where our script is not."""
    frame = await (await lab.page.wait_for_selector(".rj-Frame iframe")).content_frame()
    assert frame is not None
    await frame.wait_for_url("**/attack.svg")
    return frame


async def click_until_heard(page: Page | Frame, tab: Page, x: float, y: float) -> None:
    """Click into a tab, again if the browser had nothing to show there yet, until the page hears of it.

    Not by a locator, which would wait for navigations, of which there must be none. The window that the
    page has opened is in front of it.
    """
    await tab.bring_to_front()
    await page.evaluate(
        "() => { window.heard = new Promise(yes => document.addEventListener('click', yes, {once: true})); }"
    )
    heard = asyncio.ensure_future(page.evaluate("async () => { await window.heard; }"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not heard.done():
            await tab.mouse.click(x, y)
            await asyncio.wait([heard], timeout=2)
    await heard


@pytest.mark.parametrize("how", ["in a tab of JupyterLab", "in a tab of the browser, without our script"])
async def test_a_hostile_viewer_reaches_nothing_of_the_hubs(
    lab: HubLabPage, alice: Alice, hostile: Path, context: BrowserContext, how: str
) -> None:
    hub = lab.hub
    framed = how.endswith("JupyterLab")
    await lab.connect("gpu1")
    asked: list[str] = []
    context.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    before, seen = state_of(hub, alice), len(reports(hostile))
    cookies = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
    async with context.expect_event("request", lambda request: request.url.endswith("/report")) as sent:
        if framed:
            await lab.open_viewer("gpu1", "hostile")
            page: Page | Frame = await lab_frame(lab)
            box = await lab.page.locator(".rj-Frame:visible iframe").bounding_box()
            assert box is not None
            click_at, x, y = lab.page, box["x"] + 50, box["y"] + 50
        else:
            viewer = alice.start(alice.connect(), "hostile")
            page = await context.new_page()
            await page.goto(f"{viewer['url']}attack.svg")
            click_at, x, y = page, 50.0, 50.0
        for click in ("click 1", "click 2", "click 3", "click 4"):
            await page.wait_for_function("(title) => document.title === title", arg=click, polling=100)
            await click_until_heard(page, click_at, x, y)
    answer = await (await sent.value).response()
    assert answer is not None
    assert answer.status == 200
    (report,) = reports(hostile)[seen:]
    check(report, framed=framed)
    if isinstance(page, Page):
        # Its own tab it can navigate, to where the hub logs people out; but not as anybody.
        async with context.expect_event("requestfinished", lambda each: each.url.endswith("/hub/logout")):
            await page.evaluate("() => { window.location.href = '/hub/logout'; }")
    # Nothing was asked of the hub but the windows that any page may open, which it cannot read.
    written = [each for each in asked if not each.startswith("GET ") and PROXYS_OWN not in each]
    assert [each for each in written if "/hub/" in each or "bob" in each or "terminals" in each] == []
    assert state_of(hub, alice) == before
    after = {cookie["name"]: cookie["value"] for cookie in await context.cookies()}
    # (To the window that the page opened the hub spoke as to a stranger, with a new XSRF cookie of its own.)
    assert {name: after.get(name) for name in cookies if name != "_xsrf"} == {
        name: value for name, value in cookies.items() if name != "_xsrf"
    }
    assert "planted" not in after.values()
    # She is logged in as before.
    assert (await context.request.get(f"{hub.url}hub/home")).url == f"{hub.url}hub/home"
