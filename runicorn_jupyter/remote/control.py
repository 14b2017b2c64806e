"""How a holder talks to its viewer: small JSON exchanges over the tunnel, each proven by both sides."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, Any, Protocol

import httptools

from runicorn_jupyter.remote.viewer_guard import CONTROL_PATH, Ticket

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import SecretStr

__all__ = ["Control", "NotTheViewer"]

MAX_ANSWER_BYTES = 262144
ANSWER_SECONDS = 10.0
"""A viewer whose event loop turns answers in milliseconds, on a busy machine in seconds; else it hangs."""


class Stream(Protocol):
    """What this needs of ``ssh.stream.Stream``."""

    async def read(self, max_bytes: int = ...) -> bytes:
        """See there."""

    async def write(self, data: bytes) -> None:
        """See there."""

    def close(self) -> None:
        """See there."""


class NotTheViewer(ConnectionError):
    """What listens there has not proven to be our viewer, or does not talk as it does."""


class Control:
    """One stream to the viewer, for exchanges one after the other.

    Parameters
    ----------
    stream
        A fresh tunnel to the viewer's port; closed on leaving the ``async with``.
    port
        The port that it leads to.
    secret
        The viewer's.
    timeout
        Seconds for each exchange.
    """

    def __init__(self, stream: Stream, port: int, secret: SecretStr, timeout: float = ANSWER_SECONDS) -> None:
        self._stream = stream
        self._port = port
        self._secret = secret
        self._timeout = timeout

    async def __aenter__(self) -> Control:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    async def ask(self, action: str, *, max_bytes: int = MAX_ANSWER_BYTES, **body: Any) -> dict[str, Any]:
        """Do one of the viewer's actions (see ``viewer_guard``) and return its answer.

        Parameters
        ----------
        action
            Its name.
        max_bytes
            How long the answer may be, as it comes and when it is no longer compressed.
        **body
            What the action takes.

        Raises
        ------
        NotTheViewer
            If the answer is no such viewer's; what listens there has learned nothing then.
        TimeoutError
            If there is none within the time.
        """
        data = json.dumps(body).encode()
        target = CONTROL_PATH + action
        ticket = Ticket(self._secret.get_secret_value(), self._port, "POST", target)
        head = [f"POST {target} HTTP/1.1", "Host: viewer", "Content-Type: application/json"]
        head += [": ".join(ticket.header), "Accept-Encoding: gzip"]
        head += [f"Content-Length: {len(data)}", "\r\n"]
        answer = _Answer(max_bytes)
        async with asyncio.timeout(self._timeout):
            await self._stream.write("\r\n".join(head).encode() + data)
            while not answer.complete:
                answer.feed(await self._stream.read(65536))
        if not ticket.is_proven_by(answer.headers.get):
            raise NotTheViewer("what listens there does not know the secret")
        if answer.status != 200:
            raise NotTheViewer(f"the viewer refuses {action!r} with status {answer.status}")
        return answer.value()


class _Answer:
    """One HTTP answer as it comes; the parser calls ``on_…``."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.complete = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self._body = bytearray()
        self._received = 0
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._received += len(data)
        if not data or self._received > self._max_bytes:
            raise NotTheViewer(
                "the answer does not end" if data else "the connection was closed without an answer"
            )
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise NotTheViewer("what listens there does not speak HTTP") from error

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self.complete = True
        self.status = self._parser.get_status_code()

    def value(self) -> dict[str, Any]:
        """Return the JSON object that came."""
        body = bytes(self._body)
        if self.headers.get("content-encoding") == "gzip":
            body = _unpacked(body, self._max_bytes)
        return _json_object(body)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacking.decompress(body, max_bytes)
    except zlib.error as error:
        raise NotTheViewer("the answer is not what its encoding says") from error
    if not unpacking.eof:
        raise NotTheViewer("the answer does not end")
    return unpacked


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotTheViewer("the answer is not JSON") from error
    if not isinstance(value, dict):
        raise NotTheViewer("the answer is not an object")
    return value
