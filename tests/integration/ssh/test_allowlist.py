"""allowed_hosts: what a rule means, and that nothing but what was checked is ever connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.errors import ConnectionTimeout, HostNotAllowed, SshUnavailable
from runicorn_jupyter.ssh.config.allowlist import ANY_HOST, AllowedHosts
from runicorn_jupyter.ssh.connection import Connection, SshSettings
from tests.world.connections import credentials_of, target_of
from tests.world.sshd import Sshd

NAMES = {
    ("gpu1.example", "gpu1.example"): True,
    ("gpu1.example", "GPU1.Example."): True,
    ("gpu1.example", "gpu1.example.evil.test"): False,
    ("gpu1.example", "evil-gpu1.example"): False,
    ("*.cluster.example", "a.cluster.example"): True,
    ("*.cluster.example", "a.b.cluster.example"): True,
    ("*.cluster.example", "cluster.example"): False,
    ("*.cluster.example", ".cluster.example"): False,
    ("*.cluster.example", "evilcluster.example"): False,
    ("gpu-*", "gpu-7"): True,
    ("gpu-*", "gpu-7.evil.test"): False,  # a wildcard that is not the first label stays within its own
    ("gpu-?.example", "gpu-77.example"): False,
    ("gpu??", "gpu1."): False,
    ("0?a*", "0xa000001"): False,  # 10.0.0.1, as the C library reads it
    ("*", "anything.at.all"): True,
    ("*", "192.0.2.1"): True,
    ("10.0.0.0/8", "10.0.0.1"): False,  # an address is no name: see below
}

ADDRESSES = {
    ("10.0.0.0/8", "10.255.0.1"): True,
    ("10.0.0.0/8", "11.0.0.1"): False,
    ("10.*", "10.9.9.9"): True,
    ("10.1.*.*", "10.2.0.1"): False,
    ("192.0.2.7", "192.0.2.7"): True,
    ("192.0.2.7", "192.0.2.8"): False,
    ("10.0.0.0/8", "::ffff:10.0.0.1"): True,
    ("::/0", "::ffff:10.0.0.1"): False,  # it reaches an IPv4 address
    ("fd00::/8", "fd12::1"): True,
    ("fe80::/10", "fe80::1%eth0"): True,
    ("fd00::/8", "fe80::1"): False,
    ("gpu1.example", "192.0.2.7"): False,
    ("10.0.0.0/8", "no address"): False,
}

MISTAKES = [
    "", " ", "10.0.0.1/8", "10.0.0.256", "1.2.3", "0x7f.1", "10.0.*.1", "1?.2.3.4", "*.1", "*.*", "x.*", "*.",
    "*?", "a..b", "a b", "a/8", "!a", "[::1", "[gpu]:22", "[10.0.0.0/8]:22", "[::1]22", "::g", "a:0",
    "a:65536", "a:b", "a:", "a:22:33", "http://a", "user@a", "a\n", "ａ.example",
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name"), NAMES)
def test_names(rule: str, name: str) -> None:
    assert AllowedHosts([rule]).allows_name(name, 22) is NAMES[rule, name]


@pytest.mark.parametrize(("rule", "address"), ADDRESSES)
def test_addresses(rule: str, address: str) -> None:
    assert AllowedHosts([rule]).allows_address(address, 22) is ADDRESSES[rule, address]


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_mistake_is_no_rule(entry: str) -> None:
    if entry == "a\n":
        assert AllowedHosts([entry]).allows_name("a", 1)  # what a shell's $(…) would have cut off
        return
    with pytest.raises(ValueError, match=r"^'.*'"):
        AllowedHosts([entry])


def test_ports() -> None:
    rules = AllowedHosts(["gpu1:2222", "10.0.0.0/8:22", "[fd00::/8]:22", "*.any.port"])
    assert rules.allows_name("gpu1", 2222)
    assert not rules.allows_name("gpu1", 22)
    assert rules.allows_address("10.0.0.1", 22)
    assert not rules.allows_address("10.0.0.1", 23)
    assert rules.allows_address("fd00::1", 22)
    assert not rules.allows_address("fd00::1", 2222)
    assert rules.allows_name("a.any.port", 65535)


def test_without_rules_everything_is_allowed() -> None:
    assert not ANY_HOST
    assert ANY_HOST.allows_name("anywhere", 1)
    assert ANY_HOST.allows_address("192.0.2.1", 1)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_networks_are_what_ipaddress_says(base: int, length: int, address: int) -> None:
    network = ipaddress.ip_network((base, length), strict=False)
    given_address = ipaddress.ip_address(address)
    assert AllowedHosts([str(network)]).allows_address(str(given_address), 22) is (given_address in network)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_rule_or_a_mistake(entry: str, name: str) -> None:
    try:
        rules = AllowedHosts([entry])
    except ValueError:
        return
    assert rules.allows_name(name, 22) in (True, False)
    assert rules.allows_address(name, 22) in (True, False)


# -- with real connections


@asynccontextmanager
async def opened(server: Sshd, *rules: str, **changes: Any) -> AsyncIterator[Connection]:
    connection = await Connection.open(
        target_of(server, **changes),
        credentials_of(server),
        timeout=60,
        settings=SshSettings(allowed_hosts=AllowedHosts(rules), keepalive_seconds=1.5),
        connection_id="conn_00000000",
    )
    try:
        yield connection
    finally:
        await connection.close()


async def refused(server: Sshd, *rules: str, **changes: Any) -> str:
    with pytest.raises(HostNotAllowed) as caught:
        async with opened(server, *rules, **changes):
            pass
    return caught.value.message


@pytest.mark.parametrize("rule", ["127.0.0.1", "127.0.0.0/8", "*", "10.0.0.0/8|127.*"])
async def test_an_allowed_address(sshd: Sshd, rule: str) -> None:
    async with opened(sshd, *rule.split("|")) as connection:
        assert (await connection.run("true")).exit_status == 0


async def test_a_name_is_allowed_by_what_it_resolves_to(sshd: Sshd) -> None:
    async with opened(sshd, f"127.0.0.0/8:{sshd.port}", hostname="localhost"):
        pass
    assert "localhost" in await refused(sshd, "192.0.2.0/24", hostname="localhost")
    assert "localhost" in await refused(sshd, "127.0.0.0/8:1", hostname="localhost")


async def test_a_refused_host_sees_no_connection(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd()
    await refused(server, "*.cluster.example")
    await refused(server, "10.0.0.0/8")
    await refused(server, "localhost")  # the name, not the address behind it
    assert "Connection from" not in server.log


async def test_a_refused_destination_spares_the_jump_host(make_sshd: Callable[..., Sshd]) -> None:
    jump, last = make_sshd(), make_sshd(address="127.0.0.2")
    way = (target_of(jump),)
    await refused(last, "127.0.0.1", proxy_jump=way)
    await refused(last, "127.0.0.2", proxy_jump=way)  # the jump host itself is not allowed
    assert "Connection from" not in jump.log + last.log
    async with opened(last, "127.0.0.1", "127.0.0.2", proxy_jump=way):
        assert "Accepted publickey" in jump.log


async def test_behind_a_jump_host_the_checked_address_is_what_is_asked_for(
    make_sshd: Callable[..., Sshd],
) -> None:
    last = make_sshd()
    # This jump host opens the address, and would refuse the name.
    jump = make_sshd(PermitOpen=f"127.0.0.1:{last.port}")
    way = (target_of(jump),)
    async with opened(last, "127.0.0.0/8", hostname="localhost", proxy_jump=way):
        pass
    with pytest.raises(SshUnavailable):
        async with opened(last, "localhost", "127.0.0.1", hostname="localhost", proxy_jump=way):
            pass


async def test_a_name_that_moves_between_the_check_and_the_connection(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: only a name server that lies on purpose could show it, so here it is a fake one."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lie(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return real("127.0.0.9" if len(asked) == 1 else "127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lie)
    with pytest.raises(SshUnavailable, match="refused the connection"):  # nothing listens at 127.0.0.9
        async with opened(sshd, "127.0.0.9", hostname="rebinding.example"):
            pass
    assert len(asked) == 1
    await refused(sshd, "127.0.0.9", hostname="rebinding.example")


async def test_a_name_that_moved_is_refused_when_reconnecting(
    make_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_sshd()
    real = socket.getaddrinfo
    where = ["127.0.0.1"]

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return real(where[0] if host == "moving.example" else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with opened(server, "127.0.0.1", hostname="moving.example") as connection:
        where[0] = "127.0.0.9"
        ended = asyncio.Event()
        connection.subscribe(lambda now: ended.set() if now.status == "disconnected" else None)
        server.drop_sessions()
        await ended.wait()
        assert isinstance(connection.last_error, HostNotAllowed)


async def test_a_proxy_command_cannot_be_checked(make_sshd: Callable[..., Sshd], tmp_path: Any) -> None:
    server = make_sshd()
    ran = tmp_path / "ran"
    message = await refused(server, "*", proxy_command=f"touch {ran}")
    assert "ProxyCommand" in message
    assert not ran.exists()


async def test_the_check_counts_as_connecting(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def stuck(*_: Any, **__: Any) -> Any:
        over.wait(30)
        raise OSError("the name server is away")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    try:
        with pytest.raises(ConnectionTimeout):
            await Connection.open(
                target_of(sshd, hostname="slow.example"),
                credentials_of(sshd),
                timeout=0.2,
                settings=SshSettings(allowed_hosts=AllowedHosts(["127.0.0.1"])),
                connection_id="conn_00000000",
            )
    finally:
        over.set()
