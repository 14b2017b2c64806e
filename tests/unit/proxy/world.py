"""Servers that answer any bytes, the proxy in a bare Tornado application, and clients that send any bytes."""

from __future__ import annotations

import asyncio
import http.client
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from runicorn_jupyter.errors import ConnectionLost
from runicorn_jupyter.proxy.capabilities import Capabilities
from runicorn_jupyter.proxy.csp import content_security_policy
from runicorn_jupyter.proxy.endpoint import Endpoint
from runicorn_jupyter.proxy.handler import viewer_handlers
from runicorn_jupyter.proxy.pace import Pace
from runicorn_jupyter.proxy.timeouts import Timeouts
from runicorn_jupyter.streams import END, ByteStream, End

BASE_URL = "/user/alice/"
OK = b"HTTP/1.1 200 OK\r\n"
JSON = OK + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SECRET = ("x-runicorn-ticket", "t1cket-of-the-viewer")
TIMEOUTS = Timeouts(first_byte_seconds=10, stall_seconds=10, reconnect_wait_seconds=10, wait_seconds=10)


class Unasked:
    """A ticket whose answer need not prove anything: what answers here is any bytes (`test_proof.py`)."""

    header = SECRET

    def is_proven_by(self, header: Callable[[str], str | None]) -> bool:
        return True


class TcpStream:
    """What the SSH layer's stream is, over plain TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> TcpStream:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=65536))

    async def read(self, max_bytes: int = 262144) -> bytes | End:
        return await self._reader.read(max_bytes) or END

    async def write(self, data: bytes | memoryview) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def write_eof(self) -> None:
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


@dataclass
class Asked:
    """A request as the viewer's side saw it."""

    head: bytes
    body: bytes = b""
    connection: int = 0

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode()

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


Answer = Callable[[Asked, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FakeViewer:
    """A server on loopback in the viewer's place; ``answer`` writes whatever it likes."""

    port: int = 0
    answer: Answer | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def says(self, *pieces: bytes, close: bool = False) -> None:
        """Answer every request with these bytes."""

        async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if close:
                writer.close()

        self.answer = answer

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer, self.connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                asked = Asked(head[:-4], connection=number)
                length = int(asked.headers.get("content-length", "0"))
                asked.body = await reader.readexactly(length)
                self.asked.append(asked)
                assert self.answer is not None
                await self.answer(asked, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self.closed.put_nowait(number)
            self._writers.discard(writer)
            writer.close()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:  # of those that were cancelled before they began
            writer.close()


@asynccontextmanager
async def running_upstream() -> AsyncIterator[FakeViewer]:
    """Run an `FakeViewer`."""
    upstream = FakeViewer()
    server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0, limit=2**20)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.stop()
        await server.wait_closed()


def html_answer(body: bytes, *headers: bytes) -> bytes:
    """Give the bytes of an answer with a page."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return OK + b"Content-Type: text/html\r\n%sContent-Length: %d\r\n\r\n%s" % (lines, len(body), body)


@dataclass
class Answered:
    """An answer as the browser's side saw it."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    raw: bytes


def parse(raw: bytes, method: str = "GET") -> Answered:
    """Parse the bytes of one answer with the standard library's own reader."""

    class _Socket:
        def makefile(self, *_: Any) -> io.BytesIO:
            return io.BytesIO(raw)

    response = http.client.HTTPResponse(_Socket(), method=method)  # type: ignore[arg-type]
    response.begin()
    return Answered(response.status, response.headers, response.read(), raw)


@dataclass
class Proxy:
    """The proxy on loopback, and what it knows."""

    port: int
    capabilities: Capabilities
    capability: str
    endpoint: Endpoint
    connected: asyncio.Event
    waits: list[float] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{BASE_URL}runicorn/v/{self.capability}"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def policy(self) -> str:
        """The policy that every answer below the capability has."""
        return content_security_policy(self.origin, self.path + "/")

    async def send(self, request: bytes, *, method: str = "GET") -> Answered:
        """Send bytes, read one answer, and parse it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length: (\d+)", head, re.IGNORECASE)
            if method == "HEAD" or re.match(rb"HTTP/1.1 (?:204|304|101)", head):
                return parse(head, method)
            return parse(head + (await reader.readexactly(int(length[1])) if length else await reader.read()))
        finally:
            writer.close()
            await writer.wait_closed()

    async def ask(
        self,
        tail: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        path: str | None = None,
    ) -> Answered:
        """Send a request for a path of the viewer's, as a page's script does, with more headers."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", "Sec-Fetch-Dest": "empty"}
        if body or method == "POST":
            lines["Content-Length"] = str(len(body))
        lines.update(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        where = path if path is not None else self.path + tail
        request = f"{method} {where} HTTP/1.1\r\n{head}\r\n"
        return await self.send(request.encode("latin-1") + body, method=method)

    async def visit(self, tail: str = "/") -> Answered:
        """Navigate, as a person's browser does."""
        return await self.ask(tail, headers={"Sec-Fetch-Dest": "document", "Accept": "text/html,*/*;q=0.8"})


@asynccontextmanager
async def running_proxy(
    port: int,
    *,
    timeouts: Timeouts = TIMEOUTS,
    open_stream: Callable[[int], Awaitable[ByteStream]] = TcpStream.open,
    pace: Pace | None = None,
    **settings: Any,
) -> AsyncIterator[Proxy]:
    """Run the proxy before the server at a port, or before what ``open_stream`` opens.

    ``connected`` stands for the SSH connection: while it is not set, nothing can be opened.
    """
    capabilities = Capabilities(pace=pace)
    connected = asyncio.Event()
    connected.set()

    async def open_connected() -> ByteStream:
        if not connected.is_set():
            raise ConnectionLost("The SSH connection is down and is being re-established.")
        return await open_stream(port)

    waits: list[float] = []

    async def wait_connected(seconds: float) -> None:
        waits.append(seconds)
        try:
            async with asyncio.timeout(seconds):
                await connected.wait()
        except TimeoutError:
            raise ConnectionLost("The SSH connection is down and is being re-established.") from None

    ticket = settings.pop("ticket", lambda *_: Unasked())
    places = ["SHA256:host"]
    endpoint = Endpoint(open_connected, wait_connected, ticket, lambda: places[-1], title="gpu <1>")
    options = {"viewer_origin": settings.pop("viewer_origin", "")}
    if "asset_cache_bytes" in settings:
        options["asset_cache_bytes"] = settings.pop("asset_cache_bytes")
    rules = viewer_handlers(capabilities, timeouts=timeouts, **options)
    application = Application(
        [(BASE_URL.rstrip("/") + pattern, *rest) for pattern, *rest in rules],
        **{"base_url": BASE_URL, "compress_response": True, "xsrf_cookies": True, **settings},
    )
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(application)
    server.add_sockets(sockets)
    capability = capabilities.issue(endpoint)
    try:
        yield Proxy(sockets[0].getsockname()[1], capabilities, capability, endpoint, connected, waits, places)
    finally:
        capabilities.revoke(capability)
        server.stop()
        await server.close_all_connections()
