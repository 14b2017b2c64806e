"""A page that believes to live at the root of a host, behind the proxy and in Chromium."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Page

from tests.unit.proxy.world import OK, Asked, FakeViewer, Proxy, html_answer, running_proxy, running_upstream

PAGE = b"""<!doctype html><html><head><title>page</title>
<link rel="stylesheet" href="/style.css"><script src="/classic.js"></script></head>
<body><img id="first" src="/pixel.svg"><a id="link" href="/runs/1">run</a><a id="near" href="#place">near</a>
<div id="place" style="margin-top: 3000px">place</div></body></html>"""
FILES = {
    "/classic.js": (b"text/javascript", b"window.classic = true;"),
    "/style.css": (b"text/css", b"body { color: rgb(1, 2, 3) }"),
    "/pixel.svg": (b"image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'),
    "/module.js": (b"text/javascript", b"import { x } from './other.js'; export const y = x + 1;"),
    "/other.js": (b"text/javascript", b"export const x = 1;"),
    "/worker.js": (
        b"text/javascript",
        b"importScripts('/classic-worker.js');"
        b"onmessage = async (event) =>"
        b" postMessage(event.data + value + await (await fetch('/api/data')).text());",
    ),
    "/classic-worker.js": (b"text/javascript", b"self.value = '+imported+';"),
    "/module-worker.js": (
        b"text/javascript",
        b"import { x } from './other.js'; onmessage = async (event) =>"
        b" postMessage(event.data + x + await (await fetch('/api/data')).text());",
    ),
    "/events": (b"text/event-stream", b"data: an event\n\n"),
    "/api/data": (b"application/json", b'"data"'),
}


async def serve(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a viewer does that believes to live at the root of a host."""
    path = asked.target.partition("?")[0]
    if path == "/events":
        kind, body = FILES[path]
        writer.write(OK + b"Content-Type: %s\r\n\r\n%s" % (kind, body))
        await writer.drain()
        writer.close()
    elif path in FILES:
        kind, body = FILES[path]
        writer.write(OK + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body))
    elif path.startswith("/echo"):
        body = json.dumps([asked.line.split(" ")[0], asked.headers, asked.body.decode()]).encode()
        writer.write(
            OK + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
    elif path.startswith("/missing"):
        writer.write(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
    else:
        writer.write(html_answer(PAGE))


@pytest_asyncio.fixture(loop_scope="session")
async def shimmed() -> AsyncIterator[tuple[Proxy, FakeViewer]]:
    """The proxy before a server of such a page."""
    async with running_upstream() as upstream, running_proxy(upstream.port) as proxy:
        upstream.answer = serve
        yield proxy, upstream


@pytest_asyncio.fixture(loop_scope="session")
async def shown(shimmed: tuple[Proxy, FakeViewer], page: Page) -> Page:
    """The page, loaded."""
    await page.goto(f"{shimmed[0].origin}{shimmed[0].path}/")
    return page
