"""DNS rebinding, by a resolver of the test's own: a page whose name leads to Jupyter later on."""

from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from tests.browser.lab import LabWorld
from tests.world.browser import start_chromium, stop_chromium

_OWN = "{}.{}".format(*divmod(os.getpid() % 65536, 256))
"""Of loopback's addresses those of this process: a resolver's port cannot be chosen."""
RESOLVER = f"127.53.{_OWN}"
EVIL = f"127.66.{_OWN}"
NAME = "evil.example"
SCRIPT = """async (paths) => {
  // Until the name leads to Jupyter, which does not say what the page's own server says.
  for (;;) {
    try {
      const answer = await fetch('/whose', { cache: 'no-store' });
      if ((await answer.text()) !== 'evil') break;
    } catch {
      // The one server has closed, and the other is not found yet.
    }
    await new Promise((yes) => setTimeout(yes, 200));
  }
  const seen = {};
  for (const path of paths) {
    const answer = await fetch(path, { credentials: 'include' });
    seen[path] = [answer.status, await answer.text()];
  }
  return seen;
}"""


class Resolver(socketserver.BaseRequestHandler):
    """Answers every question of an address by where the name leads now, for no longer than at once."""

    address = EVIL

    def handle(self) -> None:
        question, sock = self.request
        end = question.index(b"\0", 12) + 5
        (kind,) = struct.unpack(">H", question[end - 4 : end - 2])
        answers = 1 if kind == 1 else 0
        head = question[:2] + struct.pack(">HHHHH", 0x8580, 1, answers, 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(type(self).address)
        sock.sendto(head + question[12:end] + record * answers, self.client_address)


class Page(http.server.BaseHTTPRequestHandler):
    """The attacker's server, one connection a request."""

    def do_GET(self) -> None:
        body = b"evil"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="relay")
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a resolver of its own, in a namespace of mounts")
@pytest.mark.timeout(240)
async def test_a_name_that_is_rebound_reaches_nothing(
    lab: LabWorld, runicorn_env: Any, tmp_path: Path
) -> None:
    connection_id = lab.jupyter.post("connect", host="gpu1").json()["connection_id"]
    started = lab.jupyter.post("viewer/start", connection_id=connection_id, env_name=str(runicorn_env()))
    viewer = started.json()["viewer"]["url"]
    port = int(viewer.split("/")[2].rpartition(":")[2])
    paths = [
        "/api/remote/connections",
        "/api/remote/hosts",
        "/api/contents",
        "/" + viewer.split("/", 3)[3],
        "/" + viewer.split("/", 3)[3] + "api/runs",
    ]
    resolv = tmp_path / "resolv.conf"
    resolv.write_text(f"nameserver {RESOLVER}\n")
    Resolver.address = EVIL
    within = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolv)]
    with (
        serving(socketserver.ThreadingUDPServer((RESOLVER, 53), Resolver)),
        serving(http.server.ThreadingHTTPServer((EVIL, port), Page)),
    ):
        chromium = start_chromium(tmp_path / "profile", within)
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.connect_over_cdp(chromium.endpoint)
                page = await browser.new_page()
                await page.goto(f"http://{NAME}:{port}/")
                assert await page.inner_text("body") == "evil"
                Resolver.address = "127.0.0.1"
                seen = await page.evaluate(SCRIPT, paths)
                # The same addresses by Jupyter's own name are there.
                answer = await page.goto(viewer)
                assert answer is not None
                assert answer.status == 200
                await browser.close()
        finally:
            stop_chromium(chromium)
    assert {path: status for path, (status, _) in seen.items()} == dict.fromkeys(paths, 403)
    assert not any(word in json.dumps(seen) for word in (connection_id, "gpu1", "<script"))
