"""The lines of an answer, however it is cut, compressed or not, and what is none."""

from __future__ import annotations

import gzip
import zlib

import pytest

from runicorn_jupyter.http1 import BadResponse
from runicorn_jupyter.remote.answer_lines import AnswerLines
from runicorn_jupyter.streams import END, End
from tests.world.exchanges import cuts

LINES = [b'{"a": 1}', b"", b'{"b": "' + b"x" * 90 + b'"}', b'{"c": 3}']
TEXT = b"\n".join(LINES)


def lines_of(pieces: list[bytes], max_bytes: int = 100, *, is_packed: bool = False) -> AnswerLines:
    """Read the lines of an answer that comes in these pieces."""
    coming = iter(pieces)

    async def read() -> bytes | End:
        return next(coming, END)

    return AnswerLines(read, max_bytes, is_packed=is_packed)


async def all_of(lines: AnswerLines) -> list[bytes]:
    found = []
    while (line := await lines.next()) is not None:
        found.append(line)
    return found


def flushed(lines: list[bytes]) -> list[bytes]:
    """Compress as the viewer's side does: each line can be read when it has come."""
    packing = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    pieces = [packing.compress(line + b"\n") + packing.flush(zlib.Z_SYNC_FLUSH) for line in lines]
    return [*pieces, packing.flush()]


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["without a last end", "with one"])
async def test_lines_are_the_same_however_they_are_cut(end: bytes) -> None:
    for pieces in cuts(TEXT + end):
        assert await all_of(lines_of(pieces)) == LINES
    for pieces in cuts(gzip.compress(TEXT + end)):
        assert await all_of(lines_of(pieces, is_packed=True)) == LINES
    assert await all_of(lines_of([])) == []


async def test_a_compressed_line_is_there_when_it_has_come() -> None:
    first, *rest = flushed(LINES)
    coming = [first]
    lines = lines_of(coming, is_packed=True)
    assert await lines.next() == LINES[0]
    coming += rest
    assert await all_of(lines) == LINES[1:]


@pytest.mark.parametrize("is_packed", [False, True])
async def test_a_line_of_the_greatest_length_and_one_that_is_longer(is_packed: bool) -> None:
    def sent(length: int) -> list[bytes]:
        lines = [b"x" * length, b"y"]
        return flushed(lines) if is_packed else [b"\n".join(lines)]

    assert await all_of(lines_of(sent(100), is_packed=is_packed)) == [b"x" * 100, b"y"]
    with pytest.raises(BadResponse):
        await all_of(lines_of(sent(101), is_packed=is_packed))
    with pytest.raises(BadResponse):
        await lines_of([b"x" * 101], is_packed=False).next()


async def test_what_grows_beyond_all_measure_is_not_kept() -> None:
    lines = lines_of([gzip.compress(b"\n" * 10**7)], is_packed=True)
    for _ in range(1000):
        assert await lines.next() == b""
        assert len(lines._held) <= 100
    endless = lines_of([gzip.compress(b"x" * 10**7)], is_packed=True)
    with pytest.raises(BadResponse):
        await endless.next()
    assert len(endless._held) <= 200


@pytest.mark.parametrize(
    "pieces",
    [
        [b"no gzip"],
        [gzip.compress(TEXT)[:-3]],
        [gzip.compress(TEXT), b"more"],
        [b"\x1f\x8b"],
        [],
    ],
    ids=["none", "cut", "more", "head", "nothing"],
)
async def test_what_is_not_compressed_as_is_said(pieces: list[bytes]) -> None:
    with pytest.raises(BadResponse):
        await all_of(lines_of(pieces, is_packed=True))
