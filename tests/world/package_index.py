"""A package index that is reached through an HTTP proxy alone: its name does not exist."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

HOST = "index.invalid"
ADDRESS = f"http://{HOST}/simple"


class ProxiedIndex(ThreadingHTTPServer):
    """A proxy that knows one host, whose files are wheels.

    Parameters
    ----------
    folder
        With the wheels.

    Attributes
    ----------
    served
        The names of the wheels that were fetched.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.folder = folder
        self.served: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Proxy(BaseHTTPRequestHandler):
    server: ProxiedIndex
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer what a client asks a proxy for: the whole address."""
        asked = urlsplit(self.path)
        kind, name = [*asked.path.strip("/").split("/"), "", ""][:2]
        wheels = {path.name: path for path in self.server.folder.glob("*.whl")}
        if asked.hostname == HOST and kind == "simple":
            own = [wheel for wheel in wheels if wheel.partition("-")[0].lower().replace("_", "-") == name]
            links = "".join(f'<a href="/files/{wheel}">{wheel}</a>' for wheel in own)
            self._answer(200 if own else 404, f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        elif asked.hostname == HOST and kind == "files" and name in wheels:
            if self.command == "GET":
                self.server.served.append(name)
            self._answer(200, wheels[name].read_bytes(), "application/octet-stream")
        else:
            self._answer(404, b"")

    do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

    def _answer(self, status: int, body: bytes, kind: str = "text/html") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxied_index(wheelhouse: Path) -> Iterator[ProxiedIndex]:
    """An index with runicorn, behind a proxy."""
    server = ProxiedIndex(wheelhouse)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
