"""Two machines with one host key, as cloned images and containers have, through a whole Jupyter server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import requests

from tests.api.conftest import World
from tests.integration.ssh.test_way import copy_of
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd

PAGE = {"Sec-Fetch-Dest": "document", "Accept": "text/html"}


def page_of(url: str) -> str:
    """Open a viewer's page."""
    answer = requests.get(url, headers=PAGE, timeout=60)
    assert answer.status_code == 200
    return answer.text


def test_a_copys_settings_are_not_the_originals(
    world: World, make_sshd: Callable[..., Sshd], runicorn_env: Callable[..., Path]
) -> None:
    copy = copy_of(world.sshd, make_sshd)
    add_environments(copy.home, rc072=runicorn_env("0.7.2"))
    world.home.trust(copy)
    world.home.host("copy", copy)
    # One folder on both, so that only the way there tells them apart.
    root = str(world.sshd.home)
    planted = world.start(world.connect("copy"), "rc072", remote_root=root)["url"]
    body = json.dumps({"set": {"planted": "by the copy"}})
    kept = requests.post(f"{planted}__runicorn_jupyter__/storage", data=body, timeout=60)
    assert kept.status_code == 204
    assert '"planted":"by the copy"' in page_of(planted)
    assert '"storage":{}' in page_of(world.start(world.connect(), "rc072", remote_root=root)["url"])
    world.disconnect_all()
    again = world.start(world.connect("copy"), "rc072", remote_root=root)["url"]
    assert '"planted":"by the copy"' in page_of(again)
