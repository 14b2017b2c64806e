"""Two people of one hub: alice's viewer works below /user/alice/, and what is hers stays hers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_websocket

from tests.hub.conftest import Alice
from tests.world.hub import Hub, Person


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


def test_a_script_of_hers_uses_her_token(alice: Alice) -> None:
    connection_id = alice.connect()
    answer = alice.person.with_token("GET", "ping", params={"connection_id": connection_id})
    assert answer.status_code == 200
    assert answer.json()["latency_ms"] > 0


def test_the_openapi_document_names_the_prefix(alice: Alice) -> None:
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


@pytest.mark.parametrize("by", ["cookies", "token", "nothing"])
def test_bob_gets_nothing_on_alices_server(alice: Alice, bob: Person, by: str) -> None:
    connection_id = alice.connect()
    viewer = alice.start(connection_id)
    for method, path, body in OURS:
        kwargs: dict[str, Any] = {"url": alice.person.url}
        if body is not None:
            kwargs["json"] = json.loads(json.dumps(body).replace("{id}", connection_id))
        path = path.replace("{id}", connection_id)  # noqa: PLW2901
        if by == "nothing":
            answer = requests.request(
                method, f"{alice.person.url}api/remote/{path}", json=kwargs.get("json"), timeout=30
            )
        else:
            answer = (bob.request if by == "cookies" else bob.with_token)(method, path, **kwargs)
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden"), (method, path, answer.text)
        assert connection_id not in answer.text
    status = alice.person.request("GET", "viewer/status", params={"connection_id": connection_id}).json()
    assert status["viewer"]["status"] == "running"
    assert status["viewer"]["url"] == viewer["url"]


def test_alices_connection_is_unknown_on_bobs_server(alice: Alice, bob: Person) -> None:
    connection_id = alice.connect()
    assert bob.request("GET", "connections").json()["connections"] == []
    for method, path, body in OURS:
        if "{id}" not in path + json.dumps(body):
            continue
        sent = json.loads(json.dumps(body).replace("{id}", connection_id)) if body else None
        answer = bob.request(method, path.replace("{id}", connection_id), json=sent)
        assert (answer.status_code, answer.json()["error"]) == (404, "connection_not_found"), path


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
    said = hub.log.read_text(errors="replace")
    assert "/runicorn/v/[capability]/" in said
    assert capability not in said
