"""The administrator's quotas, in a server that several people use, each by a name of their own."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.httpclient import HTTPResponse
from traitlets.config import Config

from tests.world.inprocess import Inside
from tests.world.sshd import Sshd

pytestmark = pytest.mark.usefixtures("no_metrics")


class People(IdentityProvider):
    """Lets in who sends the server's token, under the name that they send."""

    async def get_user(self, handler: JupyterHandler) -> User | None:  # type: ignore[override]
        """Return the person; None without the token."""
        known = await super().get_user(handler)  # type: ignore[misc]
        return known and User(handler.request.headers.get("X-Person", "nobody"))


@pytest.fixture
def jp_server_config(jp_server_config: Config) -> Config:
    """Two connections in all, one of each person."""
    jp_server_config.ServerApp.identity_provider_class = People
    jp_server_config.RunicornJupyter.max_connections = 2
    jp_server_config.RunicornJupyter.max_connections_per_user = 1
    jp_server_config.RunicornJupyter.viewer_mb_per_second = 2
    jp_server_config.RunicornJupyter.host_key_policy = "accept-new"
    return jp_server_config


async def connect(inside: Inside, sshd: Sshd, person: str) -> HTTPResponse:
    body = {
        "host": sshd.host,
        "port": sshd.port,
        "username": sshd.user,
        "auth_method": "key",
        "private_key_path": str(sshd.key_path),
    }
    return await inside.ask("POST", "api/remote/connect", headers={"X-Person": person}, json=body)


def failed(answer: HTTPResponse) -> tuple[int, str, dict[str, Any]]:
    body = json.loads(answer.body)
    return answer.code, body["error"], body.get("details", {})


async def test_each_person_has_a_quota_and_the_server_has(inside: Inside, sshd: Sshd) -> None:
    first = await connect(inside, sshd, "ada")
    assert first.code == 200, first.body
    assert failed(await connect(inside, sshd, "ada")) == (
        429,
        "too_many_connections",
        {"quota": "max_connections_per_user", "limit": 1},
    )
    assert (await connect(inside, sshd, "bob")).code == 200
    assert failed(await connect(inside, sshd, "eve")) == (
        429,
        "too_many_connections",
        {"quota": "max_connections", "limit": 2},
    )
    connection_id = json.loads(first.body)["connection_id"]
    await inside.ask("DELETE", f"api/remote/connections/{connection_id}")
    assert (await connect(inside, sshd, "eve")).code == 200
    shown = (await inside.ask("GET", "metrics")).body.decode()
    assert 'runicorn_quota{of="connections_per_user"} 1.0' in shown
    assert 'runicorn_quota{of="viewer_bytes_per_second"} 2.097152e+06' in shown
    assert 'runicorn_failures_total{code="too_many_connections"} 2.0' in shown


class TestLogins:
    """With one login a minute."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        """So few that no machine is too slow for a second one."""
        jp_server_config.RunicornJupyter.max_logins_per_minute = 1
        return jp_server_config

    async def test_one_that_fails_counts_whosever_it_is(self, inside: Inside) -> None:
        """A login node sees one address."""
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = held.getsockname()[1]
        nothing = {"host": "127.0.0.1", "port": port, "username": "ada", "auth_method": "agent"}
        answers = [
            failed(await inside.ask("POST", "api/remote/connect", headers={"X-Person": person}, json=nothing))
            for person in ("ada", "bob")
        ]
        assert [answer[:2] for answer in answers] == [(503, "ssh_unavailable"), (429, "quota_reached")]
        details = answers[-1][2]
        assert (details["quota"], details["limit"]) == ("max_logins_per_minute", 1)
        assert 0 < details["retry_after_seconds"] <= 60
