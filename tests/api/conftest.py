"""A server, a remote it can reach as ``gpu1``, and environments there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world.environments import RUNICORN_VERSIONS
from tests.world.jupyter import JupyterServer
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome

VERSIONS = {f"rc{version.replace('.', '')}": version for version in RUNICORN_VERSIONS}


@dataclass
class World:
    """A Jupyter server and the remote that it reaches as ``gpu1``."""

    jupyter: JupyterServer
    sshd: Sshd
    home: SshHome

    def connect(self, host: str = "gpu1", **fields: Any) -> str:
        """Connect and give the id."""
        answer = self.jupyter.post("connect", host=host, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["connection_id"])

    def start(self, connection_id: str, env_name: str, **fields: Any) -> dict[str, Any]:
        """Start a viewer and give it."""
        answer = self.jupyter.post("viewer/start", connection_id=connection_id, env_name=env_name, **fields)
        assert answer.status_code == 200, answer.text
        viewer: dict[str, Any] = answer.json()["viewer"]
        return viewer

    def disconnect_all(self) -> None:
        """Close every connection."""
        for each in self.jupyter.get("connections").json()["connections"]:
            self.jupyter.delete(f"connections/{each['connection_id']}")


@pytest.fixture(scope="session")
def session_world(
    jupyter: JupyterServer,
    jupyter_home: Path,
    sshd: Sshd,
    runicorn_env: Callable[..., Path],
    empty_env: Path,
) -> World:
    """The session's world; use `world`, which cleans up."""
    home = SshHome(jupyter_home)
    home.trust(sshd)
    home.host("gpu1", sshd)
    versions = {name: runicorn_env(version) for name, version in VERSIONS.items()}
    add_environments(sshd.home, empty=empty_env, **versions)
    return World(jupyter, sshd, home)


@pytest.fixture
def world(session_world: World) -> Iterator[World]:
    """A world without connections, before and after; a test that leaves an environment in it fails."""
    yield session_world
    session_world.disconnect_all()
    assert _environments(session_world.sshd.home) == ["empty", *VERSIONS]


def _environments(remote: Path) -> list[str]:
    """List what a test can have put on the remote that others would find there."""
    private = remote / ".local" / "share" / "runicorn-jupyter"
    added = sorted(path.name for path in (remote / ".virtualenvs").iterdir())
    return added + [str(private)] * private.exists()
