"""Jupyter is killed while it sends wheels: nothing runs on, nothing counts, and the next try goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.world.jupyter import JupyterServer
from tests.world.relay import Relay
from tests.world.remote import until
from tests.world.ssh_home import SshHome
from tests.world.sshd import Sshd

ALIAS = "bare"
LONG_AGO = 946684800


def connected(jupyter: JupyterServer) -> str:
    """Connect by the alias, and return the connection's id."""
    answer = jupyter.post("connect", host=ALIAS)
    answer.raise_for_status()
    return str(answer.json()["connection_id"])


async def test_what_a_killed_jupyter_sent_is_not_sent_again(
    tmp_path: Path,
    make_sshd: Callable[..., Sshd],
    make_relay: Callable[..., Relay],
    make_jupyter: Callable[..., JupyterServer],
    wheelhouse: Path,
) -> None:
    server = make_sshd()
    relay = make_relay(server.host, server.port, rate_mbit=40)  # some seconds for all wheels
    home = SshHome(tmp_path / "home")
    home.host(ALIAS, server, Port=relay.port)
    home.trust(server, relay.port)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse), "TMPDIR": str(scratch)}
    place = server.home / ".local" / "share" / "runicorn-jupyter"

    def arrived() -> int:
        return sum(path.stat().st_size for path in (place / "wheels").glob("*"))

    jupyter = make_jupyter(home=home.path, env=env)
    connection_id = connected(jupyter)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(
            jupyter.post, "environments/create", connection_id=connection_id, wheels="local"
        )
        await until(lambda: arrived() > 2_000_000)
        jupyter.kill()
        assert isinstance(asked.exception(), requests.ConnectionError)
    await until(lambda: not server.processes())
    sent = arrived()
    assert not (place / "envs").exists()
    assert not os.path.lexists(place / "runicorn")
    (left,) = scratch.glob("runicorn-wheels-*")
    os.utime(left, (LONG_AGO, LONG_AGO))

    again = make_jupyter(home=home.path, env=env)
    connection_id = connected(again)
    before = relay.passed_bytes
    made = again.request(
        "POST",
        "environments/create",
        json={"connection_id": connection_id, "wheels": "local"},
        timeout=240,
    )
    passed = relay.passed_bytes - before
    assert made.ok, made.text
    assert made.json()["created"]
    everything = sum(path.stat().st_size for path in wheelhouse.glob("*.whl"))
    assert passed < everything - sent * 0.9
    assert not list(scratch.glob("runicorn-wheels-*"))
    assert not (place / "wheels").exists()
