"""Jupyter's own ``/metrics``, with what this extension adds to it."""

from __future__ import annotations

import json
import re

import pytest
from traitlets.config import Config

from tests.world.inprocess import Inside
from tests.world.sshd import Sshd

pytestmark = pytest.mark.usefixtures("no_metrics")


async def read(inside: Inside) -> dict[str, float]:
    """Read the samples of ours by name and labels."""
    answer = await inside.ask("GET", "metrics")
    assert answer.code == 200
    lines = re.findall(r"^(runicorn_\S+) (\S+)$", answer.body.decode(), re.MULTILINE)
    return {name: float(value) for name, value in lines}


async def connect(inside: Inside, sshd: Sshd) -> str:
    where = {"host": sshd.host, "port": sshd.port, "username": sshd.user}
    key = {"auth_method": "key", "private_key_path": str(sshd.key_path)}
    answer = await inside.post("connect", **where, **key)
    body = json.loads(answer.body)
    if body.get("error") == "host_key_unknown":
        offered = body["details"]["host_key"]
        accepted = {name: offered[name] for name in ("host", "port", "public_key")}
        assert (await inside.post("known-hosts", **accepted)).code == 200
        return await connect(inside, sshd)
    assert answer.code == 200, answer.body
    return str(body["connection_id"])


async def test_a_life_is_counted_without_a_hosts_name(inside: Inside, sshd: Sshd) -> None:
    assert await read(inside) == {}
    connection_id = await connect(inside, sshd)
    found = await read(inside)
    assert found['runicorn_connections{status="connected"}'] == 1
    assert found['runicorn_failures_total{code="host_key_unknown"}'] == 1
    assert found["runicorn_connect_seconds_count"] == 1
    assert found["runicorn_received_bytes_total"] > 1000
    assert found["runicorn_sent_bytes_total"] > 1000
    assert not [name for name in found if "host=" in name or sshd.host in name]
    await inside.ask("DELETE", f"api/remote/connections/{connection_id}")
    after = await read(inside)
    assert after['runicorn_connections{status="connected"}'] == 0
    assert after["runicorn_received_bytes_total"] >= found["runicorn_received_bytes_total"]


class TestByHost:
    """With the administrator's setting."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        jp_server_config.RunicornJupyter.metrics_by_host = True
        return jp_server_config

    async def test_names_are_told(self, inside: Inside, sshd: Sshd) -> None:
        await connect(inside, sshd)
        found = await read(inside)
        assert found[f'runicorn_connections{{host="{sshd.host}",status="connected"}}'] == 1
        assert found[f'runicorn_received_bytes_total{{host="{sshd.host}"}}'] > 1000
