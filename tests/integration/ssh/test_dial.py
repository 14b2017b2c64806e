"""Connecting: what goes wrong has its code and leaves nothing; jump hosts and ProxyCommand lead on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    ConnectionTimeout,
    HostKeyChanged,
    HostKeyUnknown,
    RemoteError,
    SshUnavailable,
)
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.connection import Connection
from tests.integration.ssh.test_stream import MIB, download, upload
from tests.world.connections import Census, Connect, await_census, target_of
from tests.world.proxy_command import write_proxy_command
from tests.world.relay import Relay
from tests.world.sshd import Sshd, make_key


@contextlib.contextmanager
def peer(say: bytes, *, close: bool = False) -> Iterator[int]:
    """Listen, say something to whoever connects, then wait for its end or close; gives the port."""

    def serve(conn: socket.socket) -> None:
        with conn, contextlib.suppress(OSError):
            conn.sendall(say)
            while not close and conn.recv(65536):
                pass

    def accept(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = server.accept()
                threading.Thread(target=serve, args=(conn,), name="relay", daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, args=(server,), name="relay", daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


async def fails(
    connect: Connect, server: Sshd, expected: type[RemoteError], **changes: object
) -> RemoteError:
    """Connect in vain, twice, and see that the second time leaves no more behind than the first."""
    with pytest.raises(expected):
        await connect(server, **changes)
    before = Census.take()
    with pytest.raises(expected) as caught:
        await connect(server, **changes)
    await asyncio.to_thread(await_census, before)
    return caught.value


async def test_a_closed_port(sshd: Sshd, connect: Connect) -> None:
    error = await fails(connect, sshd, SshUnavailable, port=1)
    assert "refused the connection" in error.message


async def test_a_name_that_does_not_exist(sshd: Sshd, connect: Connect) -> None:
    error = await fails(connect, sshd, SshUnavailable, hostname="no-such-host.invalid")
    assert "could not be resolved" in error.message


async def test_a_name_that_is_none(sshd: Sshd, connect: Connect) -> None:
    await fails(connect, sshd, SshUnavailable, hostname="a" * 64 + ".example")


@pytest.mark.parametrize(
    ("say", "close"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" * 60, True),
        (b"220 mail ready\r\n", True),
        (b"\xff\xfe\n" * 200, False),
        (b"x" * 100000, False),
        (b"SSH-1.5-old\r\n", False),
        (b"SSH-2.0-huge\r\n\x7f\xff\xff\xff" + bytes(65536), False),
    ],
)
async def test_not_an_ssh_server(sshd: Sshd, connect: Connect, say: bytes, close: bool) -> None:
    with peer(say, close=close) as port:
        error = await fails(connect, sshd, SshUnavailable, port=port)
    assert "SSH" in error.message


async def test_a_server_that_closes_at_once(sshd: Sshd, connect: Connect) -> None:
    with peer(b"", close=True) as port:
        error = await fails(connect, sshd, SshUnavailable, port=port)
    assert "closed the connection" in error.message


async def test_too_many_new_connections(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd(MaxStartups="1:100:1")
    with socket.create_connection((server.host, server.port)) as first:
        assert first.recv(4) == b"SSH-"
        error = await fails(connect, server, SshUnavailable)
    assert "too many new connections" in error.message


@pytest.mark.parametrize("say", [b"", b"SSH-2.0-silent\r\n"])
async def test_a_server_that_says_no_more(sshd: Sshd, connect: Connect, say: bytes) -> None:
    with peer(say) as port:
        error = await fails(connect, sshd, ConnectionTimeout, port=port, timeout=0.3)
    assert "0.3 seconds" in error.message


async def test_a_black_hole(sshd: Sshd, connect: Connect) -> None:
    with socket.socket() as full:  # its queue of connections is full: the kernel drops what comes
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
            await fails(connect, sshd, ConnectionTimeout, port=full.getsockname()[1], timeout=0.3)
            await fails(connect, sshd, ConnectionTimeout, port=full.getsockname()[1], connect_timeout=0.3)
        finally:
            for sock in waiting:
                sock.close()


async def test_a_stop_in_every_phase_leaves_nothing(
    sshd: Sshd, connect: Connect, make_relay: Callable[..., Relay]
) -> None:
    relay = make_relay(sshd.host, sshd.port, delay_ms=20)
    with pytest.raises(ConnectionTimeout):
        await connect(sshd, via=relay, timeout=0.01)
    before = Census.take()
    for hundredths in range(2, 30, 3):
        with contextlib.suppress(ConnectionTimeout):
            connection = await connect(sshd, via=relay, timeout=hundredths / 100)
            await connection.close()
    await asyncio.to_thread(await_census, before)


async def test_cancelling(sshd: Sshd, connect: Connect) -> None:
    with peer(b"SSH-2.0-silent\r\n") as port:
        await fails(connect, sshd, ConnectionTimeout, port=port, timeout=0.1)
        before = Census.take()
        task = asyncio.create_task(connect(sshd, port=port))
        async with asyncio.timeout(60):
            while Census.take() == before:  # until it has begun: a descriptor, a thread
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.to_thread(await_census, before)


async def test_an_unknown_host_key(sshd: Sshd, connect: Connect) -> None:
    error = await fails(connect, sshd, HostKeyUnknown, user_known_hosts=())
    assert error.details["host_key"]["public_key"] == sshd.host_key


async def test_a_changed_host_key_stops_before_any_authentication(
    make_sshd: Callable[..., Sshd], connect: Connect, tmp_path: Path
) -> None:
    server = make_sshd(LogLevel="DEBUG1")
    make_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text()
    (tmp_path / "known").write_text(f"server-{server.id} {other}")
    await fails(connect, server, HostKeyChanged, user_known_hosts=(tmp_path / "known",))
    assert "userauth-request" not in server.log


async def test_a_refused_key(sshd: Sshd, tmp_path: Path) -> None:
    credentials = Credentials("key", make_key(tmp_path / "wrong"))
    before = Census.take()
    with pytest.raises(AuthenticationFailed) as caught:
        await Connection.open(target_of(sshd), credentials, timeout=10, connection_id="conn_0")
    assert caught.value.details["allowed_methods"]
    await asyncio.to_thread(await_census, before)


async def test_every_address_of_a_name_gets_its_chance(
    sshd: Sshd, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: object) -> list[object]:
        assert host == "two.example"
        return [*real("127.0.0.9", port, *rest), *real("127.0.0.1", port, *rest)]  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    connection = await connect(sshd, hostname="two.example")
    await connection.ping()


async def test_ipv6(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = make_sshd(address="::1")
    await (await connect(server)).ping()


@pytest.fixture
def chain(make_sshd: Callable[..., Sshd]) -> list[Sshd]:
    """Three servers, each with keys of its own."""
    return [make_sshd() for _ in range(3)]


async def test_two_jump_hosts(chain: list[Sshd], connect: Connect, peer_port: int) -> None:
    first, second, last = chain
    jumps = (target_of(first, asked="first"), target_of(second, asked="second"))
    steps: list[str] = []
    connection = await connect(last, proxy_jump=jumps, on_step=steps.append)
    assert (await connection.run("echo $RUNICORN_TEST_SSHD")).stdout.decode().strip() == last.id
    async with asyncio.TaskGroup() as group:
        for move in (download, upload, download, upload):
            group.create_task(move(connection, peer_port, 8 * MIB + 1))
    assert [step for step in steps if step.startswith("jump")] == ["jump host first", "jump host second"]
    assert "publickey" in first.log
    assert "publickey" in second.log


async def test_jump_hosts_end_with_the_connection(chain: list[Sshd], connect: Connect) -> None:
    first, second, last = chain
    jumps = (target_of(first), target_of(second))
    await (await connect(last, proxy_jump=jumps)).close()
    before = Census.take()
    await (await connect(last, proxy_jump=jumps)).close()
    await asyncio.to_thread(await_census, before)
    with pytest.raises(HostKeyUnknown):
        await connect(last, proxy_jump=jumps, user_known_hosts=())
    with pytest.raises(HostKeyUnknown):
        await connect(last, proxy_jump=(jumps[0], target_of(second, user_known_hosts=())))
    await asyncio.to_thread(await_census, before)


async def test_a_jump_host_that_cannot_go_on(chain: list[Sshd], connect: Connect) -> None:
    first, _, last = chain
    error = await fails(connect, last, SshUnavailable, proxy_jump=(target_of(first),), port=1)
    assert "jump host cannot reach" in error.message
    first.restart(AllowTcpForwarding="no")
    error = await fails(connect, last, SshUnavailable, proxy_jump=(target_of(first),))
    assert "does not allow forwarding" in error.message


async def test_a_jump_host_gets_no_password_of_the_destination(
    chain: list[Sshd], make_sshd: Callable[..., Sshd]
) -> None:
    first, _, _ = chain
    last = make_sshd(password="only for the last")
    jump = target_of(first, identity_files=())
    credentials = Credentials("password", password=_secret("only for the last"))
    with pytest.raises(AuthenticationFailed):
        await Connection.open(
            target_of(last, proxy_jump=(jump,)), credentials, timeout=10, connection_id="conn_0"
        )
    assert "Failed password" not in first.log
    connection = await Connection.open(
        target_of(last, proxy_jump=(target_of(first),)), credentials, timeout=10, connection_id="conn_0"
    )
    await connection.close()


def _secret(text: str) -> object:
    from pydantic import SecretStr

    return SecretStr(text)


async def test_proxy_command(sshd: Sshd, connect: Connect, peer_port: int, tmp_path: Path) -> None:
    relay = write_proxy_command(tmp_path / "relay.py")
    command = f"python3 {relay} {sshd.host} {sshd.port}"
    await (await connect(sshd, proxy_command=command, hostname="nowhere.invalid")).close()
    before = Census.take()
    connection = await connect(sshd, proxy_command=command, hostname="nowhere.invalid")
    await asyncio.gather(download(connection, peer_port, 8 * MIB), upload(connection, peer_port, 8 * MIB))
    assert connection.way[0][1] == command
    await connection.close()
    await asyncio.to_thread(await_census, before)


async def test_a_proxy_command_that_fails_says_why(sshd: Sshd, connect: Connect) -> None:
    error = await fails(connect, sshd, SshUnavailable, proxy_command="sh -c 'echo gate closed >&2; exit 1'")
    assert "gate closed" in error.message
    await fails(connect, sshd, ConnectionTimeout, proxy_command="sleep 60", timeout=0.3)
