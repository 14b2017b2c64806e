"""What a tunnel brings goes to a socket without the event loop: whole, bounded, and ended by either side."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Iterator

import pytest

from runicorn_jupyter.errors import ConnectionLost
from runicorn_jupyter.ssh.channels.socket_pump import NotTaken
from runicorn_jupyter.ssh.transport.channel import WINDOW
from tests.integration.ssh.test_stream import MIB, open_stream, read_all
from tests.world.connections import Connect
from tests.world.sshd import Sshd

STALL_SECONDS = 60


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets: the one to send to, and its reader."""
    one, other = socket.socketpair()
    other.settimeout(60)
    with one, other:
        yield one, other


def take(sock: socket.socket, size: int) -> bytes:
    """Read so many bytes, blocking whoever calls."""
    parts = []
    while size:
        parts.append(sock.recv(size))
        assert parts[-1]
        size -= len(parts[-1])
    return b"".join(parts)


async def test_everything_arrives_and_what_follows_stays(
    sshd: Sshd, connect: Connect, peer_port: int, pair: tuple[socket.socket, socket.socket]
) -> None:
    """The reader is at times slower and at times faster than the tunnel."""
    size = 32 * MIB
    stream = await open_stream(await connect(sshd), peer_port, f"send {size}")
    _, body = await asyncio.gather(
        stream.send_to(pair[0], size, STALL_SECONDS), asyncio.to_thread(take, pair[1], size)
    )
    assert await read_all(stream) == hashlib.sha256(body).digest()
    stream.close()


async def test_it_goes_on_while_the_event_loop_stands_still(
    sshd: Sshd, connect: Connect, peer_port: int, pair: tuple[socket.socket, socket.socket]
) -> None:
    data = bytes(range(256)) * 256  # fits into the socket's buffer
    stream = await open_stream(await connect(sshd), peer_port, "echo")
    pump = asyncio.create_task(stream.send_to(pair[0], len(data), STALL_SECONDS))
    await asyncio.sleep(0)  # it has begun
    await stream.write(data)
    assert take(pair[1], len(data)) == data  # this blocks the loop: only another thread can have sent it
    await pump
    stream.close()


async def test_a_reader_that_stalls_stops_the_sender_and_goes_on_later(
    sshd: Sshd, connect: Connect, peer_port: int, pair: tuple[socket.socket, socket.socket]
) -> None:
    size = 4 * WINDOW
    stream = await open_stream(await connect(sshd), peer_port, f"send {size}")
    # A reader that takes nothing is no stalled viewer, however short the limit for that is.
    pump = asyncio.create_task(stream.send_to(pair[0], size, 0.2))
    async with asyncio.timeout(60):
        while stream._channel.buffered < WINDOW // 2:
            await asyncio.sleep(0.01)
    assert stream._channel.buffered <= WINDOW
    done, _ = await asyncio.wait([pump], timeout=0.5)
    assert not done
    body = await asyncio.to_thread(take, pair[1], size)
    await pump
    assert await read_all(stream) == hashlib.sha256(body).digest()
    stream.close()


async def test_what_ends_it_is_told_apart(
    sshd: Sshd, connect: Connect, peer_port: int, pair: tuple[socket.socket, socket.socket]
) -> None:
    connection = await connect(sshd)
    short = await open_stream(connection, peer_port, "send 1000")
    with pytest.raises(EOFError):
        await short.send_to(pair[0], 100_000, STALL_SECONDS)
    short.close()

    silent = await open_stream(connection, peer_port, "hold")
    with pytest.raises(TimeoutError):
        await silent.send_to(pair[0], 1, 0.05)
    cancelled = asyncio.create_task(silent.send_to(pair[0], 1, STALL_SECONDS))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    silent.close()

    endless = await open_stream(connection, peer_port, "endless")
    leaving = asyncio.create_task(endless.send_to(pair[0], 2**40, STALL_SECONDS))
    await asyncio.to_thread(take, pair[1], MIB)
    pair[1].close()
    with pytest.raises(NotTaken):
        await leaving
    endless.close()


async def test_a_lost_connection_ends_it(
    make_sshd: Callable[..., Sshd],
    connect: Connect,
    peer_port: int,
    pair: tuple[socket.socket, socket.socket],
) -> None:
    server = make_sshd()
    stream = await open_stream(await connect(server), peer_port, "hold")
    pump = asyncio.create_task(stream.send_to(pair[0], 1, STALL_SECONDS))
    await asyncio.sleep(0)
    server.drop_sessions()
    with pytest.raises(ConnectionLost):
        await pump
    stream.close()
