"""Each answer of a viewer's proves itself, and who cannot do that learns nothing and is not believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from runicorn_jupyter.payload.guard import PROOF_HEADER, TICKET_HEADER, Ticket
from tests.unit.proxy.test_websocket import AGREED, ASKS
from tests.unit.proxy.world import Asked, FakeViewer, Proxy, running_proxy

VIEWERS_SECRET = "the-secret-of-the-viewer"
ASSET = "/assets/index-0123abcd.js"
BODY = b"<p>hello"


@dataclass
class Answering:
    """What listens on the port, and what secret it knows."""

    upstream: FakeViewer
    secret: str = VIEWERS_SECRET
    agreed: bool = False

    async def answer(self, asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer with the proof that this secret makes."""
        method, target, _version = asked.line.split(" ")
        nonce = asked.headers[TICKET_HEADER].partition(" ")[0]
        ticket = Ticket(self.secret, self.upstream.port, method, target, nonce=nonce)
        head = AGREED if self.agreed else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(BODY)
        writer.write(b"%s%s: %s\r\n\r\n" % (head, PROOF_HEADER.encode(), ticket.proof.encode()))
        writer.write(b"" if self.agreed else BODY)


@pytest_asyncio.fixture
async def proven(upstream: FakeViewer) -> AsyncIterator[tuple[Proxy, Answering]]:
    """The proxy, and a viewer that knows the secret until it is told another."""

    def ticket(method: str, target: str) -> Ticket:
        return Ticket(VIEWERS_SECRET, upstream.port, method, target)

    answering = Answering(upstream)
    upstream.answer = answering.answer
    async with running_proxy(upstream.port, ticket=ticket) as proxy:
        yield proxy, answering


async def test_the_viewers_answers_pass_on_one_connection(proven: tuple[Proxy, Answering]) -> None:
    proxy, answering = proven
    for method in ("GET", "POST", "GET"):
        got = await proxy.ask("/api/runs?a=1", method)
        assert (got.status, got.body) == (200, BODY)
        assert PROOF_HEADER not in {name.lower() for name in got.headers}
    assert answering.upstream.connections == 1
    tickets = [asked.headers[TICKET_HEADER] for asked in answering.upstream.asked]
    assert len(set(tickets)) == 3


@pytest.mark.parametrize("used_before", [True, False])
async def test_a_strangers_answers_do_not(proven: tuple[Proxy, Answering], used_before: bool) -> None:
    proxy, answering = proven
    if used_before:
        await proxy.ask("/")
    answering.secret = "a guess"
    for tail, method in (("/", "GET"), (ASSET, "GET"), ("/api/runs", "POST"), ("/", "HEAD")):
        got = await proxy.ask(tail, method, body=b"{}" if method == "POST" else b"")
        assert got.status == 502
        assert BODY not in got.body
    assert (await proxy.visit()).status == 502
    answering.agreed = True
    assert (await proxy.ask("/ws", headers=ASKS)).status == 502
    assert not [
        asked for asked in answering.upstream.asked if VIEWERS_SECRET.encode() in asked.head + asked.body
    ]
    # Nothing of it is kept, and the viewer itself is served again.
    answering.secret, answering.agreed = VIEWERS_SECRET, False
    asked_before = len(answering.upstream.asked)
    assert (await proxy.ask(ASSET)).body == BODY
    assert len(answering.upstream.asked) == asked_before + 1


async def test_a_page_does_not_try_again_and_again(proven: tuple[Proxy, Answering]) -> None:
    """A stranger can be reached, so waiting until something can be reached would be no wait."""
    proxy, answering = proven
    answering.secret = "a guess"
    assert b"location.reload" not in (await proxy.visit()).body
