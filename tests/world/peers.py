"""TCP servers that a tunnel may lead to, in a process of their own so that they share no interpreter lock."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

BLOCK = bytes(range(256)) * 4096  # 1 MiB


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection, as its first line says.

    ``echo`` sends everything back; ``send N`` sends N bytes and their SHA-256; ``take N`` takes N bytes
    and sends their SHA-256; ``hold`` reads nothing; ``endless`` sends for ever; ``bye`` closes.
    """
    word, _, count = (await reader.readline()).decode().strip().partition(" ")
    try:
        await _ACTIONS[word](reader, writer, int(count or 0))
        if writer.can_write_eof():
            writer.write_eof()
        await writer.drain()
    except (OSError, KeyError):
        pass  # the other side has gone: that is what some tests do
    finally:
        writer.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _count: int) -> None:
    while data := await reader.read(262144):
        writer.write(data)
        await writer.drain()


async def _send(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    digest = hashlib.sha256()
    while count > 0:
        block = BLOCK[:count]
        digest.update(block)
        writer.write(block)
        await writer.drain()
        count -= len(block)
    writer.write(digest.digest())


async def _take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    digest = hashlib.sha256()
    while count > 0 and (data := await reader.read(262144)):
        digest.update(data)
        count -= len(data)
    writer.write(digest.digest())


async def _hold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _count: int) -> None:
    await writer.wait_closed()


async def _endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _count: int) -> None:
    while True:
        writer.write(BLOCK)
        await writer.drain()


async def _bye(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _count: int) -> None:
    """Leave at once."""


_ACTIONS = {"echo": _echo, "send": _send, "take": _take, "hold": _hold, "endless": _endless, "bye": _bye}


async def _main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def peer_process(*prefix: str) -> Iterator[int]:
    """Run the server as a process, by way of another command if one is given; gives its port."""
    process = subprocess.Popen([*prefix, sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def peer_port() -> Iterator[int]:
    """The port of a server that does as its client's first line says (see ``serve``)."""
    with peer_process() as port:
        yield port


if __name__ == "__main__":
    asyncio.run(_main())
