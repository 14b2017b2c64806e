"""A capability is in no log line, whatever happens to its request."""

from __future__ import annotations

import logging

import pytest
from tornado.log import enable_pretty_logging

from tests.unit.proxy.world import Proxy, Upstream


async def test_no_line_holds_the_capability(
    proxy: Proxy, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "canary-of-the-query"
    for answer in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"nonsense",
        b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
    ):
        upstream.says(answer, close=True)
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"):
            await proxy.ask(f"/api/runs?q={secret}", method)
        await proxy.visit()
    for tail in ("/../x", "/api/remote/connect", "", "/__runicorn_jupyter__/wait"):
        await proxy.ask(tail)
    proxy.capabilities.revoke(proxy.capability)
    await proxy.ask("/api/runs")
    assert "[capability]/api/runs" in caplog.text
    assert proxy.capability not in caplog.text
    assert secret not in caplog.text


async def test_not_even_when_the_proxy_itself_fails(
    proxy: Proxy, upstream: Upstream, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    enable_pretty_logging()
    monkeypatch.setattr("runicorn_jupyter.proxy.relay.request_headers", lambda *_: 1 / 0)
    caplog.set_level(logging.DEBUG)
    got = await proxy.ask("/api/runs")
    assert got.status == 500
    assert b"ZeroDivision" not in got.body
    assert "ZeroDivisionError" in caplog.text
    assert proxy.capability not in caplog.text


async def test_a_path_cannot_write_a_line_of_its_own(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for tail in ("/\xe9", "/%1b[2J", "/\\"):
        assert (await proxy.ask(tail)).status == 400
    assert caplog.text.isascii()
    assert "[capability]/?" in caplog.text
    assert "\x1b" not in caplog.text
