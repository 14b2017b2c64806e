"""A connection runs commands and opens tunnels on hosts as they are."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import paramiko
import pytest

from runicorn_jupyter.errors import ConnectionLost, ConnectionTimeout, InternalError, SshUnavailable
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.hostkeys import verifier
from runicorn_jupyter.ssh.relay import client
from runicorn_jupyter.streams import END
from tests.integration.ssh.test_stream import MIB, download, open_stream, read_all, upload
from tests.world.connections import Census, Connect, await_census
from tests.world.sshd import Sshd


async def test_a_command_with_input_output_errors_and_status(sshd: Sshd, connect: Connect) -> None:
    connection = await connect(sshd)
    done = await connection.run("cat; echo wrong >&2; exit 7", stdin=b"\x00\xff" * 3)
    assert (done.exit_status, done.stdout, done.stderr) == (7, b"\x00\xff" * 3, b"wrong\n")


async def test_a_command_that_a_signal_ends(sshd: Sshd, connect: Connect) -> None:
    done = await (await connect(sshd)).run("kill -9 $$")
    assert (done.exit_status, done.exit_signal) == (None, "KILL")


async def test_a_command_that_does_not_read_its_input(sshd: Sshd, connect: Connect) -> None:
    done = await (await connect(sshd)).run("exec true", stdin=b"x" * 4 * MIB)
    assert done.exit_status == 0


async def test_much_input_and_output_at_once(sshd: Sshd, connect: Connect) -> None:
    data = secrets.token_bytes(3 * MIB)
    done = await (await connect(sshd)).run("cat", stdin=data)
    assert done.stdout == data


async def test_too_much_output_is_cut_off(sshd: Sshd, connect: Connect) -> None:
    connection = await connect(sshd)
    with pytest.raises(InternalError, match="more than 100000 bytes"):
        await connection.run("yes", max_output=100000)
    assert (await connection.run("echo still")).stdout == b"still\n"


async def test_a_command_that_takes_too_long_is_given_up(sshd: Sshd, connect: Connect) -> None:
    connection = await connect(sshd)
    with pytest.raises(ConnectionTimeout, match=r"0\.2 seconds"):
        await connection.run("sleep 60", timeout=0.2)
    await connection.ping()
    assert (await connection.run("echo still")).stdout == b"still\n"


async def test_more_commands_than_sessions_take_turns(
    make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    connection = await connect(make_sshd(MaxSessions=1))
    done = await asyncio.gather(*(connection.run(f"echo {n}") for n in range(5)))
    assert sorted(one.stdout for one in done) == [b"%d\n" % n for n in range(5)]


async def test_max_sessions_1_and_tunnels_beside(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    connection = await connect(make_sshd(MaxSessions=1))
    await asyncio.gather(
        connection.run("sleep 0.2"), *(download(connection, peer_port, MIB) for _ in range(5))
    )


async def test_a_forced_command_has_the_word(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    connection = await connect(make_sshd(ForceCommand="echo only this"))
    assert (await connection.run("rm -rf never")).stdout == b"only this\n"


async def test_no_sessions_at_all(make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int) -> None:
    connection = await connect(make_sshd(MaxSessions=0))
    with pytest.raises(SshUnavailable, match="does not open a session"):
        await connection.run("true")
    await download(connection, peer_port, MIB)


async def test_nothing_listens_at_the_end_of_a_tunnel(sshd: Sshd, connect: Connect) -> None:
    with pytest.raises(ConnectionRefusedError):
        await (await connect(sshd)).open_tunnel("127.0.0.1", 1)


@pytest.mark.parametrize("options", [{"AllowTcpForwarding": "no"}, {"PermitOpen": "none"}])
async def test_a_relay_where_forwarding_is_refused(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int, options: dict[str, str]
) -> None:
    server = make_sshd(**options)
    connection = await connect(server)
    async with asyncio.TaskGroup() as group:
        for move in (download, upload, download, upload):
            group.create_task(move(connection, peer_port, 4 * MIB + 3))
    with pytest.raises(ConnectionRefusedError):
        await connection.open_tunnel("127.0.0.1", 1)


async def test_relay_with_one_session_and_a_noisy_shell(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    server = make_sshd(AllowTcpForwarding="no", MaxSessions=1)
    if not server.relocated:
        pytest.skip("a private home needs root and mount namespaces")
    (server.home / ".bashrc").write_text("echo noise; echo more >&2; printf 'no newline'\n")
    connection = await connect(server)
    assert b"noise" in (await connection.run("true")).stdout
    for _ in range(2):
        await download(connection, peer_port, MIB)


async def test_one_session_and_no_forwarding_carry_everything_at_once(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    connection = await connect(make_sshd(AllowTcpForwarding="no", MaxSessions=1))
    stalled = await open_stream(connection, peer_port, "endless")  # and nobody reads
    full = await open_stream(connection, peer_port, "hold")
    filling = asyncio.create_task(full.write(bytes(8 * MIB)))
    async with asyncio.TaskGroup() as group:
        for move in (download, upload, download, upload):
            group.create_task(move(connection, peer_port, 3 * MIB + 3))
        for number in range(3):
            group.create_task(run_beside(connection, number))
    assert not filling.done()
    filling.cancel()
    with pytest.raises(ConnectionRefusedError):
        await connection.open_tunnel("127.0.0.1", 1)
    done = await connection.run("echo no >&2; kill -KILL $$")
    assert (done.exit_status, done.exit_signal, done.stderr) == (None, "KILL", b"no\n")
    with pytest.raises(ConnectionTimeout):
        await connection.run("sleep 600", timeout=0.5)
    echo = await open_stream(connection, peer_port, "echo")
    await echo.write(b"to the end")
    echo.write_eof()
    assert await read_all(echo) == b"to the end"
    past_the_loop = await open_stream(connection, peer_port, f"send {MIB}")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        reading = asyncio.create_task(asyncio.to_thread(theirs.recv, MIB + 32, socket.MSG_WAITALL))
        await past_the_loop.send_to(ours, MIB + 32, 30)
        assert hashlib.sha256((got := await reading)[:MIB]).digest() == got[MIB:]
    for stream in (stalled, full, echo, past_the_loop):
        stream.close()


async def run_beside(connection: Connection, number: int) -> None:
    """Run a command with input, output, errors and a status."""
    done = await connection.run(f"cat; echo e{number} >&2; exit {number}", stdin=b"i" * 200_000)
    assert (done.exit_status, done.stdout, done.stderr) == (number, b"i" * 200_000, b"e%d\n" % number)


async def test_a_relay_that_dies_takes_its_streams_along_and_another_follows(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    server = make_sshd(AllowTcpForwarding="no", MaxSessions=1)
    connection = await connect(server)
    stream = await open_stream(connection, peer_port, "hold")
    for pid in server.processes():
        if b"sys.stdin.buffer.readline" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    assert await stream.read() is END
    with pytest.raises(BrokenPipeError):
        await stream.write(b"x")
    stream.close()
    await download(connection, peer_port, MIB)


@pytest.mark.parametrize("frame", [r"\0\0\0\1\1\377\377\377\377", r"\0\0\0\1\6\0\0\0\2[]"])
async def test_what_no_relay_says_ends_it(
    make_sshd: Callable[..., Sshd], connect: Connect, tmp_path: Path, frame: str
) -> None:
    liar = tmp_path / "python3"
    liar.write_text(f"#!/bin/sh\nread program\nread mark\necho \"$mark ready\"; printf '{frame}'\nexec cat\n")
    liar.chmod(0o755)
    connection = await connect(make_sshd(AllowTcpForwarding="no"))
    connection.relay_python = str(liar)
    with pytest.raises(SshUnavailable, match="takes the place of forwarding"):
        await connection.open_tunnel("127.0.0.1", 1)
    assert (await connection.run("echo still")).stdout == b"still\n"


async def test_the_relay_ends_with_its_last_stream_and_with_the_connection(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.05)
    server = make_sshd(AllowTcpForwarding="no")
    connection = await connect(server)
    await download(connection, peer_port, MIB)
    assert await asyncio.to_thread(server.left) == []
    first = await open_stream(connection, peer_port, "hold")
    second = await open_stream(connection, peer_port, "hold")
    assert server.processes()
    first.close()
    await connection.close()
    with pytest.raises(ConnectionLost):
        await second.read()
    second.close()
    assert await asyncio.to_thread(server.left) == []


async def test_neither_forwarding_nor_python(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    connection = await connect(make_sshd(AllowTcpForwarding="no"))
    connection.relay_python = "/nowhere/python3"
    with pytest.raises(SshUnavailable, match="AllowTcpForwarding"):
        await connection.open_tunnel("127.0.0.1", peer_port)


async def test_ping_measures_a_round_trip(sshd: Sshd, connect: Connect) -> None:
    connection = await connect(sshd)
    assert 0 < await connection.ping() < 10


async def test_what_it_tells_of_itself(sshd: Sshd, connect: Connect) -> None:
    steps: list[str] = []
    before = datetime.now(UTC)
    connection = await connect(sshd, on_step=steps.append)
    assert connection.status == "connected"
    assert before <= connection.created_at == connection.connected_since
    assert connection.reconnects == 0
    blob = paramiko.Ed25519Key.from_private_key_file(str(sshd.host_key_path)).asbytes()
    assert connection.host_key_fingerprint == verifier.fingerprint(blob)
    assert steps == ["connecting", "authenticating"]


async def test_strong_algorithms_only(sshd: Sshd, connect: Connect) -> None:
    transport = (await connect(sshd))._link.transport
    gcm = "aes128-gcm@openssh.com" in paramiko.Transport._cipher_info
    assert transport.remote_cipher == ("aes128-gcm@openssh.com" if gcm else "aes128-ctr")
    offered = " ".join((*transport.preferred_ciphers, *transport.preferred_macs, *transport.preferred_kex))
    for weak in ("cbc", "3des", "md5", "sha1", "-96"):
        assert weak not in offered
    assert not {"ssh-rsa", "ssh-dss"} & {*transport.preferred_keys, *transport.preferred_pubkeys}


async def test_a_server_with_old_algorithms_only(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd(Ciphers="aes128-cbc,3des-cbc")
    with pytest.raises(SshUnavailable, match="too old"):
        await connect(server)


async def test_close_leaves_nothing_and_says_so(sshd: Sshd, connect: Connect, peer_port: int) -> None:
    await (await connect(sshd)).close()
    before = Census.take()
    connection = await connect(sshd)
    seen: list[str] = []
    connection.subscribe(lambda changed: seen.append(changed.status))
    stream = await open_stream(connection, peer_port, "endless")
    running = asyncio.create_task(connection.run("sleep 60"))
    await connection.ping()
    await connection.close()
    await connection.close()
    assert seen == ["disconnected"]
    with pytest.raises(ConnectionLost):
        await running
    for use in (connection.run("true"), connection.open_tunnel("127.0.0.1", 1), connection.ping()):
        with pytest.raises(ConnectionLost, match="has ended"):
            await use
    assert await connection.wait_connected(1) is False
    stream.close()
    await_census(before)


async def test_a_subscriber_that_fails_harms_nobody(
    sshd: Sshd, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await connect(sshd)
    seen: list[str] = []

    def fail(_connection: object) -> None:
        raise ValueError("in a subscriber")

    unsubscribe = connection.subscribe(lambda changed: seen.append("never"))
    unsubscribe()
    unsubscribe()
    connection.subscribe(fail)
    connection.subscribe(lambda changed: seen.append(changed.status))
    with caplog.at_level(logging.ERROR):
        await connection.close()
    assert seen == ["disconnected"]
    assert "in a subscriber" in caplog.text
