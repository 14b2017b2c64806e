"""What may go wrong with the line and with sshd: a function a fault.

Each takes the world and a connection with a well viewer, does the fault, and undoes what is undone in life.
What must hold afterwards is in the table (``test_viewer.py``); what must hold meanwhile is looked at here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.faults.world import Held, World, until
from tests.world.sshd import Option

Fault = Callable[[World, Held], None]

BROKEN_OFF = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""How a client sees an answer that ended too soon; it cannot be taken for a whole one."""


@contextlib.contextmanager
def reconnects(held: Held) -> Iterator[None]:
    """Do something that costs the connection, and wait until it is back."""
    before = held.entry()["reconnects"]
    yield
    until("it is connected anew", lambda: held.entry()["reconnects"] > before)


def cut_of_5_seconds(world: World, held: Held) -> None:
    before = held.entry()["reconnects"]
    world.network.drop()
    time.sleep(world.times.scaled(5))
    world.network.mend()
    world.content_is_whole(held)
    assert held.entry()["reconnects"] == before


def cut_of_a_minute(world: World, held: Held) -> None:
    before = held.entry()["reconnects"]
    world.network.drop()
    with world.measure("noticed"):
        held.noticed()
    page = held.ask(headers={"Accept": "text/html"})
    assert (page.status_code, "Reconnecting" in page.text) == (503, True)
    time.sleep(world.times.scaled(60 - 20))
    world.network.mend()
    with world.measure("usable again"):
        until("it is well", lambda: held.entry()["reconnects"] > before and held.is_well())


def cut_longer_than_the_lease(world: World, held: Held) -> None:
    world.network.drop()
    held.noticed()
    world.await_nothing_left()
    world.network.mend()


def address_changes(world: World, held: Held) -> None:
    with reconnects(held):
        world.network.change_address()


def resets_under_load(world: World, held: Held) -> None:
    digest = hashlib.sha256(world.asset.read_bytes()).digest()
    over = threading.Event()
    whole: list[int] = []  # one for each answer that came whole

    def load() -> None:
        while not over.is_set():
            try:
                answer = held.ask(f"assets/{world.asset.name}")
            except BROKEN_OFF:
                continue
            assert answer.status_code in (200, 502, 503), answer.text
            if answer.status_code == 200:
                assert hashlib.sha256(answer.content).digest() == digest
                whole.append(1)

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        try:
            for _ in range(3):
                before = len(whole)
                until("answers come whole", lambda: len(whole) > before)  # noqa: B023 - called at once
                with reconnects(held):
                    world.network.reject()
                    held.noticed()
                    world.network.mend()
        finally:
            over.set()
        for each in loads:
            each.result()


def slow_line(world: World, held: Held) -> None:
    """300 ms there and back, 1 Mbit/s: the same viewer is reached over it, and what comes is whole."""
    relay = world.relay(delay_ms=150, rate_mbit=1)
    world.client_home.host(
        "slow", world.sshd, HostName=relay.host, Port=relay.port, HostKeyAlias=world.host_key_alias
    )
    slow = world.start(held.jupyter, world.connect(held.jupyter, "slow"))
    assert slow.pid == held.pid
    small = min(
        (file for file in world.asset.parent.glob("*.js") if file.stat().st_size > 65536),
        key=lambda file: file.stat().st_size,
    )
    assert slow.ask().status_code == 200
    answer = slow.ask(f"assets/{small.name}")
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(small.read_bytes()).digest()
    assert slow.entry()["reconnects"] == 0
    slow.disconnect()


def names_gone(world: World, held: Held) -> None:
    with reconnects(held):
        world.names_known(False)
        world.sshd.drop_sessions()
        held.noticed()
        time.sleep(world.times.scaled(30))  # attempts that cannot find the host
        assert held.entry()["status"] == "reconnecting"
        world.names_known(True)


# -- the SSH server ---------------------------------------------------------------------------------


def session_killed(world: World, held: Held) -> None:
    with reconnects(held):
        world.sshd.drop_sessions()


def listener_down(world: World, held: Held) -> None:
    with reconnects(held):
        world.sshd.stop()
        held.noticed()
        world.sshd.start()


def server_stopped(world: World, held: Held) -> None:
    with reconnects(held):
        world.sshd.pause()
        held.noticed()
        world.sshd.resume()


def comes_back_with(**options: Option) -> Fault:
    """Make the fault of an sshd that allows less when it is back."""

    def fault(world: World, held: Held) -> None:
        with reconnects(held):
            world.sshd.restart(**options)
        until("the viewer is reached again", held.is_well)
        world.content_is_whole(held)

    fault.__name__ = "comes_back_with_" + "_".join(f"{name}={value}" for name, value in options.items())
    return fault


def forced_command(world: World, held: Held) -> None:
    """Nothing can be run any more: the viewer is reached all the same, and what cannot be done is said."""
    comes_back_with(ForceCommand="echo This account only forwards")(world, held)
    other = world.connect(held.jupyter)
    answer = held.jupyter.post("viewer/start", connection_id=other, env_name="train")
    assert answer.json()["error"] in ("ssh_unavailable", "environment_not_found")
    assert held.jupyter.delete(f"connections/{other}").status_code == 200
    world.sshd.options = {}
    with reconnects(held):
        world.sshd.restart()


def few_at_a_time(world: World, held: Held) -> None:
    """Ten connections come back to a server that lets one in at a time, and drops the others."""
    others = [world.connect(held.jupyter) for _ in range(9)]
    with reconnects(held):
        world.sshd.restart(MaxStartups="1:100:1")
    for ident in others:
        other = Held(held.jupyter, ident, {})
        until("all are back", lambda entry=other.entry: entry()["status"] == "connected")
        other.disconnect()


def new_host_key(world: World, held: Held) -> None:
    saved = [
        (path, path.read_bytes()) for path in (world.sshd.root / "host_key", world.sshd.root / "host_key.pub")
    ]
    try:
        world.sshd.new_host_key()
        world.sshd.restart()
        until("it gives up", lambda: held.entry()["status"] == "disconnected")
    finally:
        for path, content in saved:
            path.write_bytes(content)
        world.sshd.restart()


def agent_gone(world: World, held: Held) -> None:
    """A connection by a key of the agent's: when the agent has gone, nobody is asked again and again."""
    path = world.folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as agent:
        try:
            until("the agent listens", path.exists)
            environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            subprocess.run(["ssh-add", "-q", world.sshd.key_path], env=environment, check=True)
            world.client_home.host(
                "by-agent",
                HostName=world.sshd.host,
                Port=world.sshd.port,
                User=world.sshd.user,
                HostKeyAlias=world.host_key_alias,
                UserKnownHostsFile=world.client_home.known_hosts,
                IdentityAgent=path,
                IdentityFile="none",
            )
            other = world.start(held.jupyter, world.connect(held.jupyter, "by-agent", auth_method="agent"))
            assert other.pid == held.pid
        finally:
            agent.kill()
    with reconnects(held):
        world.sshd.drop_sessions()
    until("it gives up", lambda: other.entry()["status"] == "disconnected")
    said = held.jupyter.get("ping", connection_id=other.connection_id).json()
    assert said["error"] == "connection_lost"
    assert "has ended" in said["message"]
    other.disconnect()
