"""The errors that need no SSH server, by a server in this process; the others are in test_errors."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from traitlets.config import Config

from tests.api.envelope import details_of, fields
from tests.world.inprocess import Inside
from tests.world.sshd import make_key


def failed(answer: HTTPResponse, status: int, code: str) -> dict[str, Any]:
    """Check the envelope and give its details."""
    return details_of(answer.code, json.loads(answer.body), (status, code))


async def test_invalid_parameters_names_the_field(inside: Inside) -> None:
    details = failed(await inside.post("connect", host="gpu1", port="22"), 400, "invalid_parameters")
    assert fields(details) == ["port"]


@pytest.mark.parametrize("content", ["missing", "folder", "text", "huge", "public"])
async def test_a_private_key_path_that_is_no_readable_private_key(
    inside: Inside, tmp_path: Path, content: str
) -> None:
    path = tmp_path / content
    if content == "folder":
        path.mkdir()
    elif content == "text":
        path.write_text("not a key")
    elif content == "huge":
        path.write_bytes(b"x" * (64 * 1024 + 1))
    elif content == "public":
        path = Path(f"{make_key(tmp_path / 'pair')}.pub")
    answer = await inside.post("connect", host="127.0.0.1", port=1, private_key_path=str(path))
    assert fields(failed(answer, 400, "invalid_parameters")) == ["private_key_path"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "connections/conn_00000000"),
        ("GET", "environments?connection_id=conn_00000000"),
        ("GET", "viewer/status?connection_id=conn_00000000"),
        ("GET", "viewer/logs?connection_id=conn_00000000"),
        ("GET", "health?connection_id=conn_00000000"),
        ("GET", "ping?connection_id=conn_00000000"),
        ("GET", "config?connection_id=conn_00000000&env_name=x"),
    ],
)
async def test_connection_not_found(inside: Inside, method: str, path: str) -> None:
    failed(await inside.ask(method, f"api/remote/{path}"), 404, "connection_not_found")


@pytest.mark.parametrize("route", ["environments/detect", "viewer/start", "viewer/stop"])
async def test_connection_not_found_for_a_body(inside: Inside, route: str) -> None:
    more = {"env_name": "x"} if route == "viewer/start" else {}
    failed(await inside.post(route, connection_id="conn_00000000", **more), 404, "connection_not_found")


async def test_not_found_and_wrong_method(inside: Inside) -> None:
    failed(await inside.get("no/such/route"), 404, "not_found")
    answer = await inside.ask("PUT", "api/remote/connections")
    failed(answer, 405, "not_found")
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 408), ({"Sec-Fetch-Mode": "cors"}, 504), ({"Origin": "same"}, 504)],
    ids=["a program", "a page", "a page of an old browser"],
)
async def test_connection_timeout_of_a_server_that_accepts_and_says_nothing(
    inside: Inside, headers: dict[str, str], status: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if "Origin" in headers:
            headers = {"Origin": inside.url.removesuffix(inside.app.base_url)}
        body = {"host": "127.0.0.1", "port": port, "timeout": 1}
        answer = await inside.ask("POST", "api/remote/connect", headers=headers, json=body)
        failed(answer, status, "connection_timeout")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
async def test_ssh_unavailable(inside: Inside, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    failed(await inside.post("connect", host=host, port=port), 503, "ssh_unavailable")


async def test_ssh_unavailable_where_something_else_listens(inside: Inside) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        def serve() -> None:
            client, _ = web.accept()
            with client:
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" * 20)

        thread = threading.Thread(target=serve)
        thread.start()
        port = web.getsockname()[1]
        failed(await inside.post("connect", host="127.0.0.1", port=port), 503, "ssh_unavailable")
        thread.join()


async def test_forbidden_without_the_token(inside: Inside) -> None:
    for headers in ({}, {"Authorization": "token wrong"}):
        for method, path in (("GET", "connections"), ("POST", "connect"), ("GET", "nowhere")):
            answer = await inside.ask(method, f"api/remote/{path}", headers=headers, json={}, token=False)
            failed(answer, 403, "forbidden")


async def test_forbidden_from_another_origin(inside: Inside) -> None:
    cookies = await inside.log_in()
    browser = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    own = {**browser, "X-XSRFToken": cookies["_xsrf"]}
    foreign = {**own, "Origin": "http://evil.example"}

    async def ask(method: str, path: str, headers: dict[str, str]) -> HTTPResponse:
        return await inside.ask(method, f"api/remote/{path}", headers=headers, token=False)

    assert (await ask("GET", "connections", browser)).code == 200
    failed(await ask("GET", "connections", foreign), 403, "forbidden")
    failed(await ask("DELETE", "connections/x", foreign), 403, "forbidden")
    failed(await ask("DELETE", "connections/x", browser), 403, "forbidden")
    failed(await ask("DELETE", "connections/x", own), 404, "connection_not_found")


async def test_internal_error_tells_nothing(
    inside: Inside, jp_data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profiles = jp_data_dir / "runicorn" / "profiles.json"
    profiles.mkdir(parents=True)
    answer = await inside.get("profiles")
    failed(answer, 500, "internal_error")
    assert str(profiles) not in answer.body.decode()
    assert str(profiles) in caplog.text


async def test_the_document_is_for_this_base_url(inside: Inside) -> None:
    document = json.loads((await inside.get("openapi.json")).body)
    assert document["servers"] == [{"url": f"{inside.app.base_url}api/remote"}]


class TestMisconfigured:
    """A server with a wrong setting, behind a base URL."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        """A word for a number."""
        jp_server_config.RunicornJupyter.max_connections = "none"
        return jp_server_config

    async def test_says_so(self, inside: Inside, jp_fetch: Any) -> None:
        details = failed(await inside.post("connect", host="127.0.0.1"), 503, "misconfigured")
        assert details == {"settings": ["max_connections"]}
        document = json.loads((await jp_fetch("api", "remote", "openapi.json")).body)
        assert "503" in document["paths"]["/connections"]["get"]["responses"]
