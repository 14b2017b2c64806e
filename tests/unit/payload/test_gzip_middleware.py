"""What is compressed on its way out of a viewer, and what must not be."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from runicorn_jupyter.payload.gzip_middleware import INLINE_BYTES, MIN_BYTES, Compressor

BODY = b'{"loss": 0.123456789}, ' * 2000


async def answer(
    *parts: bytes,
    kind: str = "application/json",
    status: int = 200,
    accept: str = "gzip, br",
    method: str = "GET",
    request: dict[str, str] | None = None,
    **headers: str,
) -> tuple[dict[str, str], list[bytes]]:
    """Return head and parts of what comes out for what an application sends."""
    given = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        raw = tuple((name.encode(), value.encode()) for name, value in given.items())
        await send({"type": "http.response.start", "status": status, "headers": raw})
        for number, part in enumerate(parts):
            more = number + 1 < len(parts)
            await send({"type": "http.response.body", "body": part, "more_body": more})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asked = {"accept-encoding": accept, **(request or {})}
    scope = {
        "type": "http",
        "method": method,
        "headers": [(name.encode(), value.encode()) for name, value in asked.items()],
    }
    await Compressor(app)(scope, None, send)
    assert [message["type"] for message in sent[:1]] == ["http.response.start"]
    assert not sent[-1].get("more_body")
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return head, [message["body"] for message in sent[1:]]


async def test_a_whole_answer_is_compressed_and_its_length_is_told() -> None:
    head, parts = await answer(
        BODY, content_length=str(len(BODY)), etag='"x"', vary="Origin", accept_ranges="bytes"
    )
    assert gzip.decompress(b"".join(parts)) == BODY
    assert head["content-encoding"] == "gzip"
    assert head["content-length"] == str(len(parts[0]))
    assert head["etag"] == 'W/"x"'
    assert head["vary"] == "Origin, Accept-Encoding"
    assert "accept-ranges" not in head


async def test_each_part_of_a_stream_can_be_read_when_it_comes() -> None:
    head, parts = await answer(BODY, b"second", b"", b"last", content_length="50000")
    assert "content-length" not in head
    reader = zlib.decompressobj(31)
    assert [reader.decompress(part) for part in parts] == [BODY, b"second", b"", b"last"]
    assert reader.eof


async def test_a_long_part_does_not_hold_up_the_loop() -> None:
    body = b"0123456789abcdef" * (INLINE_BYTES // 4)
    turned = 0

    async def turn() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    _, parts = await answer(body)
    turning.cancel()
    assert gzip.decompress(b"".join(parts)) == body
    assert turned > 1


@pytest.mark.parametrize("accept", ["gzip", "GZIP;q=0.5", "br, gzip", "deflate,gzip ;q=1.0"])
async def test_who_accepts_gzip_gets_it(accept: str) -> None:
    head, _ = await answer(BODY, accept=accept)
    assert head["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    "changes",
    [
        {"accept": ""},
        {"accept": "br"},
        {"accept": "gzip;q=0"},
        {"accept": "gzip;q=0.000"},
        {"accept": "xgzip"},
        {"kind": "text/html; charset=utf-8"},
        {"kind": "TEXT/HTML"},
        {"kind": "text/event-stream"},
        {"kind": "image/png"},
        {"kind": "application/octet-stream"},
        {"kind": ""},
        {"status": 206},
        {"content_encoding": "br"},
        {"cache_control": "private, no-transform"},
        {"request": {"range": "bytes=0-9"}},
        {"method": "HEAD"},
    ],
    ids=str,
)
async def test_what_is_left_as_it_is(changes: dict[str, Any]) -> None:
    head, parts = await answer(BODY, content_length=str(len(BODY)), **changes)
    assert b"".join(parts) == BODY
    assert head.get("content-encoding") == changes.get("content_encoding")
    assert head["content-length"] == str(len(BODY))


@pytest.mark.parametrize("status", [204, 304])
async def test_what_has_no_body_stays_without(status: int) -> None:
    head, parts = await answer(b"", status=status)
    assert parts == [b""]
    assert "content-encoding" not in head


async def test_little_is_not_worth_it() -> None:
    head, parts = await answer(b"x" * (MIN_BYTES - 1))
    assert "content-encoding" not in head
    assert parts == [b"x" * (MIN_BYTES - 1)]


async def test_other_scopes_pass() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    await Compressor(app)({"type": "websocket"}, 1, 2)
    assert seen == [({"type": "websocket"}, 1, 2)]
