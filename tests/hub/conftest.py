"""Alice, who has a remote, and bob, who is another of the hub's people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world.hub import Hub, Person
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome

PER_PERSON = 3
"""Connections that each person may have on alice's server."""


@dataclass
class Alice:
    """Alice's side of the hub: herself, and her remote as ``gpu1``."""

    person: Person
    sshd: Sshd
    root: Path

    def connect(self) -> str:
        """Connect to her remote and give the connection's id."""
        answer = self.person.request("POST", "connect", json={"host": "gpu1"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["connection_id"])

    def start(self, connection_id: str, env_name: str = "rc") -> dict[str, Any]:
        """Start the viewer of an environment and give it."""
        body = {"connection_id": connection_id, "env_name": env_name, "remote_root": str(self.root)}
        answer = self.person.request("POST", "viewer/start", json=body)
        assert answer.status_code == 200, answer.text
        viewer: dict[str, Any] = answer.json()["viewer"]
        return viewer

    def disconnect_all(self) -> None:
        """Close every connection, with its viewer."""
        for each in self.person.request("GET", "connections").json()["connections"]:
            assert self.person.request("DELETE", f"connections/{each['connection_id']}").ok


@pytest.fixture(scope="session")
def hub_remote(
    _sshd_program: str, tmp_path_factory: pytest.TempPathFactory, runicorn_env: Callable[..., Path]
) -> Iterator[Sshd]:
    """The machine that alice trains on."""
    server = Sshd(tmp_path_factory.mktemp("hub-sshd"))
    try:
        server.start()
        add_environments(server.home, rc=runicorn_env())
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def _alice(hub: Hub, hub_remote: Sshd, finished_runs: Callable[..., Path]) -> Alice:
    home = SshHome(hub.home("alice"))
    settings = home.path / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    quota = {"RunicornJupyter": {"max_connections_per_user": PER_PERSON}}
    (home.path / ".jupyter/jupyter_server_config.json").write_text(json.dumps(quota))
    home.trust(hub_remote)
    home.host("gpu1", hub_remote)
    return Alice(hub.person("alice"), hub_remote, finished_runs())


@pytest.fixture
def alice(_alice: Alice) -> Iterator[Alice]:
    """Alice without connections, before and after."""
    yield _alice
    _alice.disconnect_all()


@pytest.fixture
def bob(hub: Hub) -> Person:
    """Bob, logged in, with a server of his own."""
    return hub.person("bob")
