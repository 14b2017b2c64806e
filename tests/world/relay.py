"""A TCP relay that is a bad line: slow, narrow, held, reset or cut on command.

The test machines' kernels have no netem, so latency and rate are made here; what only the
kernel can do (lost packets, addresses that change) is for network namespaces.
It runs on a thread of its own, so that a test's loop may block or stall without touching the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

QUEUE_BYTES = 262144  # what the line holds at most, as a router's buffer does
CHUNK_BYTES = 65536


class Relay:
    """Listens on loopback and passes every connection on to one place.

    Parameters
    ----------
    host, port
        Where to.
    delay_ms
        One way, each way.
    rate_mbit
        Each way, Mbit/s, shared by nothing; 0 for no limit.

    Attributes
    ----------
    round_trips
        How often the client has spoken after the server had (or first): what it costs on a long line.
    """

    def __init__(self, host: str, port: int, *, delay_ms: float = 0, rate_mbit: float = 0) -> None:
        self._to = (host, port)
        self.delay_ms = delay_ms
        self.rate_mbit = rate_mbit
        self.host = "127.0.0.1"
        self.port = 0
        self.accepted = 0
        self.passed_bytes = 0
        self.round_trips = 0
        self._client_spoke = False
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._call(self._listen())
        self._call(self._set_open(True))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _set_open(self, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection; no coroutine, for one that is cancelled before it begins closes nothing."""
        self.accepted += 1
        pair = _Pair(writer)
        self._pairs.add(pair)
        pair.serving = self._loop.create_task(self._serve(pair, reader, writer))

    async def _serve(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            there = await asyncio.open_connection(*self._to, limit=CHUNK_BYTES)
            pair.writers.append(there[1])
            async with asyncio.TaskGroup() as group:
                pair.tasks.append(group.create_task(self._pump(reader, there[1], is_client=True)))
                pair.tasks.append(group.create_task(self._pump(there[0], writer, is_client=False)))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # the ends see it as what it is: a line that broke
        finally:
            pair.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_client: bool
    ) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(max(2, QUEUE_BYTES // CHUNK_BYTES))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliver(queue, writer))
            free_at = 0.0
            while True:
                data = await reader.read(4096 if self.rate_mbit else CHUNK_BYTES)
                self.round_trips += bool(data) and is_client and not self._client_spoke
                self._client_spoke = is_client
                now = self._loop.time()
                free_at = max(free_at, now)
                if self.rate_mbit:
                    free_at += len(data) * 8 / (self.rate_mbit * 1e6)
                await queue.put((free_at + self.delay_ms / 1000, data))
                if not data:
                    return

    async def _deliver(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await queue.get()
            if (wait := due - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            await self._open.wait()
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
            self.passed_bytes += len(data)

    def hold(self) -> None:
        """Let nothing through; connections stay up, and new ones are accepted into nothing."""
        self._call(self._set_open(False))

    def release(self) -> None:
        """Undo ``hold``: what was on the way arrives."""
        self._call(self._set_open(True))

    def reset(self) -> None:
        """Reset (RST) all present connections."""
        self._call(self._reset())

    async def _reset(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        self._call(self._cut())

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    def mend(self) -> None:
        """Undo ``cut``, on the same port."""
        self._call(self._listen())

    def close(self) -> None:
        """End it."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        await self._cut()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # What nobody reads any more would be flushed for ever, and outlive the loop.
        writers = [writer for pair in self._pairs for writer in pair.writers]
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


class _Pair:
    """One connection and the one that it is passed on to."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writers = [writer]
        self.tasks: list[asyncio.Task[None]] = []
        self.serving: asyncio.Task[None] | None = None

    def close(self) -> None:
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.close()

    def reset(self) -> None:
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()


@pytest.fixture
def make_relay() -> Iterator[Callable[..., Relay]]:
    """Make relays: ``make_relay(host, port, delay_ms=150, rate_mbit=1)``."""
    made: list[Relay] = []

    def make(host: str, port: int, *, delay_ms: float = 0, rate_mbit: float = 0) -> Relay:
        relay = Relay(host, port, delay_ms=delay_ms, rate_mbit=rate_mbit)
        made.append(relay)
        return relay

    try:
        yield make
    finally:
        for relay in made:
            relay.close()
