"""The data of a master's channel: whole or lost, both outputs to the same end, and a turn for others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from runicorn_jupyter.ssh.mux import channel as mux_channel
from runicorn_jupyter.ssh.mux.channel import ChannelSockets, MuxChannel
from runicorn_jupyter.ssh.mux.control import ControlConnection
from runicorn_jupyter.streams import END
from tests.unit.ssh.mux.test_messages import framed


class Owner:
    """Takes the place of the connection to a master, which says that it lives when a test lets it."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.forgotten = 0

    def call_later(self, function: Callable[[], None]) -> None:
        function()

    def on_progress(self) -> None:
        pass

    async def lives(self) -> bool:
        return await asyncio.shield(self.answer)

    def forget(self, _channel: MuxChannel) -> None:
        self.forgotten += 1


class World:
    """A channel, the master's ends of its sockets, and what follows it."""

    def __init__(self, streams: int = 3) -> None:
        self.owner = Owner()
        self.news = asyncio.Event()
        ours, self.control = socket.socketpair()
        ours.setblocking(False)
        sockets = ChannelSockets(streams)
        self.input, self.output, *errors = sockets._theirs
        self.errors = errors[0] if errors else None
        self.input.setblocking(False)
        self.channel = MuxChannel(self.owner, ControlConnection(ours), sockets, self.news.set)
        self.following = asyncio.create_task(self.channel.follow())

    async def change(self) -> None:
        await self.news.wait()
        self.news.clear()

    async def close(self) -> None:
        for sock in (self.control, self.input, self.output, self.errors):
            if sock is not None:
                sock.close()
        if not self.owner.answer.done():
            self.owner.answer.set_result(True)
        self.channel.close()
        await self.following


async def test_the_end_is_told_once_the_master_says_that_it_lives() -> None:
    world = World(streams=2)
    world.output.sendall(b"all")
    world.output.close()
    assert world.channel.take(100) == b"all"
    assert world.channel.take(100) is None
    world.owner.answer.set_result(True)
    await world.change()
    assert world.channel.take(100) is END
    assert not world.channel.closed  # the other direction is open
    await world.close()


async def test_what_a_dead_master_cut_off_is_lost_and_no_end() -> None:
    """Its sockets all end with it; that of the data may be seen first."""
    world = World(streams=2)
    world.output.sendall(b"some")
    world.output.close()
    assert world.channel.take(100) == b"some"
    assert world.channel.take(100) is None
    world.owner.answer.set_result(False)
    await world.change()
    with pytest.raises(ConnectionResetError):
        world.channel.take(100)
    await world.close()


async def test_what_came_before_the_loss_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_channel, "TURN_BYTES", 3)
    world = World(streams=2)
    world.output.sendall(b"all before")
    assert world.channel.take(4) == b"all"
    assert world.channel.take(4) is None
    world.channel.on_lost()
    assert world.channel.take(1) == b" "
    assert world.channel.take(3) == b"bef"
    assert world.channel.take(3) == b"ore"  # no turn for others: nothing would wake who waits
    with pytest.raises(ConnectionResetError):
        world.channel.take(100)
    with pytest.raises(ConnectionResetError):
        world.channel.put(memoryview(b"x"))
    await world.close()


async def test_both_outputs_end_together() -> None:
    world = World()
    assert world.errors is not None
    world.owner.answer.set_result(True)
    world.output.close()
    assert world.channel.take(100) is None
    await world.change()
    assert (world.channel.take(100), world.channel.take_errors(100)) == (None, None)
    world.errors.sendall(b"late")
    await world.change()
    assert (world.channel.take(100), world.channel.take_errors(100)) == (END, b"late")
    world.errors.close()
    assert (world.channel.take(100), world.channel.take_errors(100)) == (END, END)
    await world.close()


async def test_a_fast_sender_leaves_the_loop_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_channel, "TURN_BYTES", 1000)
    world = World()
    assert world.errors is not None
    world.owner.answer.set_result(True)
    world.errors.close()
    assert world.channel.take_errors(100) is None
    await world.change()
    world.output.sendall(bytes(2500))
    for size in (1000, 1000, 500):
        part = world.channel.take(10**6)
        assert isinstance(part, bytes)
        assert len(part) == size
        # No end of the one while the other has to wait: that would be news without end.
        assert (world.channel.take(10**6), world.channel.take_errors(100)) == (None, None)
        if size == 1000:
            await world.change()
    await world.close()


async def test_a_writer_waits_for_a_reader_and_goes_on() -> None:
    world = World()
    sent = 0
    while size := world.channel.put(memoryview(bytes(65536))):
        sent += size
    got = len(await asyncio.get_running_loop().sock_recv(world.input, 10**7))
    await world.change()
    assert world.channel.put(memoryview(b"more")) == 4
    world.channel.end()
    with pytest.raises(BrokenPipeError):
        world.channel.put(memoryview(b"after the end"))
    while data := await asyncio.get_running_loop().sock_recv(world.input, 10**7):
        got += len(data)
    assert got == sent + 4
    await world.close()


async def test_the_status_and_the_close_of_a_command() -> None:
    world = World()
    assert world.errors is not None
    world.owner.answer.set_result(True)
    world.control.sendall(framed(0x80000004, 3, 7))
    await world.change()
    assert (world.channel.exit_status, world.channel.closed) == (7, False)
    world.output.close()
    world.errors.close()
    world.channel.take(1)
    await world.change()
    assert (world.channel.take(1), world.channel.take_errors(1)) == (END, END)
    world.channel.close()  # the master tells when the server has closed it, and its place is free
    assert not world.channel.close_received
    world.control.close()
    await world.following
    assert (world.channel.close_received, world.channel.lost, world.owner.forgotten) == (True, False, 1)
    await world.close()


async def test_closing_what_runs_tells_the_master() -> None:
    world = World()
    world.channel.close()
    assert await asyncio.get_running_loop().run_in_executor(None, world.control.recv, 1) == b""
    assert world.channel.take(1) is END
    await world.close()
