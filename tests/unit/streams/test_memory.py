"""The stream in memory keeps the promises of a byte stream."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.streams import END, ByteStream
from runicorn_jupyter.streams.memory import MemoryStream


async def test_each_piece_is_read_by_itself_and_then_comes_the_end() -> None:
    stream: ByteStream = MemoryStream([b"ab", b"c"], ended=True)
    assert [await stream.read(1), await stream.read(9), await stream.read(9)] == [b"a", b"b", b"c"]
    assert await stream.read(9) is END
    assert await stream.read(9) is END


async def test_a_read_waits_for_what_arrives_and_for_the_end() -> None:
    stream = MemoryStream()
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    assert not reading.done()
    stream.feed(b"x")
    assert await reading == b"x"
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    stream.feed_end()
    assert await reading is END


async def test_closing_ends_reading_and_writing() -> None:
    stream = MemoryStream()
    await stream.write(b"sent")
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    stream.close()
    assert await reading is END
    assert stream.sent == b"sent"
    with pytest.raises(BrokenPipeError):
        await stream.write(b"more")


async def test_nothing_is_written_after_the_end_was_said() -> None:
    stream = MemoryStream()
    stream.write_eof()
    assert stream.eof_sent
    with pytest.raises(BrokenPipeError):
        await stream.write(b"more")
