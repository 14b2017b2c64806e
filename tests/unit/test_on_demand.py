"""Requests for routes whose handlers are not made yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from runicorn_jupyter.on_demand import OnDemand


class Echo(RequestHandler):
    """Answers with the request's path and body."""

    async def post(self) -> None:
        self.finish(self.request.path.encode() + b" " + self.request.body)

    get = post


@dataclass
class Late:
    """A server with a route ``/late/…`` whose handler comes when a test says so."""

    url: str
    client: AsyncHTTPClient
    application: Application
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    made: int = 0
    failures: list[Exception] = field(default_factory=list)
    routes: OnDemand = field(init=False)

    def __post_init__(self) -> None:
        self.routes = OnDemand(self.application, r"/late(?:/.*)?", self.make)

    async def make(self) -> None:
        self.made += 1
        self.asked.set()
        await self.ready.wait()
        if self.failures:
            raise self.failures.pop()
        self.application.add_handlers(".*$", [(r"/late/.*", Echo)])

    def ask(self, path: str, body: str | None = None) -> Awaitable[HTTPResponse]:
        method = "GET" if body is None else "POST"
        return self.client.fetch(self.url + path, method=method, body=body, raise_error=False)


@pytest_asyncio.fixture
async def late() -> AsyncIterator[Late]:
    """A server, and a client of it."""
    application = Application([(r"/soon", Echo)])
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(application)
    server.add_sockets(sockets)
    client = AsyncHTTPClient(force_instance=True)
    yield Late(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", client, application)
    client.close()
    server.stop()
    await server.close_all_connections()


def answered(answers: list[HTTPResponse]) -> list[tuple[int, bytes]]:
    return [(answer.code, answer.body) for answer in answers]


async def test_other_routes_make_nothing(late: Late) -> None:
    assert (await late.ask("/soon")).code == 200
    assert (await late.ask("/later")).code == 404
    assert late.made == 0


async def test_the_first_requests_wait_and_are_answered_whole(late: Late) -> None:
    body = "x" * 300_000  # in more than one piece
    first = [asyncio.ensure_future(late.ask(f"/late/{n}", body)) for n in range(3)]
    await late.asked.wait()
    assert (await late.ask("/soon")).code == 200  # nobody else waits
    late.ready.set()
    expected = [(200, f"/late/{n} {body}".encode()) for n in range(3)]
    assert answered(await asyncio.gather(*first)) == expected
    assert (await late.ask("/late/again")).body == b"/late/again "
    assert late.made == 1


async def test_what_has_no_handler_then_is_not_found(late: Late) -> None:
    late.ready.set()
    assert [(await late.ask("/late")).code for _ in range(2)] == [404, 404]
    assert late.made == 1


async def test_a_failure_is_told_and_the_next_request_tries_again(
    late: Late, caplog: pytest.LogCaptureFixture
) -> None:
    late.ready.set()
    late.failures.append(ImportError("no module of that name"))
    with caplog.at_level(logging.ERROR, "runicorn_jupyter"):
        assert (await late.ask("/late/1")).code == 500
    assert "no module of that name" in caplog.text
    assert (await late.ask("/late/2")).code == 200
    assert late.made == 2


async def test_nothing_is_made_after_the_end(late: Late) -> None:
    late.routes.close()
    assert (await late.ask("/late/1")).code == 404
    assert late.made == 0
