"""The relay over stdio understands both directions the same, however reads cut them."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.payload import relay as remote_relay
from runicorn_jupyter.payload.relay import CLOSE, EOF, HEAD, OPEN
from runicorn_jupyter.payload.relay import DATA as DATA_FRAME
from runicorn_jupyter.ssh.channels.stream import Stream
from runicorn_jupyter.ssh.relay.client import RelayClient, wait_ready
from runicorn_jupyter.ssh.transport.channel import DATA
from runicorn_jupyter.streams import END
from runicorn_jupyter.streams.memory import MemoryStream
from tests.unit.ssh.loopless import Recorder, message, opened, taken, watched
from tests.world.exchanges import cuts


def frame(number: int, kind: int, body: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return HEAD.pack(number, kind, len(body)) + body


TOLD = frame(1, OPEN) + frame(1, DATA_FRAME, b"hel") + frame(1, DATA_FRAME) + frame(1, DATA_FRAME, b"lo")


async def read_all(stream: Stream) -> bytes:
    data = b""
    while (piece := await stream.read()) is not END:
        assert piece, "an empty piece says nothing"
        data += piece
    return data


async def begin(relay: RelayClient, recorder: Recorder) -> asyncio.Task[Stream]:
    """Ask for a stream, and return when the relay there has been asked."""
    opening = asyncio.create_task(relay.open_tcp("127.0.0.1", 80, 5))
    while not recorder.of(DATA):
        await asyncio.sleep(0)
    return opening


@pytest.mark.parametrize("end", [EOF, CLOSE], ids=["eof", "close"])
async def test_what_a_relay_sends_is_understood_however_it_is_cut(end: int) -> None:
    for pieces in cuts(TOLD + frame(1, end)):
        channel, recorder = opened(window=2**20, packet=2**15)
        notifier = watched(channel)
        relay = RelayClient(channel, notifier, Stream(channel, notifier))
        opening = await begin(relay, recorder)
        for piece in pieces:  # each is read before the next comes
            channel.on_data(message(piece))
            await taken(channel)
        stream = await opening
        assert await read_all(stream) == b"hello", pieces
        stream.close()
        channel.on_close(message())
        await asyncio.wait([relay.serving])


async def test_a_quiet_stream_of_a_relay_has_not_ended() -> None:
    channel, recorder = opened(window=2**20, packet=2**15)
    notifier = watched(channel)
    relay = RelayClient(channel, notifier, Stream(channel, notifier))
    opening = await begin(relay, recorder)
    channel.on_data(message(frame(1, OPEN) + frame(1, DATA_FRAME)))
    stream = await opening
    reading = asyncio.ensure_future(stream.read())
    channel.on_data(message(b""))
    await stream.write(b"up")
    assert frame(1, DATA_FRAME, b"up") in b"".join(recorder.of(DATA))
    assert not reading.done()
    channel.on_data(message(frame(1, DATA_FRAME, b"down")))
    assert await reading == b"down"
    stream.close()
    channel.on_close(message())
    await asyncio.wait([relay.serving])


@pytest.mark.parametrize(
    "noise", [b"", b"Welcome!\n", b"no newline \xff\n\n"], ids=["quiet", "motd", "bytes"]
)
async def test_the_first_line_is_found_however_it_is_cut_and_nothing_after_it_is_read(noise: bytes) -> None:
    for pieces in cuts(noise + b"mark ready\n" + TOLD):
        stream = MemoryStream(pieces)
        assert await wait_ready(stream, "mark"), pieces
        rest = b""
        while len(rest) < len(TOLD):
            piece = await stream.read()
            assert piece is not END
            rest += piece
        assert rest == TOLD, pieces


@pytest.mark.parametrize("size", range(len(b"mark ready\n")))
async def test_a_relay_that_ends_before_its_first_line_is_not_ready(size: int) -> None:
    assert not await wait_ready(MemoryStream([b"mark ready\n"[:size]], ended=True), "mark")


def test_what_the_relay_there_is_told_is_understood_however_it_is_cut() -> None:
    frames = [(1, DATA_FRAME, b"hel"), (2, EOF, b""), (1, DATA_FRAME, b"lo"), (70000, CLOSE, b"")]

    class Recording(remote_relay.RelayServer):
        def __init__(self) -> None:
            super().__init__()
            self.heard: list[tuple[int, int, bytes]] = []

        def obey(self, number: int, kind: int, body: bytes) -> None:
            self.heard.append((number, kind, body))

    for pieces in cuts(b"".join(frame(*each) for each in frames)):
        relay = Recording()
        for piece in pieces:
            assert relay.take(piece)
        assert relay.heard == frames, pieces
        assert not relay.take(b"")  # the end of its standard input, as the system says it
