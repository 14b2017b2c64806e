"""A viewer's URL gives its pages, and never what the viewer's holders use."""

from __future__ import annotations

import json

import psutil
import pytest
import requests

from tests.api.conftest import World

RENEWAL = {"holder": "stranger", "lease_seconds": 604800, "client": "x"}


def ask(url: str, path: str, body: object) -> requests.Response:
    """Send a request for exactly this path."""
    request = requests.Request("POST", url, data=json.dumps(body)).prepare()
    request.url = url + path
    return requests.Session().send(request, timeout=60)


@pytest.mark.parametrize(
    "path",
    [
        "__runicorn_jupyter__/",
        "%5F_runicorn_jupyter__/",
        "__%72unicorn_jupyter__/",
        "__runicorn_jupyter__%2F",
    ],
)
def test_who_has_the_url_neither_holds_nor_ends_the_viewer(world: World, path: str) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072")
    process = psutil.Process(viewer["pid"])
    for action, body in (
        ("info", {}),
        ("renew", RENEWAL),
        ("drop", {"holders": ["x"]}),
        ("leave", {"holder": "nobody", "stop": True, "cleanup": True}),
        ("runs", {"version": 0, "wait_seconds": 0}),
    ):
        answer = ask(viewer["url"], path + action, body)
        assert answer.status_code in (403, 404), action
        assert "holders" not in answer.text
    assert (
        world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]["status"]
        == "running"
    )
    # Nobody else holds it: it ends with its connection.
    world.jupyter.delete(f"connections/{connection_id}")
    assert psutil.wait_procs([process], timeout=60)[1] == []
