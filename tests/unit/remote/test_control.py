"""Exchanges with a viewer that knows the secret, but whose answers are hostile."""

from __future__ import annotations

import asyncio
import gzip
import re

import pytest
from pydantic import SecretStr

from runicorn_jupyter.remote.control import Control, NotTheViewer
from runicorn_jupyter.remote.viewer_guard import PROOF_HEADER, Ticket

SECRET, PORT = "secret", 4711


class Answering:
    """The other end of a stream: answers each request by a body, with a valid proof."""

    def __init__(self, body: bytes, encoding: str = "identity") -> None:
        self._body = body
        self._encoding = encoding
        self._answer = asyncio.Queue[bytes]()

    async def write(self, data: bytes) -> None:
        """Take a request."""
        head = data.decode("latin-1")
        method, target = head.split(" ")[:2]
        nonce = re.search(r"x-runicorn-ticket: (\w+) ", head, re.IGNORECASE)
        assert nonce
        proof = Ticket(SECRET, PORT, method, target, nonce[1]).proof
        lines = ["HTTP/1.1 200 OK", f"{PROOF_HEADER}: {proof}", f"Content-Encoding: {self._encoding}"]
        lines += [f"Content-Length: {len(self._body)}", "", ""]
        self._answer.put_nowait("\r\n".join(lines).encode() + self._body)

    async def read(self, max_bytes: int = 65536) -> bytes:
        """Give the answer."""
        return await self._answer.get()

    def close(self) -> None:
        """Nothing is open."""


async def ask(body: bytes, encoding: str = "identity") -> dict[str, object]:
    control = Control(Answering(body, encoding), PORT, SecretStr(SECRET), 5.0)
    return await control.ask("runs", max_bytes=10_000)


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
