"""What the server says as it happens: Jupyter events, read on one thread for the whole kernel."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import random
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.netutil import Resolver
from tornado.websocket import WebSocketClientConnection, WebSocketError, websocket_connect

from runicorn_jupyter.client.server import Server, authorization
from runicorn_jupyter.client.transport import pinned_context

__all__ = ["RESYNC", "SCHEMA_ID", "Event", "EventStream", "event_stream"]

SCHEMA_ID = "https://schema.runicorn.dev/remote/v1"
"""The id of the schema of this extension's events."""

RESYNC = "resync"
"""The type of the event that the stream itself makes: connected again, some may have been missed."""

_CONNECT_SECONDS = 10.0
_PING_SECONDS = 20.0
"""Seconds between WebSocket pings; one unanswered within as many ends the connection."""

_RETRY_SECONDS = (0.5, 5.0)
"""Bounds of the growing, jittered pause before connecting again."""

_MAX_MESSAGE_BYTES = 1 << 20

Event = dict[str, Any]
Listener = Callable[[Event], None]

_log = logging.getLogger(__name__)


class EventStream:
    """Subscribes to a server's events and hands ours to the listeners.

    It connects when the first listener comes, connects again when it is cut off, and ends when the
    last one goes.

    Parameters
    ----------
    server
        The Jupyter server to listen to.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._reader: _Reader | None = None

    def subscribe(self, listener: Listener, *, wait: float = 0) -> Callable[[], None]:
        """Call ``listener`` with each event, on the stream's thread.

        Parameters
        ----------
        listener
            Takes an event as the schema describes it; must return soon.
        wait
            Seconds to wait at most until the stream is connected, so that no event from now on is missed.

        Returns
        -------
        callable
            Ends the subscription.
        """
        with self._lock:
            self._listeners.append(listener)
            if self._reader is None:
                self._reader = _Reader(self.server, self._dispatch)
            reader = self._reader
        if wait:
            reader.connected.wait(wait)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)
                if not self._listeners and self._reader is not None:
                    self._reader.stop()
                    self._reader = None

        return unsubscribe

    def _dispatch(self, event: Event) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - one listener's mistake is not the others'
                _log.exception("A listener to Runicorn's events failed")


class _Reader:
    """One thread with one WebSocket."""

    def __init__(self, server: Server, dispatch: Listener) -> None:
        self.connected = threading.Event()
        self._server = server
        self._dispatch = dispatch
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        threading.Thread(target=self._run, daemon=True, name="runicorn-events").start()

    def stop(self) -> None:
        """End the thread, from any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._read())

    async def _read(self) -> None:
        pause, longest = _RETRY_SECONDS
        was_connected = False
        while not self._stop.is_set():
            try:
                opened = await websocket_connect(
                    self._request(),
                    ping_interval=_PING_SECONDS,
                    ping_timeout=_PING_SECONDS,
                    max_message_size=_MAX_MESSAGE_BYTES,
                    resolver=_UnixResolver(path=path) if (path := self._server.socket_path) else None,
                )
            except (OSError, HTTPClientError, WebSocketError) as exc:
                _log.debug("No events from the Jupyter server: %s", exc)
            else:
                pause = _RETRY_SECONDS[0]
                if was_connected:
                    self._dispatch({"type": RESYNC})
                was_connected = True
                self.connected.set()
                await self._read_socket(opened)
                self.connected.clear()
            with suppress(TimeoutError):
                # Jittered, so that many kernels do not come back at once.
                await asyncio.wait_for(self._stop.wait(), pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(pause * 2, longest)

    async def _read_socket(self, opened: WebSocketClientConnection) -> None:
        closing = asyncio.ensure_future(self._close_when_stopped(opened))
        # Closing has the server's answer, or Tornado's time limit, end the messages.
        while (message := await opened.read_message()) is not None:
            event = json.loads(message)
            if isinstance(event, dict) and event.get("schema_id") == SCHEMA_ID:
                self._dispatch(event)
        closing.cancel()
        opened.close()

    async def _close_when_stopped(self, opened: WebSocketClientConnection) -> None:
        await self._stop.wait()
        opened.close()

    def _request(self) -> HTTPRequest:
        server = self._server
        # Jupyter's own route asks for its token; ours, which older versions lack, takes the credential, too.
        url = f"{server.url}/api/{'remote/events' if server.credential else 'events/subscribe'}"
        header = authorization(server, url)
        return HTTPRequest(
            "ws" + url.removeprefix("http"),
            headers={"Authorization": header} if header else {},
            connect_timeout=_CONNECT_SECONDS,
            ssl_options=pinned_context(server.certificate) if server.certificate else None,
            follow_redirects=False,  # the token is for this server only
        )


class _UnixResolver(Resolver):
    """Resolves every name to a Unix socket, for Tornado's WebSocket client."""

    def initialize(self, path: str) -> None:
        """Take the socket's path."""
        self._path = path

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, str]]:
        """Return the socket's address."""
        if sys.platform == "win32":
            raise OSError(errno.EAFNOSUPPORT, "Python has no Unix sockets on Windows")
        return [(socket.AF_UNIX, self._path)]


_streams: dict[tuple[str, str | None], EventStream] = {}
_streams_lock = threading.Lock()


def event_stream(server: Server) -> EventStream:
    """Return the stream that this process shares for a server.

    Parameters
    ----------
    server
        The Jupyter server to listen to.
    """
    with _streams_lock:
        place = (server.url, server.socket_path)
        stream = _streams.get(place)
        if stream is None or stream.server != server:
            stream = _streams[place] = EventStream(server)
        return stream
