"""A real HTTP server on loopback that writes down what it is asked and answers as told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: dict[str, str]


@dataclass
class Recorder:
    """What was asked, and what to answer."""

    url: str
    port: int
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, tuple[int, Any, dict[str, str]]] = field(default_factory=dict)
    default: tuple[int, Any, dict[str, str]] = (200, {"success": True}, {})
    token: str | None = None
    hooks: dict[str, Callable[[], None]] = field(default_factory=dict)

    def answer(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """Answer ``path`` with this from now on; a dict goes as JSON, bytes as they are."""
        self.answers[path] = (
            status,
            body,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )

    def on(self, path: str, hook: Callable[[], None]) -> None:
        """Call ``hook`` each time that ``path`` is asked for."""
        self.hooks[path] = hook


class _Handler(BaseHTTPRequestHandler):
    recorder: Recorder
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw else None
        self.recorder.asked.append(
            Asked(self.command, parts.path, parse_qs(parts.query, keep_blank_values=True), body, headers)
        )
        self.recorder.hooks.get(parts.path, lambda: None)()
        status, answer, extra = self.recorder.answers.get(parts.path, self.recorder.default)
        if self.recorder.token is not None and headers.get("authorization") != f"token {self.recorder.token}":
            status, answer, extra = 403, {"message": "Forbidden", "reason": None}, {}
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **extra,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815  # the base's own words

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's own word
        """Print nothing."""


@contextmanager
def recording_server(socket_path: Path | None = None) -> Iterator[Recorder]:
    """Run one on a free port of 127.0.0.1, or on this Unix socket."""
    handler = type("Handler", (_Handler,), {})
    server: ThreadingHTTPServer | socketserver.ThreadingUnixStreamServer
    if socket_path is None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        port = server.server_address[1]
        handler.recorder = Recorder(f"http://127.0.0.1:{port}", port)
    else:
        server = socketserver.ThreadingUnixStreamServer(str(socket_path), handler)
        handler.recorder = Recorder("http://localhost", 0)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield handler.recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
