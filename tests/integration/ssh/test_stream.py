"""Tunnels carry every byte, in both directions, at once, and never more than their window."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import resource
from collections.abc import Callable

import pytest

from runicorn_jupyter.errors import ConnectionLost, ConnectionTimeout
from runicorn_jupyter.ssh.channels.stream import Stream
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.transport.byte_transport import HIGH_WATER
from runicorn_jupyter.ssh.transport.channel import WINDOW
from runicorn_jupyter.streams import END
from tests.world.connections import Connect
from tests.world.peers import BLOCK
from tests.world.relay import Relay
from tests.world.sshd import Sshd

MIB = 2**20


async def open_stream(connection: Connection, port: int, word: str) -> Stream:
    stream = await connection.open_tunnel("127.0.0.1", port)
    await stream.write(f"{word}\n".encode())
    return stream


async def read_all(stream: Stream) -> bytes:
    parts = []
    while (data := await stream.read()) is not END:
        parts.append(data)
    return b"".join(parts)


async def all_closed(connection: Connection) -> None:
    """Wait until the server has confirmed that every channel is closed; each ping hears more of it."""
    async with asyncio.timeout(60):
        while connection.stats.open_channels:
            await connection.ping()


async def download(connection: Connection, port: int, size: int) -> None:
    """Take ``size`` bytes and the server's hash of them; compare."""
    digest, got, tail = hashlib.sha256(), 0, b""
    with contextlib.closing(await open_stream(connection, port, f"send {size}")) as stream:
        while (data := await stream.read()) is not END:
            body = data[: max(0, size - got)]
            digest.update(body)
            got += len(body)
            tail += data[len(body) :]
    assert (got, tail) == (size, digest.digest())


async def upload(connection: Connection, port: int, size: int) -> None:
    """Send ``size`` bytes; compare the server's hash of them."""
    digest, left = hashlib.sha256(), size
    with contextlib.closing(await open_stream(connection, port, f"take {size}")) as stream:
        while left:
            block = BLOCK[:left]
            await stream.write(block)
            digest.update(block)
            left -= len(block)
        assert await read_all(stream) == digest.digest()


@pytest.mark.parametrize("move", [download, upload])
async def test_256_mib_arrive_whole(
    sshd: Sshd, connect: Connect, peer_port: int, move: Callable[..., object]
) -> None:
    connection = await connect(sshd)
    await move(connection, peer_port, 256 * MIB)  # type: ignore[misc]


async def test_both_directions_at_once_on_one_stream(sshd: Sshd, connect: Connect, peer_port: int) -> None:
    stream = await open_stream(await connect(sshd), peer_port, "echo")
    blocks = [hashlib.sha256(bytes([n])).digest() * 20000 for n in range(16)]

    async def write() -> None:
        for block in blocks:
            await stream.write(block)
        stream.write_eof()

    writing = asyncio.create_task(write())
    assert await read_all(stream) == b"".join(blocks)
    await writing
    stream.close()


async def test_50_channels_in_parallel_do_not_mix(sshd: Sshd, connect: Connect, peer_port: int) -> None:
    connection = await connect(sshd)
    moves = [download, upload]
    async with asyncio.TaskGroup() as group:
        for n in range(50):
            group.create_task(moves[n % 2](connection, peer_port, MIB + n))


async def test_stalled_readers_hold_a_window_each_and_stop_nobody(
    sshd: Sshd, connect: Connect, peer_port: int
) -> None:
    connection = await connect(sshd)
    stalled = [await open_stream(connection, peer_port, "endless") for _ in range(8)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await download(connection, peer_port, 64 * MIB)  # goes on beside them
    held = [stream._channel.buffered for stream in stalled]
    assert all(0 < size <= WINDOW for size in held)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 8 * WINDOW + 64 * MIB
    for stream in stalled:
        stream.close()


async def test_a_server_that_reads_nothing_stops_the_writer(
    sshd: Sshd, connect: Connect, peer_port: int
) -> None:
    connection = await connect(sshd)
    stream = await open_stream(connection, peer_port, "hold")
    sent = 0

    async def write() -> None:
        nonlocal sent
        while True:
            await stream.write(BLOCK)
            sent += len(BLOCK)

    writing = asyncio.create_task(write())
    await download(connection, peer_port, 16 * MIB)
    assert not writing.done()
    # Socket buffers of three hops and two windows; without back-pressure it would have no end.
    assert sent < 32 * MIB
    assert connection.stats.backlog_bytes <= HIGH_WATER + 2 * WINDOW
    writing.cancel()
    stream.close()


async def test_a_line_that_takes_nothing_blocks_neither_loop_nor_memory(
    sshd: Sshd, connect: Connect, make_relay: Callable[..., Relay], peer_port: int
) -> None:
    relay = make_relay(sshd.host, sshd.port)
    connection = await connect(sshd, via=relay)
    streams = [await open_stream(connection, peer_port, f"take {8 * MIB}") for _ in range(8)]
    relay.hold()
    writing = [asyncio.create_task(stream.write(BLOCK * 8)) for stream in streams]
    done, _ = await asyncio.wait(writing, timeout=0.5)  # the loop lives, and nothing can be finished
    assert not done
    assert connection.stats.backlog_bytes <= HIGH_WATER + 2 * WINDOW
    relay.release()
    await asyncio.gather(*writing)
    expected = hashlib.sha256(BLOCK * 8).digest()
    assert [await read_all(stream) for stream in streams] == [expected] * 8
    for stream in streams:
        stream.close()


async def test_rekeying_by_the_client_under_load(sshd: Sshd, connect: Connect, peer_port: int) -> None:
    connection = await connect(sshd)
    transport = connection._link.transport
    first = transport.session_id, transport.H

    async def rekey() -> None:
        for _ in range(5):
            await asyncio.to_thread(transport.renegotiate_keys)

    async with asyncio.TaskGroup() as group:
        for move in (download, upload):
            group.create_task(move(connection, peer_port, 48 * MIB))
        group.create_task(rekey())
    assert transport.session_id == first[0]
    assert first[1] != transport.H
    assert connection.reconnects == 0


async def test_the_end_of_the_data_is_told_from_a_lost_connection(
    make_sshd: Callable[..., Sshd], connect: Connect, peer_port: int
) -> None:
    server = make_sshd()
    connection = await connect(server)
    ended = await open_stream(connection, peer_port, "bye")
    assert await ended.read() is END
    waiting = await open_stream(connection, peer_port, "hold")
    reading = asyncio.create_task(waiting.read())
    await asyncio.sleep(0)
    server.drop_sessions()
    with pytest.raises(ConnectionLost):
        await reading
    with pytest.raises(ConnectionLost):
        await waiting.write(b"x")
    for stream in (ended, waiting):
        stream.close()


async def test_closing_ends_a_read_that_waits_and_writing(
    sshd: Sshd, connect: Connect, peer_port: int
) -> None:
    stream = await open_stream(await connect(sshd), peer_port, "hold")
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    stream.close()
    stream.close()
    assert await reading is END
    with pytest.raises(BrokenPipeError):
        await stream.write(b"x")


async def test_what_came_before_the_end_can_still_be_read(
    sshd: Sshd, connect: Connect, peer_port: int
) -> None:
    stream = await open_stream(await connect(sshd), peer_port, f"send {MIB}")
    await stream._notifier.until(lambda: True if stream._channel.eof_received else None)
    assert len(await read_all(stream)) == MIB + 32
    stream.close()


async def test_an_answer_that_comes_after_the_opening_was_given_up(
    sshd: Sshd, connect: Connect, make_relay: Callable[..., Relay], peer_port: int
) -> None:
    relay = make_relay(sshd.host, sshd.port)
    connection = await connect(sshd, via=relay)
    relay.hold()
    with pytest.raises(ConnectionTimeout):
        await connection.open_tunnel("127.0.0.1", peer_port, timeout=0.1)
    assert connection.stats.open_channels == 1  # its number stays taken until the server has answered
    relay.release()
    await all_closed(connection)
    await download(connection, peer_port, MIB)


async def test_numbers_of_channels_are_used_again(sshd: Sshd, connect: Connect, peer_port: int) -> None:
    connection = await connect(sshd)
    for _ in range(60):
        stream = await open_stream(connection, peer_port, "bye")
        await stream.read()
        stream.close()
        await all_closed(connection)
    assert len(connection._link.transport.channels_seen) <= 2


async def test_a_stream_that_is_forgotten_is_closed_and_said(
    sshd: Sshd, connect: Connect, peer_port: int
) -> None:
    connection = await connect(sshd)
    stream = await open_stream(connection, peer_port, "hold")
    with pytest.warns(ResourceWarning, match="unclosed"):
        del stream
    await all_closed(connection)
