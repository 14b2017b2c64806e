"""The Tornado handler of every viewer URL: checks requests, and maps failures to answers."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import allow_unauthenticated
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import HTTPError, RequestHandler, stream_request_body

from runicorn_jupyter.errors import ConnectionTimeout, RemoteError
from runicorn_jupyter.http1 import BadResponse
from runicorn_jupyter.proxy import error_pages
from runicorn_jupyter.proxy.asset_cache import AssetCache
from runicorn_jupyter.proxy.capabilities import (
    CAPABILITY,
    VIEWERS,
    VIEWERS_PATTERN,
    Capabilities,
    viewer_path,
)
from runicorn_jupyter.proxy.csp import CORS_HEADERS, HOST, PREFLIGHT_HEADERS, security_headers
from runicorn_jupyter.proxy.exchange import Exchange, is_navigation
from runicorn_jupyter.proxy.forwarder import RequestForwarder
from runicorn_jupyter.proxy.headers import LeavesPrefix
from runicorn_jupyter.proxy.html import UnsupportedHtml
from runicorn_jupyter.proxy.local_storage import MAX_PATCH_BYTES
from runicorn_jupyter.proxy.loop_fairness import LoopScheduler
from runicorn_jupyter.proxy.paths import RESERVED, BadPath, ForbiddenPath, check_path, check_query
from runicorn_jupyter.proxy.reserved_routes import answer_reserved_route
from runicorn_jupyter.proxy.timeouts import Timeouts
from runicorn_jupyter.proxy.upstream import MAX_WEBSOCKETS, Upstream
from runicorn_jupyter.proxy.websocket import is_websocket, relay_websocket

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = logging.getLogger(__name__)

_LENGTH = re.compile(r"[0-9]{1,18}")


class Refused(Exception):
    """The request is refused, with this status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@stream_request_body
class ViewerHandler(RequestHandler):
    """Forwards a browser's requests to the viewer of the capability in the path.

    Jupyter's authentication plays no part: the page behind it has an opaque origin and so no cookie,
    and the capability is the authorisation (docs/design.md, "The viewer's origin").
    """

    def initialize(
        self, capabilities: Capabilities, timeouts: Timeouts, scheduler: LoopScheduler, viewer_origin: str
    ) -> None:
        """Store the shared parts, and read the capability from the path."""
        self.capabilities = capabilities
        self._timeouts = timeouts
        self._scheduler = scheduler
        self.upstream: Upstream | None = None
        self._forwarder: RequestForwarder | None = None
        self._exchange: Exchange | None = None
        self._received = bytearray()
        self._worker: asyncio.Task[Any] | None = None
        self._left = False
        self._refused: Refused | None = None
        self._is_read = False
        base_url = self.settings.get("base_url", "/")
        root = base_url + VIEWERS
        capability, slash, rest = self.request.path.removeprefix(root).partition("/")
        self.capability = capability if CAPABILITY.fullmatch(capability) else ""
        self.tail = slash + rest
        self.prefix = viewer_path(base_url, self.capability) if self.capability else root
        host = self.request.host if HOST.fullmatch(self.request.host) else "invalid"
        self.own_origin = viewer_origin.rstrip("/") or f"{self.request.protocol}://{host}"
        ancestors = self.settings.get("runicorn_frame_ancestors", "'self'")
        self.security = security_headers(self.own_origin, self.prefix, ancestors)
        if capabilities.is_known(self.capability) and self._host_allowed():
            self.security = {**self.security, **CORS_HEADERS}
        self.set_default_headers()

    # -- what Tornado asks for

    def set_default_headers(self) -> None:
        """Set the security headers on every answer, errors included."""
        self.clear_header("Server")
        for name, value in getattr(self, "security", {}).items():
            self.set_header(name, value)

    def check_xsrf_cookie(self) -> None:
        """Accept the request: cookies authorise nothing here, so there is nothing to forge."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Accept any origin: a viewer's page has an opaque one, by design."""
        return True

    def compute_etag(self) -> str | None:
        """Return None: the viewer's own ETag is used."""
        return None

    async def prepare(self) -> None:
        """Check the request; send its head to the viewer before a body is read."""
        self._transforms = []  # nothing is compressed, or looked into, on the way
        try:
            self._exchange = self._check()
        except Refused as refused:
            # Tornado closes a connection whose request is answered before it is read, without telling:
            # the next request on it, another one's in a hub's proxy, would be lost. So only if need be.
            self._refused = refused
            if self._has_body:
                await self.refuse(refused.status, refused.code, refused.message)
            return
        if self._has_body and not self._is_reserved:
            await self._guarded(self._forwarding().open())

    async def data_received(self, chunk: bytes) -> None:
        """Forward a piece of the request's body; return when the next one can be taken."""
        if self._forwarder is not None:
            await self._guarded(self._forwarder.send(chunk), ends_with_browser=False)
        elif self._is_reserved and len(self._received) <= MAX_PATCH_BYTES:
            self._received += chunk

    async def _any(self, *_: str) -> None:
        self._is_read = True
        if self._finished:
            return
        if self._refused is not None:
            await self.refuse(self._refused.status, self._refused.code, self._refused.message)
        elif self._is_reserved:
            await self._guarded(answer_reserved_route(self._checked, self._live, bytes(self._received)))
        elif is_websocket(self._checked):
            await self._guarded(self._websocket(self._live))
        else:
            await self._guarded(self._forwarding().answer())

    async def _websocket(self, upstream: Upstream) -> None:
        """Relay a WebSocket, unless the viewer has too many: its pages need streams too."""
        if upstream.websockets >= MAX_WEBSOCKETS:
            message = "This viewer has too many WebSockets open."
            await self.refuse(429, "too_many_requests", message, retry_after=10)
            return
        upstream.websockets += 1
        try:
            refused = await relay_websocket(self._checked, upstream)
        finally:
            upstream.websockets -= 1
        if refused is not None:  # not before: what is held back takes no place
            await self.refuse(*refused)

    get = head = post = put = patch = delete = allow_unauthenticated(_any)

    @allow_unauthenticated
    async def options(self, *_: str) -> None:
        """Answer a CORS preflight: all requests of a sandboxed page are cross-origin."""
        self._is_read = True
        if self._finished:
            return
        if self._refused is not None:
            await self.refuse(self._refused.status, self._refused.code, self._refused.message)
            return
        if not await self.may_answer():
            return
        for name, value in PREFLIGHT_HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Content-Type")
        self.set_status(204)
        self.finish()

    def on_connection_close(self) -> None:
        """Abort the request: the browser has disconnected."""
        super().on_connection_close()
        self._left = True
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None
        if self._forwarder is not None:
            self._forwarder.abort()

    def on_finish(self) -> None:
        """Release the connection to the viewer."""
        if self._forwarder is not None:
            self._forwarder.close()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an unexpected failure, without its cause."""
        if status_code == 405:
            self._answer_error(405, "invalid_parameters", "A viewer takes no request by this method.")
            return
        self._answer_error(
            status_code, "internal_error", "The viewer's proxy failed; see the Jupyter server's log."
        )

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log an exception without the URL, which has the capability."""
        if not isinstance(value, HTTPError):
            log.error("%s failed", self.summary, exc_info=(typ, value, tb))

    def _request_summary(self) -> str:
        return self.summary

    def _log(self) -> None:
        status = self.get_status()
        level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.WARNING
        if log.isEnabledFor(level):
            took = 1000 * (time.time() - self.request._start_time)
            log.log(level, "%d %s (%s) %.2fms", status, self.summary, self.request.remote_ip, took)

    # -- what it does

    @property
    def summary(self) -> str:
        """Method and path for the log, without the capability and without the query."""
        tail = re.sub(r"[^!-~]", "?", self.tail)
        return f"{self.request.method} {self.settings.get('base_url', '/')}{VIEWERS}[capability]{tail}"

    @property
    def _has_body(self) -> bool:
        headers = self.request.headers
        return "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"

    @property
    def _is_reserved(self) -> bool:
        return self.tail.startswith(RESERVED)

    def _check(self) -> Exchange:
        """Check host, capability and path; the exchange has the target that the viewer shall see."""
        if not HOST.fullmatch(self.request.host) or not self._host_allowed():
            raise Refused(403, "forbidden", "This server does not answer to that host name.")
        self.upstream = self.capabilities.upstream(self.capability)
        if self.upstream is None:
            raise Refused(404, "not_found", "This viewer is not there any more; open it again.")
        lengths = self.request.headers.get_list("Content-Length")
        if lengths and (len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0])):
            raise Refused(
                400, "invalid_parameters", "The length of the request's body is not one plain number."
            )
        if not self.tail:
            self.set_header("Location", self.prefix)
            raise Refused(302, "moved", "The viewer is at the address with a slash.")
        try:
            path = check_path(self.tail)
            query = check_query(self.request.query)
        except BadPath as exc:
            raise Refused(400, "invalid_parameters", "The path of this address is not plain.") from exc
        except ForbiddenPath as exc:
            raise Refused(403, "forbidden", "This path of the viewer is closed here.") from exc
        return Exchange(
            request=self.request,
            responder=self,
            tail=self.tail,
            target=f"{path}?{query}" if query else path,
            prefix=self.prefix,
            origin=self.own_origin,
            security=self.security,
            cache=self.capabilities.assets,
            timeouts=self._timeouts,
            scheduler=self._scheduler,
        )

    def _host_allowed(self) -> bool:
        """Jupyter's own check against DNS rebinding (``JupyterHandler.check_host``)."""
        if self.settings.get("allow_remote_access", True):
            return True
        host = self.request.host.rpartition(":")[0] if ":" in self.request.host else self.request.host
        host = host.removeprefix("[").removesuffix("]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host in self.settings.get("local_hostnames", ["localhost"])

    async def _guarded(self, work: Coroutine[Any, Any, None], *, ends_with_browser: bool = True) -> None:
        """Run a part of the request, and answer its failures.

        Parameters
        ----------
        work
            What to do.
        ends_with_browser
            Cancel it when the browser leaves. Not for what runs in the task that reads the request: Tornado
            ends that itself.
        """
        worker = asyncio.current_task()
        self._worker = worker if ends_with_browser else None
        failed: tuple[int, str, str] | None = None
        try:
            await work
        except asyncio.CancelledError:
            if worker is None or not (self._left and ends_with_browser):
                raise
            worker.uncancel()  # it was ours, see `on_connection_close`, and ends here
            self._drop()
        except StreamClosedError:
            self._drop()
        except (BadResponse, LeavesPrefix, UnsupportedHtml) as exc:
            log.warning("%s: the viewer's answer was refused: %s", self.summary, exc)
            failed = 502, "bad_gateway", "The viewer's answer could not be passed on."
        except TimeoutError:
            self._live.endpoint.question()
            failed = 504, "gateway_timeout", "The viewer did not answer in time."
        except ConnectionTimeout as exc:
            status = exc.status_for(is_page=True)
            failed = status, "unreachable", "The server of the viewer did not answer in time."
        except RemoteError as exc:
            failed = exc.status, exc.code, exc.message
        except OSError as exc:
            log.info("%s: the viewer cannot be reached: %s", self.summary, exc)
            failed = 502, "unreachable", "Nothing answers where the viewer was."
        finally:
            self._worker = None
        if failed is not None:
            await self._fail(*failed)

    def _forwarding(self) -> RequestForwarder:
        if self._forwarder is None:
            self._forwarder = RequestForwarder(self._checked, self._live)
        return self._forwarder

    @property
    def _live(self) -> Upstream:
        if self.upstream is None:
            raise RuntimeError("only after the request was checked")
        return self.upstream

    @property
    def _checked(self) -> Exchange:
        if self._exchange is None:
            raise RuntimeError("only after the request was checked")
        return self._exchange

    def _drop(self) -> None:
        """Close the connections to the browser and to the viewer."""
        if self._forwarder is not None:
            self._forwarder.abort()
        if not self._finished:
            self.detach().close()

    def hand_over(self) -> IOStream:
        """Detach the browser's connection within an answer; the caller sends the rest and closes it."""
        stream: IOStream = self.detach()
        stream.set_close_callback(self.on_connection_close)
        self._log()
        return stream

    async def _fail(self, status: int, code: str, message: str) -> None:
        """Answer with an error; abort an answer that has begun, so that it is not taken for complete."""
        if self._forwarder is not None:
            self._forwarder.abort()
        if self._finished:
            return
        if self._headers_written:
            self.detach().close()
            return
        await self.refuse(status, code, message)

    async def may_answer(self) -> bool:
        """Wait for the rate limit of the proxy's own answers; False if the connection was closed instead."""
        throttle = self.upstream.answers if self.upstream is not None else self.capabilities.answers
        if await throttle.wait() and not self._left:
            return True
        self._drop()
        return False

    async def refuse(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        """Answer with an error, within that rate limit."""
        if await self.may_answer():
            self._answer_error(status, code, message, retry_after=retry_after)

    def _answer_error(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        """Answer with an error, as a page to people and as JSON to programs."""
        location = self._headers.get("Location")
        self.clear()
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        if retry_after is not None:
            self.set_header("Retry-After", str(retry_after))
        if not self._is_read:
            self.set_header("Connection", "close")
        if location is not None and status == 302:
            self.set_header("Location", location)
        if (
            is_navigation(self.request.headers)
            and self.upstream is not None
            and code in ("connection_lost", "unreachable")
        ):
            self.set_header("Content-Type", "text/html; charset=utf-8")
            heading = "Reconnecting…" if code == "connection_lost" else "The viewer does not answer"
            text = f"{message} This page goes on by itself."
            body = error_pages.waiting_page(
                self.upstream.endpoint.title or "Runicorn", heading, text, self.prefix + RESERVED[1:] + "wait"
            )
        elif is_navigation(self.request.headers) and "text/html" in self.request.headers.get("Accept", ""):
            self.set_header("Content-Type", "text/html; charset=utf-8")
            body = error_pages.message_page("Runicorn", message, "")
        else:
            self.set_header("Content-Type", "application/json")
            body = json.dumps({"success": False, "error": code, "message": message}).encode()
        self.finish(body)


def viewer_handlers(
    capabilities: Capabilities,
    *,
    viewer_origin: str = "",
    asset_cache_bytes: int = 256 * 2**20,
    timeouts: Timeouts | None = None,
) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Return Tornado's rule for the viewers, without the base URL.

    Parameters
    ----------
    capabilities
        The capabilities and their viewers.
    viewer_origin
        This server's origin for browsers, ``scheme://host[:port]``; default: the request's.
    asset_cache_bytes
        Size limit of the cache of static files, in bytes.
    timeouts
        Default: those of `Timeouts`.
    """
    capabilities.assets = AssetCache(asset_cache_bytes)
    shared = {
        "capabilities": capabilities,
        "timeouts": timeouts or Timeouts(),
        "scheduler": LoopScheduler(),
        "viewer_origin": viewer_origin,
    }
    return [(VIEWERS_PATTERN, ViewerHandler, shared)]
