"""Routes whose handlers are made when the first request for one of them comes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.httputil import HTTPMessageDelegate
from tornado.routing import PathMatches, Router, Rule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine, ResponseStartLine

__all__ = ["OnDemand"]

log = logging.getLogger(__name__)


class OnDemand(Router):
    """Holds the first requests for some paths until their handlers are there.

    Parameters
    ----------
    application
        The server's.
    pattern
        The paths' regular expression, with the base URL.
    make
        Adds the handlers to the application; called once, and again by a later request where it failed.
    """

    def __init__(
        self, application: web.Application, pattern: str, make: Callable[[], Awaitable[None]]
    ) -> None:
        self._application = application
        self._make = make
        self._making: asyncio.Future[None] | None = None
        # Not Jupyter's own method, which looks into handlers for how they log people in: this is none, and
        # those that it leads to are looked at when they are added.
        web.Application.add_handlers(application, ".*$", [Rule(PathMatches(pattern), self)])

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """Return what holds the request; None once the handlers, which stand behind this rule, are there."""
        if self._making is not None and self._making.done() and not _has_failed(self._making):
            return None
        return _Held(self, request)

    async def handler_of(self, request: HTTPServerRequest) -> HTTPMessageDelegate:
        """Return what answers a request, after all handlers were made; a 500 where they cannot be."""
        if self._making is None or (self._making.done() and _has_failed(self._making)):
            self._making = asyncio.ensure_future(self._make())
        try:
            await asyncio.shield(self._making)  # others may wait for it, too
        except Exception:
            log.exception("Runicorn's routes cannot be served")
            return self._application.get_handler_delegate(request, web.ErrorHandler, {"status_code": 500})
        return self._application.find_handler(request)

    def close(self) -> None:
        """Make no handlers from now on."""
        if self._making is None:
            self._making = asyncio.get_running_loop().create_future()
            self._making.set_result(None)
        self._making.cancel()


def _has_failed(made: asyncio.Future[None]) -> bool:
    return not made.cancelled() and made.exception() is not None


class _Held(HTTPMessageDelegate):
    """A request whose body is not read before there is a handler for it."""

    def __init__(self, routes: OnDemand, request: HTTPServerRequest) -> None:
        self._routes = routes
        self._request = request
        self._handler = HTTPMessageDelegate()

    async def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        """Wait for the handlers; the connection reads on afterwards."""
        self._handler = await self._routes.handler_of(self._request)
        started = self._handler.headers_received(start_line, headers)
        if started is not None:
            await started

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Pass a part of the body on."""
        return self._handler.data_received(chunk)

    def finish(self) -> None:
        """Tell the handler that the request is whole."""
        self._handler.finish()

    def on_connection_close(self) -> None:
        """Tell the handler, if there is one yet, that nobody waits any more."""
        self._handler.on_connection_close()
