"""How many unanswered questions mean a dead connection: ours, or what the ssh config of the host says."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.ssh.config import resolver
from runicorn_jupyter.ssh.keepalive import UNANSWERED, Keepalive
from runicorn_jupyter.ssh.transport import tcp
from runicorn_jupyter.ssh.watchdog import watch


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", Keepalive(15, UNANSWERED)),
        ("ServerAliveInterval 5", Keepalive(5, 3)),  # OpenSSH's default count
        ("ServerAliveInterval 5\nServerAliveCountMax 1", Keepalive(5, 1)),
        ("ServerAliveInterval 60\nServerAliveCountMax 10", Keepalive(15, 10)),
        ("ServerAliveInterval 5\nServerAliveCountMax 0", Keepalive(5, 1)),
        ("ServerAliveCountMax 10", Keepalive(15, UNANSWERED)),  # as in ssh, nothing is asked then
    ],
)
def test_the_ssh_config_of_the_host_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, expected: Keepalive
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir(mode=0o700)
    path = tmp_path / ".ssh" / "config"
    path.write_text(
        "Host gpu1\n  HostName 127.0.0.1\n" + "".join(f"  {line}\n" for line in config.split("\n"))
    )
    path.chmod(0o600)
    assert Keepalive.of(resolver.resolve("gpu1"), 15) == expected


class Silent:
    """A link whose other side says nothing."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.progress_at = time.monotonic()
        self.probes = 0

    def probe(self) -> None:
        self.probes += 1

    def close(self) -> None:
        self.ended.set_result(None)


@pytest.mark.parametrize("unanswered", [1, 2, 3, 10])
async def test_a_silent_server_is_asked_as_often_as_that_and_no_more(unanswered: int) -> None:
    silent: Any = Silent()
    assert await watch(silent, Keepalive(0.03, unanswered)) == "dead"
    assert silent.probes == unanswered


async def test_a_sign_of_life_begins_the_count_anew() -> None:
    silent: Any = Silent()
    probe, answered = silent.probe, 5

    def answer() -> None:
        nonlocal answered
        probe()
        if answered:
            answered -= 1
            silent.progress_at = time.monotonic()

    silent.probe = answer
    assert await watch(silent, Keepalive(0.03, 2)) == "dead"
    assert silent.probes == 5 + 2


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such option")
@pytest.mark.parametrize(("keepalive", "seconds"), [(Keepalive(15), 30), (Keepalive(15, 10), 90)])
def test_the_system_gives_up_later_than_we_do(keepalive: Keepalive, seconds: int) -> None:
    with socket.socket() as sock:
        tcp.tune(sock, keepalive)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == seconds * 1000
        assert seconds > keepalive.silence_seconds
