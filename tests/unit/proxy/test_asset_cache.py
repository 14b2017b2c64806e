"""Files named by their content are kept: per host, within bounds, and only when they are whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.proxy.asset_cache import Asset, AssetCache, accepted_codings, is_hashed
from tests.unit.proxy.world import Asked, FakeViewer, Proxy, running_proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\n"
PATH = "/assets/index-CwA3IHQ5.js"


@pytest.mark.parametrize(
    "path",
    [
        PATH,
        "/assets/react-vendor-FHDFfwNw.js",
        "/assets/x-a_-B9zQ1.woff2",
        "/assets/img/logo-12345678.svg",
        "/assets/index-DkoBtEcW.css",
    ],
)
def test_vites_names_are_hashed(path: str) -> None:
    assert is_hashed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/index.html",
        "/api/runs/x-12345678.js",
        "/assets/index.js",
        "/assets/index-1234.js",
        "/assets/a%20b-12345678.js",
        "/x/assets/index-CwA3IHQ5.js",
    ],
)
def test_other_names_are_not(path: str) -> None:
    assert not is_hashed(path)


def test_codings_are_a_set() -> None:
    assert accepted_codings("gzip, deflate, br;q=0.9, zstd") == accepted_codings("ZSTD,br , gzip;q=1")
    assert accepted_codings("gzip;q=0, identity") == accepted_codings("") == ()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5000)), max_size=60))
def test_never_grows_beyond_its_bound(puts: list[tuple[int, int]]) -> None:
    cache = AssetCache(20000)
    for name, size in puts:
        cache.put(("host", str(name), ""), Asset((), bytes(size)))
        assert cache.size <= 20000
        held = [cache.get(("host", str(n), "")) for n in range(10)]
        assert cache.size == sum(asset.size for asset in held if asset is not None)


async def test_a_second_visit_does_not_reach_the_viewer(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(OK + b'ETag: "a"\r\nContent-Length: 5\r\n\r\nhello')
    first, second = await proxy.ask(PATH), await proxy.ask(PATH)
    assert first.body == second.body == b"hello"
    assert len(upstream.asked) == 1
    for got in (first, second):
        assert got.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert got.headers["Content-Type"] == "text/javascript"
        assert got.headers["ETag"] == '"a"'
        assert got.headers["Content-Security-Policy"].startswith("sandbox ")


async def test_compressed_files_stay_compressed_and_apart(proxy: Proxy, upstream: FakeViewer) -> None:
    async def answer(asked: Asked, _: object, writer: object) -> None:
        coding = b"Content-Encoding: gzip\r\n" if "gzip" in asked.headers.get("accept-encoding", "") else b""
        writer.write(
            OK
            + coding
            + b"Vary: Accept-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )  # type: ignore[attr-defined]

    upstream.answer = answer
    for _ in range(2):
        packed = await proxy.ask(PATH, headers={"Accept-Encoding": "gzip, br"})
        plain = await proxy.ask(PATH, headers={"Accept-Encoding": "identity"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
    assert len(upstream.asked) == 2


async def test_no_host_gets_what_another_sent(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: 4\r\n\r\nevil")
    await proxy.ask(PATH)
    upstream.says(OK + b"Content-Length: 4\r\n\r\ngood")
    other = proxy.capabilities.issue(
        type(proxy.endpoint)(
            proxy.endpoint.open_stream,
            proxy.endpoint.wait_connected,
            proxy.endpoint.ticket,
            partition=lambda: "SHA256:other",
        )
    )
    got = await proxy.ask(path=proxy.path.replace(proxy.capability, other) + PATH)
    assert got.body == b"good"
    proxy.capabilities.revoke(other)


async def test_a_copy_of_the_machine_gets_nothing_of_it(proxy: Proxy, upstream: FakeViewer) -> None:
    """The connection came back to another place, which has the same host key."""
    upstream.says(OK + b"Content-Length: 4\r\n\r\ngood")
    await proxy.ask(PATH)
    proxy.places.append("a copy of it")
    upstream.says(OK + b"Content-Length: 4\r\n\r\nevil")
    assert (await proxy.ask(PATH)).body == b"evil"
    proxy.places.append("SHA256:host")
    assert (await proxy.ask(PATH)).body == b"good"


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Cache-Control: no-store\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Cache-Control: private\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Vary: Cookie\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Vary: *\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"\r\nhello",
    ],
    ids=["no-store", "private", "cookies", "anything", "page", "404", "part", "no length"],
)
async def test_what_may_differ_is_not_kept(proxy: Proxy, upstream: FakeViewer, answer: bytes) -> None:
    upstream.says(answer, close=True)
    for _ in range(2):
        await proxy.ask(PATH)
    assert len(upstream.asked) == 2


async def test_half_a_file_is_not_kept(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: 300000\r\n\r\n" + b"x" * 200000, close=True)
    for _ in range(2):
        reader_status = await proxy.ask(PATH, "HEAD")
        assert reader_status.status == 200
    upstream.says(OK + b"Content-Length: 5\r\n\r\nhello")
    assert (await proxy.ask(PATH)).body == b"hello"


async def test_a_cache_of_nothing_keeps_nothing(upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: 5\r\n\r\nhello")
    async with running_proxy(upstream.port, asset_cache_bytes=0) as proxy:
        for _ in range(2):
            assert (await proxy.ask(PATH)).body == b"hello"
    assert len(upstream.asked) == 2


async def test_a_dead_capability_is_given_nothing_from_the_cache(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: 5\r\n\r\nhello")
    await proxy.ask(PATH)
    proxy.capabilities.revoke(proxy.capability)
    assert (await proxy.ask(PATH)).status == 404
