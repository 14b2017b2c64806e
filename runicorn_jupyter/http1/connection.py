"""An HTTP/1.1 client connection over any byte stream, strict about what it accepts.

The parsing is httptools' (Node's llhttp), chosen by measurement: see docs/decisions.md, "HTTP over a
channel". This module adds what a proxy needs: bounds, back-pressure, and no second opinion on framing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools

from runicorn_jupyter.streams import END, ByteStream, End, PumpStream

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

MAX_HEAD_BYTES = 65536
"""The most that all header lines of an answer may be together (as Tornado's default for requests)."""

MAX_INTERIM_RESPONSES = 8
"""How many 1xx answers may come before the real one."""

HELD_BYTES = 4096
"""How much of a line waits for its end: the parser copies what it has of a header at each piece of it."""

READ_BYTES = 262144
"""How much is read at once: what the SSH layer hands over in one piece."""

SWITCHING_PROTOCOLS = 101
_NO_BODY = frozenset({204, 304})


class BadResponse(Exception):
    """The server sent no valid HTTP response."""


class EndedEarly(BadResponse):
    """The server closed the connection before the end of a response."""


class ClosedEarly(EndedEarly):
    """The server closed the connection before the first byte of a response."""


@dataclass(slots=True)
class Head:
    """Status and headers of an answer; header names are lower-case."""

    status: int
    headers: list[tuple[str, str]]
    content_length: int | None
    has_body: bool
    ends_with_stream: bool
    keep_alive: bool

    def get(self, name: str) -> str | None:
        """Return the first value of a header, by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)


class _Message:
    """Callbacks of httptools' parser for one response and the interim responses before it."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.version = ""
        self.keep_alive = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: deque[bytes] = deque()
        self.head_done = False
        self.complete = False
        self.excess = False
        self._size = 0
        self._interim = 0

    def on_message_begin(self) -> None:
        self.excess = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value) + 4
        if self._size > MAX_HEAD_BYTES:
            raise BadResponse("headers are too large")
        if not self.head_done:  # else they are trailers, which nobody here reads
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.head_done:
            return
        # The parser forgets these once the message is complete.
        self.status = self.parser.get_status_code()
        self.version = self.parser.get_http_version()
        self.keep_alive = self.parser.should_keep_alive()
        if 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS:
            self.headers.clear()
            self._interim += 1
            if self._interim > MAX_INTERIM_RESPONSES:
                raise BadResponse("too many interim answers")
        else:
            self.head_done = True

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.body.append(data)

    def on_message_complete(self) -> None:
        self.complete = self.head_done


class Http1Connection:
    """One keep-alive connection; sends requests one after the other.

    Parameters
    ----------
    stream
        Fresh. Closed by `close`, and by nothing else here.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.used = False
        self.closed = False
        self._method = ""
        self._chunked = False
        self._message = _Message()
        self._head: Head | None = None
        self._received = 0
        self._given = 0
        self._done = True
        self._held = bytearray()
        self._line_bytes = 0
        self._waiting: asyncio.Task[bytes | End] | None = None

    # -- the request

    async def send_head(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], *, content_length: int | None = 0
    ) -> None:
        """Send the request line and the headers.

        Parameters
        ----------
        method, target
            Validated by the caller: no white space, no control characters.
        headers
            Validated by the caller, without ``Connection`` and framing.
        content_length
            Bytes of the body that follows; ``None`` sends it in chunks.
        """
        await self.stream.write(self._begin(method, target, headers, content_length))

    async def send_request(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes
    ) -> None:
        """Send a whole request in one write; parameters as `send_head` has them."""
        await self.stream.write(self._begin(method, target, headers, len(body)) + body)

    def _begin(
        self, method: str, target: str, headers: Iterable[tuple[str, str]], content_length: int | None
    ) -> bytes:
        self._method = method
        self._message = _Message()
        self._head = None
        self._received = self._given = self._line_bytes = 0
        self._held.clear()
        self._done = False
        self._chunked = content_length is None
        self.used = True
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        if content_length is None:
            lines.append("transfer-encoding: chunked")
        elif content_length or method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
            lines.append(f"content-length: {content_length}")
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    async def send_body(self, data: bytes) -> None:
        """Send a piece of the body; returns when there is room for more."""
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self.stream.write(data)

    async def end_body(self) -> None:
        """End the request's body."""
        if self._chunked:
            await self.stream.write(b"0\r\n\r\n")

    # -- the answer

    async def read_head(self) -> Head:
        """Wait for status and headers; interim answers but 101 are skipped.

        Raises
        ------
        ClosedEarly
            If the connection closed before anything came.
        EndedEarly
            If it closed before the end of the headers.
        BadResponse
            If it is not HTTP/1, or framed in a way that two readers could read differently.
        """
        while not self._message.head_done:
            if not await self._feed():
                if not self._received:
                    raise ClosedEarly("closed before an answer")
                raise EndedEarly("closed inside the headers")
        self._head = self._check_head()
        self._done = not self._head.has_body
        return self._head

    async def read_body(self) -> bytes | End:
        """Return the next piece of the body, at least one byte; `END` after the last.

        Raises
        ------
        EndedEarly
            If the connection closes before the end of the body.
        BadResponse
            If the body's framing is broken.
        """
        message = self._message
        while not self._done:
            if message.body:
                # All that has arrived at once: a turn of the reader costs more than a byte.
                piece = b"".join(message.body)
                message.body.clear()
                self._given += len(piece)
                return piece
            if message.complete:
                self._done = True
            elif not await self._feed():
                if self._head is None or not self._head.ends_with_stream:
                    raise EndedEarly("the body ended early")
                self._done = True
        return END

    def can_pump(self, at_least: int) -> bool:
        """Return whether so many bytes of the body are still to come, and can bypass the event loop."""
        length = self._head.content_length if self._head is not None and self._head.has_body else None
        return (
            length is not None and length - self._received >= at_least and isinstance(self.stream, PumpStream)
        )

    async def pump(self, sock: socket.socket, stall_seconds: float) -> None:
        """Send the rest of the body to a socket, after all pieces that have arrived were read.

        Parameters
        ----------
        sock
            Where to.
        stall_seconds
            The longest time without a byte, while the socket would take it; then TimeoutError.

        Raises
        ------
        EndedEarly
            If the connection closes before the end of the body.
        ConnectionError
            If the other side of the socket is gone; ConnectionLost if the viewer's is.
        """
        if not isinstance(self.stream, PumpStream) or self._head is None or self._head.content_length is None:
            raise TypeError("only after can_pump()")
        try:
            await self.stream.send_to(sock, self._head.content_length - self._given, stall_seconds)
        except EOFError as exc:
            raise EndedEarly("the body ended early") from exc
        self._message.complete = self._done = True

    @property
    def body_buffered(self) -> bool:
        """Whether all of the body has arrived, so that reading it cannot wait."""
        return self._done or self._message.complete

    @property
    def has_piece(self) -> bool:
        """Whether some of the body has arrived."""
        return bool(self._message.body)

    @property
    def reusable(self) -> bool:
        """Whether another request can follow on this connection."""
        message = self._message
        return (
            not self.closed
            and self._done
            and self._head is not None
            and self._head.keep_alive
            and not message.excess
            and not message.body
        )

    # -- between requests

    def watch(self) -> asyncio.Task[bytes | End]:
        """Start a read while idle; any data, or the end, makes the connection stale.

        The read is kept for the next answer, so nothing is cancelled and nothing lost.
        """
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(self.stream.read(READ_BYTES))
        return self._waiting

    @property
    def stale(self) -> bool:
        """Whether the server closed the connection, or sent data, while idle."""
        return self.closed or (self._waiting is not None and self._waiting.done())

    def close(self) -> None:
        """Close the stream at once, also in the middle of a response."""
        if not self.closed:
            self.closed = True
            self.stream.close()
            if self._waiting is not None:
                self._waiting.cancel()

    async def read_raw(self) -> bytes | End:
        """Return the next bytes after a 101, at least one; `END` after the last."""
        if self._message.body:
            return self._message.body.popleft()
        return await self._read()

    # -- inside

    async def _read(self) -> bytes | End:
        if self._waiting is None:
            return await self.stream.read(READ_BYTES)
        waiting = self._waiting
        try:
            return await waiting
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.closed and task is not None and not task.cancelling():  # `close` ended the read
                raise ConnectionResetError("closed here") from None
            raise
        finally:
            self._waiting = None

    async def _feed(self) -> bool:
        """Read once and parse it; false at the end of the stream."""
        data = await self._read()
        if data is not END:
            self._received += len(data)
            if self._line_bytes and len(self._held) + len(data) < HELD_BYTES and b"\n" not in data:
                self._held += data
                return True
        if self._held:
            line = bytes(self._held)
            self._held.clear()
            self._parse(line if data is END else line + data)
        elif data is not END:
            self._parse(data)
        return data is not END

    def _parse(self, data: bytes) -> None:
        """Parse what was read, and note how long the line is in which it ends, if it does not end in a body.

        Of a head, of trailers and of what frames chunks only whole lines matter.
        """
        message = self._message
        pieces = len(message.body)
        try:
            message.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            # The new protocol's first bytes, if any came in the same read.
            if first := data[exc.args[0] :]:
                message.body.append(first)
        except httptools.HttpParserError as exc:
            if not message.complete:
                raise BadResponse("not HTTP, or badly framed") from exc
            message.excess = True
        is_inside_a_line = len(message.body) == pieces and not data.endswith(b"\n")
        self._line_bytes = self._line_bytes + len(data) if is_inside_a_line else 0
        too_long = not message.head_done and self._received > 2 * MAX_HEAD_BYTES
        if too_long or (self._line_bytes > MAX_HEAD_BYTES and not message.complete):
            raise BadResponse("headers are too large")

    def _check_head(self) -> Head:
        message = self._message
        if not 100 <= message.status <= 599 or message.version not in ("1.1", "1.0"):
            raise BadResponse("an odd status or version")
        headers = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message.headers
        ]
        lengths = [value for name, value in headers if name == "content-length"]
        codings = [value.strip().lower() for name, value in headers if name == "transfer-encoding"]
        if len(lengths) + len(codings) > 1 or codings not in ([], ["chunked"]):
            raise BadResponse("framed twice, or in an unknown way")
        has_body = self._method != "HEAD" and message.status >= 200 and message.status not in _NO_BODY
        ends_with_stream = has_body and not lengths and not codings
        return Head(
            status=message.status,
            headers=headers,
            content_length=int(lengths[0]) if lengths else None,
            has_body=has_body,
            ends_with_stream=ends_with_stream,
            keep_alive=message.keep_alive and not ends_with_stream and message.status >= 200,
        )
