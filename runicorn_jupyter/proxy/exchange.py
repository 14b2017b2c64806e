"""One request of a browser to a viewer, and the means to answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tornado.iostream import IOStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from tornado.httputil import HTTPHeaders, HTTPServerRequest

    from runicorn_jupyter.proxy.asset_cache import AssetCache
    from runicorn_jupyter.proxy.loop_fairness import LoopScheduler
    from runicorn_jupyter.proxy.timeouts import Timeouts


class Responder(Protocol):
    """Writes an answer to the browser."""

    def set_status(self, status_code: int, reason: str | None = None, /) -> None:
        """Set the status."""

    def set_header(self, name: str, value: str, /) -> None:
        """Set a header, in place of any of the same name."""

    def clear_header(self, name: str, /) -> None:
        """Remove a header."""

    def write(self, chunk: bytes, /) -> None:
        """Add a piece of the body; `flush` or `finish` sends it."""

    def flush(self) -> Awaitable[None]:
        """Send what was written; the future is done when the browser's socket has taken it."""

    def finish(self, chunk: bytes | str | None = None, /) -> Awaitable[None]:
        """Send the rest, and end the answer."""

    def detach(self) -> IOStream:
        """Give the browser's connection up to the caller, who closes it; nothing is answered then."""

    def hand_over(self) -> IOStream:
        """Do as `detach`, in the middle of an answer: a browser that leaves still ends the request."""

    async def may_answer(self) -> bool:
        """Wait for the rate limit of the proxy's own answers; False if the connection was closed instead."""

    async def refuse(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        """Answer with an error, within that rate limit."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was checked, and what answers it.

    Parameters
    ----------
    request
        The browser's request, as Tornado read it.
    responder
        Writes the answer.
    tail
        The path below the capability, with its first slash, as the browser sent it.
    target
        The checked path and query to ask the viewer for.
    prefix
        The path of the viewer's URL.
    origin
        This server's origin, as the browser knows it.
    security
        The headers that every answer has.
    cache
        The viewers' static files.
    timeouts
        The proxy's.
    scheduler
        Shares the event loop among all exchanges.
    """

    request: HTTPServerRequest
    responder: Responder
    tail: str
    target: str
    prefix: str
    origin: str
    security: Mapping[str, str]
    cache: AssetCache
    timeouts: Timeouts
    scheduler: LoopScheduler

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method or "GET"

    @property
    def headers(self) -> HTTPHeaders:
        """The request's headers."""
        return self.request.headers

    @property
    def browser(self) -> IOStream | None:
        """The connection to the browser, or None if it is not a stream of Tornado's."""
        stream = getattr(self.request.connection, "stream", None)
        return stream if isinstance(stream, IOStream) else None

    @property
    def is_navigation(self) -> bool:
        """Whether the request is a navigation."""
        return is_navigation(self.headers)


def is_navigation(headers: HTTPHeaders) -> bool:
    """Return whether a request is a navigation, rather than one of a page's own.

    Browsers say so at trustworthy addresses (HTTPS, localhost); elsewhere a page's requests have an
    ``Origin``, because its own is opaque, and a navigation has none.
    """
    destination = headers.get("Sec-Fetch-Dest")
    if destination is not None:
        return destination in ("document", "iframe", "frame", "embed", "object")
    return "Origin" not in headers or "text/html" in headers.get("Accept", "")
