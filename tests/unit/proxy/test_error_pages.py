"""Pages of a viewer: rewritten where they are pages, left alone where they are data."""

from __future__ import annotations

import asyncio
import gzip

from runicorn_jupyter.proxy.html import MAX_HTML_BYTES
from tests.unit.proxy.world import Asked, FakeViewer, Proxy, html_answer


async def test_a_page_gets_the_shim_and_is_never_stored(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(
        html_answer(
            b'<head><script src="/a.js"></script>',
            b'ETag: "a"',
            b"Last-Modified: x",
            b"Cache-Control: public",
        )
    )
    got = await proxy.visit()
    assert got.body.startswith(b"<head><script>(() => {")
    assert got.body.endswith(f'<script src="{proxy.path}/a.js"></script>'.encode())
    assert int(got.headers["Content-Length"]) == len(got.body)
    assert got.headers["Cache-Control"] == "no-store"
    assert "ETag" not in got.headers
    assert "Last-Modified" not in got.headers
    assert got.headers["Content-Security-Policy"] == proxy.policy


async def test_an_encoded_page_is_a_502(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(html_answer(gzip.compress(b"<head>"), b"Content-Encoding: gzip"))
    assert (await proxy.visit()).status == 502


async def test_a_page_is_not_read_without_end(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(html_answer(b"x" * (MAX_HTML_BYTES + 1)))
    assert (await proxy.visit()).status == 502
    upstream.says(html_answer(b"x" * MAX_HTML_BYTES))
    assert (await proxy.visit()).status == 200


async def test_html_that_is_data_is_left_alone(proxy: Proxy, upstream: FakeViewer) -> None:
    """A report that a script fetches, or a person downloads, is no page of the viewer's."""
    report = b'<head><a href="/x">' + b"x" * MAX_HTML_BYTES
    upstream.says(html_answer(report))
    assert (await proxy.ask("/api/report")).body == report
    upstream.says(html_answer(report, b"Content-Disposition: attachment; filename=report.html"))
    got = await proxy.visit("/api/report")
    assert got.body == report
    assert got.headers["Content-Disposition"] == "attachment; filename=report.html"


async def test_a_navigation_is_known_where_browsers_do_not_say_so(proxy: Proxy, upstream: FakeViewer) -> None:
    """Over plain HTTP to another machine there is no Sec-Fetch-Dest; an opaque page's fetch has an Origin."""
    upstream.says(html_answer(b"<head>"))
    page = await proxy.ask("/", headers={"Sec-Fetch-Dest": "", "Accept": "text/html"})
    data = await proxy.ask("/", headers={"Sec-Fetch-Dest": "", "Accept": "*/*", "Origin": "null"})
    assert b"runicornShim" in page.body
    assert data.body == b"<head>"


async def test_the_routes_of_a_page_are_the_page(proxy: Proxy, upstream: FakeViewer) -> None:
    """Runicorn before 0.7 knows ``/`` only; a link to ``/runs/ID`` that opens in a new tab needs more."""

    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        writer.write(html_answer(b"<head>") if asked.target == "/" else missing)

    upstream.answer = answer
    assert b"runicornShim" in (await proxy.visit("/runs/20261124_1")).body
    assert (await proxy.visit("/api/nothing")).status == 404
    assert (await proxy.ask("/runs/20261124_1")).status == 404
