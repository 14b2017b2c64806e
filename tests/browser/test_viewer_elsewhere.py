"""The widget with a viewer whose server the browser cannot reach: its kernel is on another machine."""

from __future__ import annotations

import socket
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.notebook.display import RunicornViewer
from runicorn_jupyter.notebook.viewer_widget import ViewerFrame
from tests.unit.recording import recording_server
from tests.world.browser import Trouble

CONNECTION = {"connection_id": "conn_12345678", "host": "gpu1", "port": 22, "username": "me", "viewer": {}}


def widget_value(url: str) -> str:
    """Return the HTML that a widget shows of a viewer at this URL."""
    with recording_server() as recorder:
        recorder.answer("/api/remote/viewer/status", {"success": True, "viewer": {"url": url}})
        frame = ViewerFrame(RunicornViewer(RunicornRemoteClient(recorder.url), CONNECTION))
    value: str = frame.value
    frame.close()
    return value


async def show(page: Page, url: str) -> None:
    """Put it into the page as ipywidgets does: scripts in it do not run."""
    await page.evaluate("html => { document.body.innerHTML = html }", widget_value(url))


async def test_it_names_the_port_to_forward_and_shows_the_viewer_once_that_is_done(
    page: Page, trouble: Trouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<h1>the viewer</h1>")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as closed:  # bound, so nobody else takes it, and not listening
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        await show(page, f"http://127.0.0.1:{port}/")
        hint = page.get_by_role("status")
        await expect(hint).to_contain_text(f"Forward port {port}.")
        await expect(page.locator("iframe")).to_be_hidden()
        link = page.get_by_role("link", name="Open the viewer in a browser")
        assert await link.get_attribute("href") == f"http://127.0.0.1:{port}/"
    with ThreadingHTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        await hint.get_by_role("button", name="Try again").click()
        await expect(page.frame_locator("iframe").get_by_role("heading")).to_have_text("the viewer")
        await expect(hint).to_be_hidden()
        server.shutdown()
    trouble.failed_requests.clear()
    trouble.console_errors.clear()


async def test_a_viewer_that_is_there_needs_no_hint(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("<h1>the viewer</h1>")
    monkeypatch.chdir(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        await show(page, f"http://127.0.0.1:{server.server_port}/")
        await expect(page.frame_locator("iframe").get_by_role("heading")).to_have_text("the viewer")
        assert await page.get_by_role("status").count() == 0
        server.shutdown()
