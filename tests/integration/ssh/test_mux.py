"""A master of the user's own ssh carries commands and tunnels, and nothing is asked a second time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.errors import ConnectionLost, ConnectionTimeout, InternalError, SshUnavailable
from runicorn_jupyter.ssh.config.allowlist import AllowedHosts
from runicorn_jupyter.ssh.connection import Connection, SshSettings
from runicorn_jupyter.ssh.keepalive import Keepalive
from runicorn_jupyter.ssh.mux import reuse
from runicorn_jupyter.ssh.suspend import SuspendDetector
from runicorn_jupyter.ssh.watchdog import watch
from tests.integration.ssh.test_reconnect import LIMIT, until
from tests.integration.ssh.test_stream import MIB, download, open_stream, read_all, upload
from tests.world.connections import Census, Connect, await_census, credentials_of, target_of
from tests.world.masters import SshMaster
from tests.world.sshd import Sshd

MakeMaster = Callable[[Sshd], SshMaster]

pytestmark = pytest.mark.skipif(not hasattr(socket, "send_fds"), reason="needs a system with masters")


async def over(master: SshMaster, server: Sshd, connect: Connect, **changes: object) -> Connection:
    """Connect over a master, and see that it is used."""
    connection: Connection = await connect(server, control_path=master.path, **changes)
    assert connection.is_multiplexed
    return connection


# -- using it ---------------------------------------------------------------------------------------


async def test_commands_with_input_output_errors_and_status(
    sshd: Sshd, connect: Connect, make_master: MakeMaster
) -> None:
    connection = await over(make_master(sshd), sshd, connect)
    done = await connection.run("cat; echo wrong >&2; exit 7", stdin=b"\x00\xff" * 3)
    assert (done.exit_status, done.stdout, done.stderr) == (7, b"\x00\xff" * 3, b"wrong\n")
    # A master does not tell that a signal ended a command, let alone which.
    done = await connection.run("echo before; kill -9 $$")
    assert (done.exit_status, done.exit_signal, done.stdout) == (None, None, b"before\n")
    data = secrets.token_bytes(3 * MIB)
    assert (await connection.run("cat", stdin=data)).stdout == data
    assert (await connection.run("exec true", stdin=data)).exit_status == 0
    # One output may end before the other.
    done = await connection.run("exec >&-; sleep 0.1; echo late >&2")
    assert (done.exit_status, done.stdout, done.stderr) == (0, b"", b"late\n")


async def test_commands_that_say_too_much_or_take_too_long(
    sshd: Sshd, connect: Connect, make_master: MakeMaster
) -> None:
    connection = await over(make_master(sshd), sshd, connect)
    with pytest.raises(InternalError, match="more than 100000 bytes"):
        await connection.run("yes", max_output=100000)
    with pytest.raises(ConnectionTimeout, match=r"0\.2 seconds"):
        await connection.run("sleep 60", timeout=0.2)
    assert (await connection.run("echo still")).stdout == b"still\n"
    assert await connection.ping() > 0


async def test_variables_that_the_masters_own_config_sends(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster
) -> None:
    server = make_sshd(AcceptEnv="ANSWER OTHER")
    master = make_master(server)
    master.close()
    master._config.write_text(master._config.read_text() + "  SendEnv ANSWER\n")
    master.start()
    connection = await over(master, server, connect, environment=(("ANSWER", "42"), ("OTHER", "1")))
    assert (await connection.run("echo $ANSWER,$OTHER")).stdout == b"42,\n"


async def test_tunnels_both_ways_and_beside_each_other(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    connection = await over(make_master(sshd), sshd, connect)
    async with asyncio.TaskGroup() as group:
        for n in range(16):
            group.create_task((download, upload)[n % 2](connection, peer_port, 4 * MIB + n))
    stream = await open_stream(connection, peer_port, "bye")
    assert await read_all(stream) == b""
    stream.close()
    assert connection.forwards


async def test_stalled_readers_hold_a_window_and_stop_nobody(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    connection = await over(make_master(sshd), sshd, connect)
    stalled = [await open_stream(connection, peer_port, "endless") for _ in range(4)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await download(connection, peer_port, 32 * MIB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024
    # A writer whose reader takes nothing waits, and goes on to where it is cut off.
    held = await open_stream(connection, peer_port, "hold")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await held.write(bytes(32 * MIB))
    for stream in (*stalled, held):
        stream.close()


async def test_a_port_where_nothing_listens(sshd: Sshd, connect: Connect, make_master: MakeMaster) -> None:
    connection = await over(make_master(sshd), sshd, connect)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connection.open_tunnel("127.0.0.1", port)
    assert connection.forwards  # that was no word against forwarding


async def test_a_server_that_forwards_nothing(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    server = make_sshd(AllowTcpForwarding="no")
    connection = await over(make_master(server), server, connect)
    await download(connection, peer_port, MIB)
    assert not connection.forwards


async def test_a_server_of_one_session_takes_commands_in_turn(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    server = make_sshd(MaxSessions=1)
    connection = await over(make_master(server), server, connect)
    done = await asyncio.gather(*(connection.run(f"echo {n}") for n in range(4)))
    assert sorted(one.stdout for one in done) == [b"%d\n" % n for n in range(4)]
    await asyncio.gather(connection.run("sleep 0.2"), download(connection, peer_port, MIB))


async def test_a_session_that_the_server_refuses_is_told_in_its_words(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster
) -> None:
    server = make_sshd(MaxSessions=1)
    master = make_master(server)
    connection = await over(master, server, connect)
    connection._link.make_room()
    await connection.run("true")  # its end is the end of the session before
    refused = pytest.raises(SshUnavailable, match="It says: Session open refused by peer")
    with master.hold_session(), refused:
        await connection.run("true")


async def test_one_with_no_room_is_not_used(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster
) -> None:
    server = make_sshd(MaxSessions=1)
    master = make_master(server)
    with master.hold_session():
        connection = await connect(server, control_path=master.path)
    assert not connection.is_multiplexed


async def test_no_two_connections_share_what_was_kept(
    sshd: Sshd, connect: Connect, make_master: MakeMaster
) -> None:
    """A master tells no host key, so what was cached of one connection may be another machine's."""
    master = make_master(sshd)
    one, other = await over(master, sshd, connect), await over(master, sshd, connect)
    assert one.way != other.way
    assert (one.host_key_fingerprint, len(one.way)) == ("", 1)


async def test_a_jump_host_with_a_master(
    sshd: Sshd, make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    gate = make_sshd()
    master = make_master(gate)
    jump = target_of(gate, control_path=master.path)
    gate.stop(sessions=False)  # nobody gets in but by the master
    connection = await connect(sshd, proxy_jump=(jump,))
    assert not connection.is_multiplexed
    assert connection.host_key_fingerprint
    assert len(connection.way) == 2
    await download(connection, peer_port, 8 * MIB)
    gate.start()
    master.kill()
    await until(connection, "reconnecting")
    assert await connection.wait_connected(LIMIT)
    await upload(connection, peer_port, MIB)


async def test_nothing_is_left_behind(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    master = make_master(sshd)
    before = Census.take()
    connection = await over(master, sshd, connect)
    await connection.run("true")
    await download(connection, peer_port, MIB)
    running = asyncio.create_task(connection.run("sleep 600"))
    await connection.run("true")
    await connection.close()
    with pytest.raises(ConnectionLost):
        await running
    await asyncio.to_thread(await_census, before)
    assert "Master running" in master.ssh("-O", "check")


# -- losing it --------------------------------------------------------------------------------------


async def test_a_master_that_is_killed(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, peer_port: int
) -> None:
    master = make_master(sshd)
    connection = await over(master, sshd, connect)
    stream = await open_stream(connection, peer_port, f"send {64 * MIB}")
    await stream.read()
    running = asyncio.create_task(connection.run("sleep 600"))
    await connection.ping()
    master.kill()
    await until(connection, "reconnecting")
    with pytest.raises(ConnectionLost):
        await running
    with pytest.raises(ConnectionLost):  # data that were cut off are not the whole
        await read_all(stream)
    stream.close()
    assert await connection.wait_connected(LIMIT)
    assert not connection.is_multiplexed
    assert connection.host_key_fingerprint
    await download(connection, peer_port, MIB)


async def test_a_new_master_is_used_when_the_old_one_has_ended(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster
) -> None:
    server = make_sshd()
    master = make_master(server)
    connection = await over(master, server, connect)
    way = connection.way
    master.ssh("-O", "stop")  # it lives, and takes nobody any more
    master.start()
    server.stop(sessions=False)  # nobody gets in but by a master
    with pytest.raises(ConnectionLost):
        await connection.run("true")
    await until(connection, "reconnecting")
    assert await connection.wait_connected(LIMIT)
    assert connection.is_multiplexed
    assert connection.way != way
    assert (await connection.run("echo again")).stdout == b"again\n"


async def test_a_frozen_master_is_noticed_and_done_without(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = make_master(sshd)
    connection = await over(master, sshd, connect, keepalive_seconds=1.5)
    monkeypatch.setattr(reuse, "ANSWER_SECONDS", 0.5)
    master.signal(signal.SIGSTOP)
    await until(connection, "reconnecting")
    assert await connection.wait_connected(LIMIT)
    assert not connection.is_multiplexed
    other = await connect(sshd, control_path=master.path)
    assert not other.is_multiplexed


async def test_a_dead_line_behind_a_living_master_is_noticed(
    make_sshd: Callable[..., Sshd], connect: Connect, make_master: MakeMaster
) -> None:
    server = make_sshd()
    connection = await over(make_master(server), server, connect, keepalive_seconds=1.5)
    await connection.run("true")
    server.pause()
    await until(connection, "reconnecting")
    server.resume()
    assert await connection.wait_connected(LIMIT)
    assert (await connection.run("echo again")).stdout == b"again\n"


async def test_waking_up_asks_the_server_at_once(
    sshd: Sshd, connect: Connect, make_master: MakeMaster
) -> None:
    connection = await over(make_master(sshd), sshd, connect, keepalive_seconds=3600)
    await connection.ping()
    heard = connection.stats.progress_at
    slept = itertools.count(step=300)
    detector = SuspendDetector(boottime=lambda: time.monotonic() + next(slept))
    watching = asyncio.create_task(watch(connection._link, Keepalive(3600), detector))
    async with asyncio.timeout(LIMIT):
        while connection.stats.progress_at == heard:
            await asyncio.sleep(0.01)
    watching.cancel()
    assert connection.is_multiplexed


async def test_an_idle_connection_stays(sshd: Sshd, connect: Connect, make_master: MakeMaster) -> None:
    connection = await over(make_master(sshd), sshd, connect, keepalive_seconds=0.6)
    heard = connection.stats.progress_at
    async with asyncio.timeout(LIMIT):
        while connection.stats.progress_at < heard + 2:
            await asyncio.sleep(0.1)
    assert (connection.status, connection.reconnects) == ("connected", 0)


# -- what is no master, or none to use ----------------------------------------------------------------


@contextlib.contextmanager
def listener(path: Path, greeting: bytes | None) -> Iterator[None]:
    """Listen at a socket; greet whoever connects with these bytes and close, or stay silent."""
    program = (
        "import socket, sys\n"
        "held = []\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind(sys.argv[1])\n"
        "server.listen()\n"
        "print(flush=True)\n"
        "while True:\n"
        "    held.append(server.accept()[0])\n"
        "    if len(sys.argv) > 2:\n"
        "        held.pop().sendall(bytes.fromhex(sys.argv[2]))\n"
    )
    arguments = ["python3", "-c", program, str(path), *([] if greeting is None else [greeting.hex()])]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, umask=0o177)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    "greeting",
    [
        None,
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        bytes(4),
        b"\xff" * 64,
        b"\0\0\0\x01\x05",  # what an agent says
        b"\0\0\0\x08\0\0\0\x01\0\0\0\x05",  # version 5
        b"\0\0\0\x08\0\0\0\x01\0\0\0\x04",  # and nothing after it
    ],
)
async def test_what_is_no_master_is_done_without(
    sshd: Sshd,
    connect: Connect,
    control_folder: Path,
    greeting: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reuse, "ANSWER_SECONDS", 0.5)
    path = control_folder / "socket"
    with listener(path, greeting):
        connection = await connect(sshd, control_path=str(path))
    assert not connection.is_multiplexed
    assert (await connection.run("echo own")).stdout == b"own\n"


async def test_a_path_that_leads_to_nothing_of_use(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, control_folder: Path
) -> None:
    (control_folder / "file").touch(mode=0o600)
    master = make_master(sshd)
    master.kill()  # its socket stays
    for path in (control_folder / "none", control_folder / "file", control_folder / ("x" * 200), master.path):
        assert not (await connect(sshd, control_path=str(path))).is_multiplexed


async def test_a_socket_that_others_may_use_is_refused(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, caplog: pytest.LogCaptureFixture
) -> None:
    master = make_master(sshd)
    Path(master.path).chmod(0o660)
    assert not (await connect(sshd, control_path=master.path)).is_multiplexed
    assert "other users may connect to it" in caplog.text
    Path(master.path).chmod(0o600)
    await over(master, sshd, connect)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a file to another user")
async def test_a_socket_of_another_user_is_refused(
    sshd: Sshd, connect: Connect, make_master: MakeMaster, caplog: pytest.LogCaptureFixture
) -> None:
    master = make_master(sshd)
    os.chown(master.path, 65534, 65534)
    assert not (await connect(sshd, control_path=master.path)).is_multiplexed
    assert "it belongs to another user" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run a process as another user")
async def test_a_process_of_another_user_behind_a_socket_of_ours_is_refused(
    sshd: Sshd, connect: Connect, control_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = control_folder / "socket"
    control_folder.chmod(0o777)
    program = (
        "import socket, sys, os\n"
        "os.setuid(65534)\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind(sys.argv[1])\n"
        "server.listen()\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        ["python3", "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.chown(path, 0, 0)
        path.chmod(0o600)
        assert not (await connect(sshd, control_path=str(path))).is_multiplexed
        process.communicate()
    assert "the process behind it belongs to another user" in caplog.text


@pytest.mark.parametrize(
    "settings",
    [SshSettings(allowed_hosts=AllowedHosts(["127.0.0.1"])), SshSettings(host_key_policy="strict")],
)
async def test_an_administrator_who_says_where_to_wants_proof(
    sshd: Sshd, make_master: MakeMaster, settings: SshSettings
) -> None:
    master = make_master(sshd)
    connection = await Connection.open(
        target_of(sshd, control_path=master.path),
        credentials_of(sshd),
        timeout=LIMIT,
        settings=settings,
        connection_id="conn_00000000",
    )
    try:
        assert not connection.is_multiplexed
        assert connection.host_key_fingerprint
    finally:
        await connection.close()
