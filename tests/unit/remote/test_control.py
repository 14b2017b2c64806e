"""Exchanges with a viewer that knows the secret, but whose answers are hostile."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from runicorn_jupyter.errors import MemoryLimit
from runicorn_jupyter.json_text import read_json_object
from runicorn_jupyter.payload.guard import PROOF_HEADER, Ticket
from runicorn_jupyter.remote import control as control_module
from runicorn_jupyter.remote.control import (
    MAX_ANSWER_BYTES,
    MAX_LOOP_BYTES,
    Control,
    NotTheViewer,
    Unanswered,
)
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.streams.memory import MemoryStream
from tests.world.exchanges import cuts

SECRET, PORT = "secret", 4711


async def request_on(stream: MemoryStream) -> bytes:
    """Wait for a whole request, take it off the stream, and return it."""
    await stream.wait_for(lambda: b"\r\n\r\n" in stream.sent)
    request = bytes(stream.sent)
    stream.sent.clear()
    return request


def response_to(request: bytes, body: bytes, *lines: str, chunked: bool = False) -> bytes:
    """Return the bytes by which a viewer that knows the secret answers."""
    head = request.decode("latin-1")
    method, target = head.split(" ")[:2]
    nonce = re.search(r"x-runicorn-ticket: (\w+) ", head, re.IGNORECASE)
    assert nonce
    proof = Ticket(SECRET, PORT, method, target, nonce=nonce[1]).proof
    if chunked:
        framing, body = "Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        framing = f"Content-Length: {len(body)}"
    head = "\r\n".join(["HTTP/1.1 200 OK", f"{PROOF_HEADER}: {proof}", framing, *lines, "", ""])
    return head.encode() + body


async def ask(body: bytes, encoding: str = "identity", **options: Any) -> dict[str, object]:
    stream = MemoryStream()
    control = Control(stream, PORT, SecretStr(SECRET), 60.0)
    asking = asyncio.ensure_future(control.ask("runs", **{"max_bytes": 10_000, **options}))
    stream.feed(response_to(await request_on(stream), body, f"Content-Encoding: {encoding}"))
    return await asking


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
async def test_an_answer_is_understood_however_it_is_cut(chunked: bool) -> None:
    stream = MemoryStream()
    packed = gzip.compress(b'{"a": 1}')

    def response(request: bytes) -> bytes:
        return response_to(request, packed, "Content-Encoding: gzip", chunked=chunked)

    control = Control(stream, PORT, SecretStr(SECRET), 30.0)
    ways = len(list(cuts(response(b"POST / x\r\nx-runicorn-ticket: 0 "))))
    for way in range(ways):  # one after the other on the same stream, as long polling asks
        asking = asyncio.ensure_future(control.ask("runs"))
        request = await request_on(stream)
        stream.feed(*list(cuts(response(request)))[way])
        assert await asking == {"a": 1}


async def test_an_end_before_the_answers_is_an_error_wherever_it_comes() -> None:
    size = len(response_to(b"POST / x\r\nx-runicorn-ticket: 0 ", b'{"a": 1}'))
    for at in range(size):
        stream = MemoryStream()
        control = Control(stream, PORT, SecretStr(SECRET), 30.0)
        asking = asyncio.ensure_future(control.ask("info"))
        stream.feed(response_to(await request_on(stream), b'{"a": 1}')[:at])
        stream.feed_end()
        with pytest.raises(Unanswered):
            await asking


async def test_lines_of_an_answer_are_had_as_they_come_and_another_exchange_follows() -> None:
    stream = MemoryStream()
    control = Control(stream, PORT, SecretStr(SECRET), 30.0)
    lines = control.follow("runs", follow=True)
    coming = asyncio.ensure_future(anext(lines))
    head = response_to(await request_on(stream), b'{"a": 1}\n', chunked=True).removesuffix(b"0\r\n\r\n")
    stream.feed(head)
    assert await coming == {"a": 1}
    coming = asyncio.ensure_future(anext(lines))
    stream.feed(b'9\r\n{"b": 2}\n\r\n')
    assert await coming == {"b": 2}
    stream.feed(b"0\r\n\r\n")
    assert [line async for line in lines] == []
    asking = asyncio.ensure_future(control.ask("info"))
    stream.feed(response_to(await request_on(stream), b'{"c": 3}'))
    assert await asking == {"c": 3}


async def test_who_answers_at_once_says_one_line() -> None:
    stream = MemoryStream()
    lines = Control(stream, PORT, SecretStr(SECRET), 30.0).follow("runs")
    coming = asyncio.ensure_future(anext(lines))
    stream.feed(response_to(await request_on(stream), b'{"a": 1}'))
    assert await coming == {"a": 1}
    assert [line async for line in lines] == []


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (lambda answer: answer.replace(b"proof: ", b"proof: 0"), NotTheViewer),
        (lambda answer: answer.replace(b"200 OK", b"503 No"), NotTheViewer),
        (lambda answer: answer.replace(b"{", b"["), NotTheViewer),
        (lambda answer: answer[:-5], Unanswered),
    ],
    ids=["no proof", "refused", "no JSON", "cut"],
)
async def test_lines_that_are_none(said: Callable[[bytes], bytes], error: type[Exception]) -> None:
    stream = MemoryStream()
    lines = Control(stream, PORT, SecretStr(SECRET), 30.0).follow("runs")
    coming = asyncio.ensure_future(anext(lines))
    stream.feed(said(response_to(await request_on(stream), b'{"a": 1}\n', chunked=True)))
    stream.feed_end()
    with pytest.raises(error):
        assert [await coming, await anext(lines, None)]


async def test_an_answer_may_be_compressed() -> None:
    assert await ask(b'{"a": 1}') == {"a": 1}
    assert await ask(gzip.compress(b'{"a": 1}'), "gzip") == {"a": 1}


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"[" * 9_000, "identity"),
        (b"x" * 20_000, "identity"),
        (gzip.compress(b'{"a": "' + b"x" * 10**6 + b'"}'), "gzip"),
        (gzip.compress(b'{"a": 1}')[:-6], "gzip"),
        (b"no gzip", "gzip"),
        (b"[1]", "identity"),
        (b"\xff", "identity"),
    ],
    ids=["deep", "long", "a bomb", "cut off", "not what it says", "a list", "no text"],
)
async def test_what_is_too_much_or_no_object_is_refused(body: bytes, encoding: str) -> None:
    with pytest.raises(NotTheViewer):
        await ask(body, encoding)


async def test_nothing_long_is_parsed_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[tuple[int, bool]] = []

    def spied(data: bytes, **options: Any) -> dict[str, Any]:
        parsed.append((len(data), threading.current_thread() is threading.main_thread()))
        return read_json_object(data, **options)

    monkeypatch.setattr(control_module, "read_json_object", spied)
    long = b'{"a": "' + b"x" * MAX_LOOP_BYTES + b'"}'
    await ask(b'{"a": 1}')
    await ask(long, max_bytes=MAX_ANSWER_BYTES)
    await ask(gzip.compress(long), "gzip", max_bytes=MAX_ANSWER_BYTES)
    assert parsed == [(8, True), (len(long), False), (len(long), False)]


async def test_an_answer_of_many_values_is_not_parsed() -> None:
    lists = b'{"a": [' + b"[]," * 300 + b"[]]}"
    assert len((await ask(lists, max_values=700))["a"]) == 301  # type: ignore[arg-type]
    with pytest.raises(NotTheViewer, match="more values"):
        await ask(lists, max_values=300)


async def test_what_an_answer_takes_is_counted_before_it_is_parsed() -> None:
    budget = MemoryBudget(100_000, "RunicornJupyter.connection_memory_mb", "the connection to gpu1")
    with budget.share() as share:
        assert await ask(b'{"a": [1, 2]}', memory=share) == {"a": [1, 2]}
        assert 0 < share.used < 5_000
        with pytest.raises(MemoryLimit, match="connection_memory_mb"):
            await ask(b'{"a": [' + b"[]," * 400 + b"[]]}", memory=share)
        with pytest.raises(MemoryLimit):
            await ask(b'{"a": "' + b"x" * 200_000 + b'"}', memory=share, max_bytes=10**6)
    with budget.share() as share:
        small = gzip.compress(b'{"a": [1, 2]}')
        assert await ask(small, "gzip", memory=share) == {"a": [1, 2]}
        assert 0 < share.used < 5_000
        bomb = gzip.compress(b'{"a": "' + b"x" * 900_000 + b'"}')
        with pytest.raises(MemoryLimit):
            await ask(bomb, "gzip", memory=share, max_bytes=10**6)
        assert share.used < 10_000  # it was not unpacked
    assert budget.used == 0


EMPTY_COLUMNS = """
import json, sys
from runicorn_jupyter.json_text import estimate_memory, read_json_object

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

body = {
    "columns": b'{"metrics":{' + b",".join(b'"%x":[]' % i for i in range(200000)) + b'},"total":0}',
    "lists": b'{"a":[' + b"[]," * 300000 + b"0]}",
    "numbers": b'{"a":[' + b"0.123456789012345," * 500000 + b"0]}",
    "texts": b'{"a":[' + b'"",' * 100000 + b'"' + "\U0001f600".encode() + b"x" * 4000000 + b'"]}',
}[sys.argv[1]]
before = resident()
value = read_json_object(body, max_size=len(body))
print(json.dumps({"resident": resident() - before, "estimate": estimate_memory(body)}))
"""


@pytest.mark.parametrize("kind", ["columns", "lists", "numbers", "texts"])
def test_the_estimate_is_not_too_low(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EMPTY_COLUMNS, kind], stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["resident"] <= found["estimate"] + 2**20
