"""Viewers' streams are read at the administrator's pace, and nothing of them is lost."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.proxy.pace import PIECE_BYTES, Pace, PacedStream
from runicorn_jupyter.remote.fake import FakeClock
from runicorn_jupyter.streams import END, PumpStream
from runicorn_jupyter.streams.memory import MemoryStream

RATE = 1_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pace(clock: FakeClock) -> Pace:
    return Pace(RATE, clock=clock.monotonic, sleep=clock.sleep)


async def read_all(stream: PacedStream) -> bytes:
    got = bytearray()
    while (piece := await stream.read()) is not END:
        got += piece
    return bytes(got)


async def test_in_the_long_run_all_streams_together_get_the_rate(clock: FakeClock, pace: Pace) -> None:
    bodies = [bytes([number]) * 1_000_000 for number in range(4)]
    reading = [
        asyncio.ensure_future(read_all(PacedStream(MemoryStream([body], ended=True), pace)))
        for body in bodies
    ]
    begun = clock.now
    while not all(task.done() for task in reading):
        await clock.advance(0.25)
        assert clock.now - begun < 60
    # 4 MB at 1 MB/s, less the second that may come at once.
    assert 2.75 <= clock.now - begun <= 3.5
    assert [task.result() for task in reading] == bodies


async def test_what_is_small_waits_no_longer_than_a_round_of_the_others(clock: FakeClock, pace: Pace) -> None:
    large = asyncio.ensure_future(read_all(PacedStream(MemoryStream([bytes(4_000_000)], ended=True), pace)))
    await clock.advance(1)
    small = asyncio.ensure_future(read_all(PacedStream(MemoryStream([b"small"], ended=True), pace)))
    await clock.advance(4 * PIECE_BYTES / RATE)
    assert (small.done(), large.done()) == (True, False)
    large.cancel()


async def test_a_read_that_is_given_up_takes_nothing(clock: FakeClock, pace: Pace) -> None:
    pace.count(2 * RATE)
    stream = PacedStream(MemoryStream([b"kept"], ended=True), pace)
    reading = asyncio.ensure_future(stream.read())
    await clock.advance(0.5)
    assert not reading.done()
    reading.cancel()
    again = asyncio.ensure_future(stream.read())
    await clock.advance(2)
    assert again.result() == b"kept"


async def test_its_other_side_is_the_streams_own_and_nothing_bypasses_it(pace: Pace) -> None:
    below = MemoryStream()
    stream = PacedStream(below, pace)
    assert not isinstance(stream, PumpStream)
    await stream.write(b"asked")
    stream.write_eof()
    stream.close()
    assert (bytes(below.sent), below.eof_sent, below.closed) == (b"asked", True, True)


@pytest.mark.parametrize("rate", [0.001, 1.0])
async def test_however_slow_it_goes_on(clock: FakeClock, rate: float) -> None:
    pace = Pace(rate, clock=clock.monotonic, sleep=clock.sleep)
    stream = PacedStream(MemoryStream([b"a", b"b"], ended=True), pace)
    assert await stream.read() == b"a"
    pace.count(PIECE_BYTES)
    waiting = asyncio.ensure_future(stream.read())
    await clock.advance(2 / rate)
    assert waiting.result() == b"b"
