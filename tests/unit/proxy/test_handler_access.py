"""Who may ask a viewer, for what, and under which host."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.unit.proxy.test_websocket import ASKS
from tests.unit.proxy.world import BASE_URL, JSON, OK, FakeViewer, Proxy, running_proxy


async def test_an_unknown_capability_is_a_404(proxy: Proxy, upstream: FakeViewer) -> None:
    for capability in ("0" * 32, "x", "", proxy.capability.upper(), proxy.capability + "0", "..", "%2e%2e"):
        got = await proxy.ask(path=f"{BASE_URL}runicorn/v/{capability}/api/runs")
        assert got.status == 404, capability
        assert got.headers["Content-Security-Policy"].startswith("sandbox ")
    assert upstream.asked == []


async def test_a_capability_ends_with_its_viewer(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(JSON)
    assert (await proxy.ask("/api/runs")).status == 200
    proxy.capabilities.revoke(proxy.capability)
    got = await proxy.ask("/api/runs")
    assert got.status == 404
    assert got.headers["Content-Security-Policy"] == proxy.policy
    assert await upstream.closed.get() == 1  # idle streams close too


async def test_a_download_ends_with_its_viewer(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(OK + b"Content-Length: 5000000\r\n\r\n" + b"x" * 1000)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(f"GET {proxy.path}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: null\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\nx")
    proxy.capabilities.revoke(proxy.capability)
    await reader.read()
    writer.close()
    assert await upstream.closed.get() == 1


@pytest.mark.parametrize("tail", ["/../x", "/%2e%2e/x", "/a//b", "//", "/a%5cb", "/a\\b", "/%00", "/%zz"])
async def test_a_path_that_is_not_plain_is_a_400(proxy: Proxy, upstream: FakeViewer, tail: str) -> None:
    got = await proxy.ask(tail)
    assert got.status == 400
    assert json.loads(got.body)["error"] == "invalid_parameters"
    assert got.headers["Content-Security-Policy"] == proxy.policy
    assert upstream.asked == []


@pytest.mark.parametrize("tail", ["/api/remote", "/api/remote/connect", "/api/%72emote/connect"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_the_viewers_ssh_client_is_a_403(
    proxy: Proxy, upstream: FakeViewer, tail: str, method: str
) -> None:
    got = await proxy.ask(tail, method)
    assert got.status == 403
    assert upstream.asked == []


@pytest.mark.parametrize(
    "tail",
    [
        "/%5F_runicorn_jupyter__/renew",
        "/__%72unicorn_jupyter__/renew",
        "/__runicorn_jupyter__%2Frenew",
        "/%255F_runicorn_jupyter__/renew",
        "/__runicorn_jupyter__",
        "/__RUNICORN_JUPYTER__/renew",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_viewers_control_is_a_403_however_it_is_written(
    proxy: Proxy, upstream: FakeViewer, tail: str, method: str
) -> None:
    assert (await proxy.ask(tail, method)).status == 403
    assert (await proxy.ask(tail, headers=ASKS)).status == 403
    assert upstream.asked == []


async def test_without_its_slash_it_is_a_redirect(proxy: Proxy) -> None:
    got = await proxy.ask("")
    assert (got.status, got.headers["Location"]) == (302, f"{proxy.path}/")


@pytest.mark.parametrize("path", ["x/", f"{'0' * 32}/", f"{'0' * 32}/api/runs", "", "../"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_another_site_cannot_read_that_we_are_here(proxy: Proxy, path: str, method: str) -> None:
    """Without a capability no answer may be read by a page of another origin, not even a refusal."""
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    got = await proxy.ask(path=f"{BASE_URL}runicorn/v/{path}", method=method, headers=asks)
    assert got.status == 404
    assert not [name for name in got.headers if name.lower().startswith("access-control-")]


async def test_a_page_reads_that_its_viewer_has_ended(proxy: Proxy) -> None:
    proxy.capabilities.revoke(proxy.capability)
    for method in ("GET", "OPTIONS"):
        got = await proxy.ask("/__runicorn_jupyter__/wait", method, {"Origin": "null"})
        assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (404, "*")


async def test_another_host_name_reads_nothing_either(upstream: FakeViewer) -> None:
    """A name of another site that leads to this address is not let in, even by a capability."""
    settings = {"allow_remote_access": False, "local_hostnames": ["localhost"]}
    async with running_proxy(upstream.port, **settings) as proxy:
        got = await proxy.ask("/api/runs", headers={"Host": "rebound.example"})
        assert (got.status, got.headers["Access-Control-Allow-Origin"]) == (403, None)


@pytest.mark.parametrize("length", ["5, 5", "5,5", "+5", "0_5", "-1", "0x5", "", "5 5", "9" * 30])
@pytest.mark.parametrize("tail", ["/api/runs", "/__runicorn_jupyter__/storage"])
async def test_a_length_that_is_no_plain_number_is_a_400(
    proxy: Proxy, upstream: FakeViewer, tail: str, length: str
) -> None:
    request = f"POST {proxy.path}{tail} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\nhello"
    got = await proxy.send(request.encode())
    assert got.status == 400
    assert got.body == b"" or json.loads(got.body)["error"] == "invalid_parameters"
    assert upstream.asked == []


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "BREW"])
async def test_another_method_is_a_405(proxy: Proxy, upstream: FakeViewer, method: str) -> None:
    assert (await proxy.ask("/api/runs", method)).status == 405
    assert upstream.asked == []


async def test_a_preflight_is_answered_here(proxy: Proxy, upstream: FakeViewer) -> None:
    asks = {
        "Origin": "null",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    got = await proxy.ask("/api/runs", "OPTIONS", asks)
    assert (got.status, got.body) == (204, b"")
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in got.headers
    assert "PUT" in got.headers["Access-Control-Allow-Methods"]
    assert upstream.asked == []


async def test_jupyters_host_check_holds(upstream: FakeViewer) -> None:
    upstream.says(JSON)
    settings = {"allow_remote_access": False, "local_hostnames": ["localhost"]}
    async with running_proxy(upstream.port, **settings) as proxy:
        for host, status in {
            "localhost:1": 200,
            "127.0.0.1": 200,
            "[::1]:1": 200,
            "evil.example": 403,
            "a;b": 403,
        }.items():
            got = await proxy.ask("/api/runs", headers={"Host": host})
            assert got.status == status, host
            assert ";b" not in got.headers["Content-Security-Policy"].replace("; ", "")


async def test_the_policy_is_of_the_host_that_the_browser_used(upstream: FakeViewer) -> None:
    upstream.says(JSON)
    async with running_proxy(upstream.port) as proxy:
        forwarded = {"Host": "hub.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        got = await proxy.ask("/api/runs", headers=forwarded)
        assert (
            f"connect-src http://hub.example{proxy.path}/ ws://hub.example{proxy.path}/;"
            in got.headers["Content-Security-Policy"]
        )
    async with running_proxy(upstream.port, viewer_origin="https://hub.example/") as proxy:
        got = await proxy.ask("/api/runs")
        assert (
            f"connect-src https://hub.example{proxy.path}/ wss://hub.example{proxy.path}/;"
            in got.headers["Content-Security-Policy"]
        )
