"""A command's output is whole, however reads cut it and whenever its end comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runicorn_jupyter.remote.bootstrap import answer_after
from runicorn_jupyter.ssh.channels import exec_channel
from runicorn_jupyter.ssh.transport.channel import STDERR, Channel
from runicorn_jupyter.ssh.transport.notifier import Notifier
from tests.unit.ssh.loopless import message, opened, taken, watched
from tests.world.exchanges import cuts

BOOTED = b'motd without newline\nmark {"port": 4711}\n'


class OneSession:
    """Takes the place of a connection's sessions: gives a channel that a test feeds."""

    def __init__(self) -> None:
        self.channel, _ = opened(window=2**20, packet=2**15)
        self.notifier = watched(self.channel)

    @contextlib.asynccontextmanager
    async def command(self, _text: str) -> AsyncIterator[tuple[Channel, Notifier]]:
        yield self.channel, self.notifier

    async def hears(self, data: bytes) -> None:
        """Let output arrive, and wait until it is taken."""
        self.channel.on_data(message(data))
        await taken(self.channel)


async def run(session: OneSession) -> asyncio.Task[exec_channel.Completed]:
    """Begin to run a command on a session."""
    relay: Any = session
    return asyncio.create_task(exec_channel.run(relay, "x", b"", 30, 10_000))


@pytest.mark.parametrize("end", ["eof", "close"])
async def test_the_boots_ready_line_is_found_however_it_is_cut(end: str) -> None:
    for pieces in cuts(BOOTED):
        session = OneSession()
        running = await run(session)
        for piece in (b"", *pieces, b""):
            await session.hears(piece)
        session.channel.on_extended_data(message(STDERR, b"said"))
        if end == "eof":
            session.channel.on_eof(message())
            assert not running.done()
        session.channel.on_request(message("exit-status", False, 0))
        session.channel.on_close(message())
        done = await running
        assert (done.stdout, done.stderr, done.exit_status) == (BOOTED, b"said", 0), pieces
        assert answer_after(done.stdout, "mark") == {"port": 4711}


async def test_an_answer_that_ends_early_is_none_wherever_it_ends() -> None:
    for size in range(len(BOOTED) - 2):
        session = OneSession()
        running = await run(session)
        await session.hears(BOOTED[:size])
        session.channel.on_close(message())
        assert answer_after((await running).stdout, "mark") is None


async def test_a_connection_that_is_lost_in_the_middle_is_an_error() -> None:
    session = OneSession()
    running = await run(session)
    await session.hears(BOOTED)
    session.channel.on_lost()
    with pytest.raises(ConnectionResetError):
        await running
