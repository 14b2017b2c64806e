"""A lost connection is noticed, comes back when it can, and stops trying when that is of no use."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    ConnectionLost,
    ConnectionTimeout,
    HostKeyChanged,
    HostKeyUnknown,
    SshUnavailable,
)
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh import reconnect
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.connection import Connection, SshSettings
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.keepalive import Keepalive
from runicorn_jupyter.ssh.reconnect import Reconnector, delay
from runicorn_jupyter.ssh.suspend import SuspendDetector
from runicorn_jupyter.ssh.turns import AT_ONCE, Turns
from runicorn_jupyter.ssh.watchdog import watch
from tests.integration.ssh.test_stream import MIB, download, open_stream
from tests.world.connections import Census, Connect, await_census, target_of
from tests.world.relay import Relay
from tests.world.sshd import Sshd

LIMIT = 60  # seconds that nothing here comes near to


async def until(connection: Connection, status: str) -> None:
    """Wait until the connection has a status."""
    reached = asyncio.Event()
    unsubscribe = connection.subscribe(lambda changed: changed.status == status and reached.set())
    try:
        if connection.status != status:
            async with asyncio.timeout(LIMIT):
                await reached.wait()
    finally:
        unsubscribe()


def statuses(connection: Connection) -> list[str]:
    """Collect the changes of status from now on."""
    seen: list[str] = []
    connection.subscribe(lambda changed: seen.append(changed.status))
    return seen


# -- noticing ---------------------------------------------------------------------------------------


async def test_a_killed_session_is_noticed_at_once_and_comes_back(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    server = make_sshd()
    connection = await connect(server)
    seen, since = statuses(connection), connection.connected_since
    server.drop_sessions()
    await until(connection, "reconnecting")
    with pytest.raises(ConnectionLost):
        await connection.run("true")
    assert await connection.wait_connected(LIMIT)
    assert seen == ["reconnecting", "connected"]
    assert connection.reconnects == 1
    assert connection.connected_since > since
    await download(connection, peer_port, MIB)


async def test_a_slow_full_line_is_not_taken_for_a_dead_one(
    sshd: Sshd, connect: Connect, make_relay: Callable[..., Relay], peer_port: int
) -> None:
    relay = make_relay(sshd.host, sshd.port, delay_ms=20, rate_mbit=8)
    connection = await connect(sshd, via=relay, keepalive_seconds=0.6)
    await download(connection, peer_port, MIB)
    stream = await open_stream(connection, peer_port, f"take {MIB}")
    await stream.write(bytes(MIB))
    digest = await stream.read()
    assert isinstance(digest, bytes)
    assert len(digest) == 32
    stream.close()
    assert (connection.status, connection.reconnects) == ("connected", 0)


async def test_an_idle_connection_stays(sshd: Sshd, connect: Connect) -> None:
    connection = await connect(sshd, keepalive_seconds=0.3)
    heard = connection.stats.progress_at
    async with asyncio.timeout(LIMIT):
        while connection.stats.progress_at < heard + 1:  # five intervals in which nobody uses it
            await asyncio.sleep(0.1)
    assert (connection.status, connection.reconnects) == ("connected", 0)


async def test_waking_up_asks_at_once(sshd: Sshd, connect: Connect) -> None:
    connection = await connect(sshd, keepalive_seconds=3600)
    heard = connection.stats.progress_at
    slept = itertools.count(step=300)  # a machine that sleeps five minutes between any two looks
    detector = SuspendDetector(boottime=lambda: time.monotonic() + next(slept))
    watching = asyncio.create_task(watch(connection._link, Keepalive(3600), detector))
    async with asyncio.timeout(LIMIT):
        while connection.stats.progress_at == heard:  # the server's answer to the question
            await asyncio.sleep(0.01)
    watching.cancel()


@pytest.mark.parametrize(
    ("late", "slept", "expected"), [(0, 0, False), (1, 0, False), (9, 0, True), (0, 9, True)]
)
def test_a_wait_that_took_too_long_means_sleep(late: float, slept: float, expected: bool) -> None:
    now, extra = 100.0, 5.0
    detector = SuspendDetector(lambda: now, lambda: now + extra)
    detector.expect(10)
    now += 10 + late
    extra += slept
    assert detector.happened() is expected


# -- coming back ------------------------------------------------------------------------------------


async def test_a_server_that_is_down_for_a_while(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    server = make_sshd()
    connection = await connect(server)
    server.stop()
    await until(connection, "reconnecting")
    with pytest.raises(ConnectionLost):
        await connection.wait_connected(0.2)
    server.start()
    assert await connection.wait_connected(LIMIT)
    await download(connection, peer_port, MIB)


async def test_reconnecting_through_jump_hosts(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    jump, last = make_sshd(), make_sshd()
    connection = await connect(last, proxy_jump=(target_of(jump),))
    for server in (jump, last):
        server.drop_sessions()
        await until(connection, "reconnecting")
        assert await connection.wait_connected(LIMIT)
    assert connection.reconnects == 2


async def test_many_that_come_back_to_one_host_at_once_are_not_turned_away(
    make_sshd: Callable[..., Sshd], make_relay: Callable[..., Relay], connect: Connect
) -> None:
    server = make_sshd(MaxStartups=f"{2 * AT_ONCE}:100:{2 * AT_ONCE}")
    relay, turns, count = make_relay(server.host, server.port), Turns(), 4 * AT_ONCE
    connections = [await connect(server, via=relay, turns=turns) for _ in range(count)]
    relay.hold()
    relay.reset()
    for connection in connections:
        await until(connection, "reconnecting")
    relay.release()
    assert all([await connection.wait_connected(LIMIT) for connection in connections])
    assert "drop connection" not in server.log
    assert relay.accepted == 2 * count


async def test_nothing_is_left_of_the_connections_before(
    make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    server = make_sshd()
    connection = await connect(server)
    await connection.run("true")
    before = Census.take()
    for _ in range(3):
        server.drop_sessions()
        await until(connection, "reconnecting")
        await connection.wait_connected(LIMIT)
    await asyncio.to_thread(await_census, before)


async def test_closing_while_it_reconnects(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd()
    await (await connect(server)).close()
    before = Census.take()
    connection = await connect(server)
    server.stop()
    await until(connection, "reconnecting")
    waiting = asyncio.create_task(connection.wait_connected(LIMIT))
    await asyncio.sleep(0)
    await connection.close()
    assert await waiting is False
    await asyncio.to_thread(await_census, before)


# -- giving up --------------------------------------------------------------------------------------


async def ended(connection: Connection) -> None:
    await until(connection, "disconnected")
    with pytest.raises(ConnectionLost, match="has ended"):
        await connection.run("true")
    assert await connection.wait_connected(None) is False


async def test_another_host_key_on_return_stops_it(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd()
    connection = await connect(server)
    server.new_host_key()
    server.restart()
    await ended(connection)
    assert isinstance(connection.last_error, HostKeyChanged | HostKeyUnknown)
    assert server.log.count("Accepted publickey") == 1


async def test_refused_credentials_stop_it(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd()
    connection = await connect(server)
    server.authorized_keys.write_text("")
    server.drop_sessions()
    await ended(connection)
    assert isinstance(connection.last_error, AuthenticationFailed)


async def test_it_gives_up_after_its_time(make_sshd: Callable[..., Sshd], connect: Connect) -> None:
    server = make_sshd()
    connection = await connect(server, reconnect_for_seconds=1)
    server.stop()
    await ended(connection)
    assert isinstance(connection.last_error, ConnectionLost)
    assert "refused the connection" in connection.last_error.message


async def test_the_server_asks_again_on_return(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(password="correct")
    if not server.relocated:
        pytest.skip("a private password needs root and mount namespaces")
    asked: list[str] = []
    threads: list[str] = []
    loop = asyncio.get_running_loop()
    later = 0.0

    def ask(_instruction: str, prompts: Sequence[Prompt]) -> Sequence[SecretStr]:
        nonlocal later
        asked.append(prompts[0].text)
        threads.append(threading.current_thread().name)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(LIMIT)  # it knows of the question now
        later += 3600  # a person who takes an hour; the time limit below stands still meanwhile
        return [SecretStr("correct")]

    connection = await Connection.open(
        target_of(server, identity_files=()),
        Credentials("key"),
        timeout=Deadline(LIMIT, lambda: time.monotonic() + later),
        ask=ask,
        connection_id="conn_0",
    )
    try:
        assert len(asked) == 1
        assert threads != ["MainThread"]
        server.drop_sessions()
        await until(connection, "reconnecting")
        assert await connection.wait_connected(LIMIT)
        assert len(asked) == 1  # remembered
    finally:
        await connection.close()


async def test_nobody_answers_the_server(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(password="correct")

    def ask(_instruction: str, _prompts: Sequence[Prompt]) -> Sequence[SecretStr]:
        raise ConnectionTimeout("nobody answered")

    with pytest.raises(ConnectionTimeout, match="nobody answered"):
        await Connection.open(
            target_of(server, identity_files=()),
            Credentials("key"),
            timeout=5,
            ask=ask,
            connection_id="conn_0",
        )


# -- the times --------------------------------------------------------------------------------------


@given(st.floats(0, 1e6), st.floats(1, 300), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_their_limit_and_are_never_idle(elapsed: float, longest: float, chance: float) -> None:
    pause = delay(elapsed, longest, lambda: chance)
    assert 0.75 <= pause <= max(1.0, min(longest, elapsed / 15))


def test_pauses_in_the_first_minute_are_short_enough_to_be_back_within_5_seconds() -> None:
    assert max(delay(second, 30, lambda: 0.999) for second in range(61)) < 4.1


async def test_an_attempt_comes_at_once_when_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "delay", lambda *_: 3600.0)
    attempts = 0

    async def attempt() -> str:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise SshUnavailable("not yet")
        return "connected"

    reconnector = Reconnector(attempt, 36000, lambda: 30)
    running = asyncio.create_task(reconnector.run())
    async with asyncio.timeout(LIMIT):
        while not running.done():
            reconnector.hurry()
            await asyncio.sleep(0.01)
    assert (running.result(), attempts) == ("connected", 3)


async def test_who_waits_for_the_connection_keeps_the_attempts_close_together(
    make_sshd: Callable[..., Sshd], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "delay", lambda *_: 3600.0)
    server = make_sshd()
    connection = await connect(server)
    server.stop()
    await until(connection, "reconnecting")
    waiting = asyncio.create_task(connection.wait_connected(LIMIT))
    with pytest.raises(ConnectionLost):
        await connection.wait_connected(3)  # at least two attempts fail
    server.start()
    assert await waiting


async def test_what_is_permanent_is_not_tried_again() -> None:
    attempts = 0

    async def attempt() -> None:
        nonlocal attempts
        attempts += 1
        raise AuthenticationFailed("no")

    with pytest.raises(AuthenticationFailed):
        await Reconnector(attempt, 3600, lambda: 30).run()
    assert attempts == 1


def test_the_settings_are_those_of_the_design() -> None:
    assert SshSettings() == SshSettings(15, 3600, 30, "ask")


async def test_a_question_that_nobody_answers_stops_it(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(password="correct")
    answers = iter([[SecretStr("correct")]])

    def ask(_instruction: str, _prompts: Sequence[Prompt]) -> Sequence[SecretStr]:
        try:
            return next(answers)
        except StopIteration:
            raise ConnectionTimeout("nobody answered") from None

    credentials = Credentials("key")
    connection = await Connection.open(
        target_of(server, identity_files=()), credentials, timeout=5, ask=ask, connection_id="conn_0"
    )
    try:
        credentials.remembered.clear()  # as with a one-time code
        server.drop_sessions()
        await ended(connection)
        assert isinstance(connection.last_error, AuthenticationFailed)
    finally:
        await connection.close()
