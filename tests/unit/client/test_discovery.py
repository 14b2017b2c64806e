"""Finding the server: what is believed, in which order, and where a token never goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.client import ApiError, RunicornRemoteClient, discovery
from runicorn_jupyter.client.server import Server, authorization
from runicorn_jupyter.credential_file import credential_path
from tests.unit.recording import Recorder, recording_server


def write_info(
    folder: Path, server: Recorder, *, pid: int | None = None, name: str = "1", **changes: Any
) -> Path:
    """Write a runtime file as jupyter_server does, and let the server ask for its token."""
    server.token = f"token-of-{server.port}"
    info = {
        "base_url": "/",
        "hostname": "127.0.0.1",
        "password": False,
        "pid": os.getpid() if pid is None else pid,
        "port": server.port,
        "root_dir": "/",
        "secure": False,
        "sock": "",
        "token": server.token,
        "url": f"{server.url}/",
        "version": "2.20.0",
        **changes,
    }
    path = folder / f"jpserver-{name}.json"
    path.write_text(json.dumps(info))
    return path


def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_script_finds_the_running_server_and_its_token(runtime_dir: Path, recorder: Recorder) -> None:
    write_info(runtime_dir, recorder)
    recorder.answer("/api/remote/connections", {"success": True, "connections": []})
    with RunicornRemoteClient() as client:
        assert client.list_connections() == []
        assert client.base_url == recorder.url
        assert client.server.source == "runtime file"


def test_without_any_server_upstreams_default_stays(runtime_dir: Path) -> None:
    with RunicornRemoteClient() as client:
        assert client.base_url == "http://localhost:23300"
        assert client.server.token is None


def test_a_server_without_our_extension_is_passed_over(runtime_dir: Path, recorder: Recorder) -> None:
    with recording_server() as other:
        write_info(runtime_dir, recorder, name="2")
        write_info(runtime_dir, other, name="3")
        os.utime(runtime_dir / "jpserver-2.json", (1, 1))  # the other one is newer
        other.answer("/api/remote/openapi.json", b"", 404)
        server = discovery.find_server()
    assert server is not None
    assert server.url == recorder.url
    assert [a.path for a in other.asked] == ["/api/remote/openapi.json"]


def test_servers_on_two_unix_sockets_are_two(runtime_dir: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    with recording_server(first) as without, recording_server(second) as ours:
        # The same URL, and neither has a token: only the socket tells them apart.
        for name, server, path in (("2", ours, second), ("3", without, first)):
            write_info(runtime_dir, server, name=name, sock=str(path), token="")
            server.token = None
        os.utime(runtime_dir / "jpserver-2.json", (1, 1))  # the other one is newer
        without.answer("/api/remote/openapi.json", b"", 404)
        found = discovery.find_server()
        assert found is not None
        assert found.socket_path == str(second)
        assert [len(each.asked) for each in (without, ours)] == [1, 1]


def test_the_newest_server_comes_first(runtime_dir: Path, recorder: Recorder) -> None:
    with recording_server() as newer:
        write_info(runtime_dir, recorder, name="1")
        write_info(runtime_dir, newer, name="2")
        os.utime(runtime_dir / "jpserver-1.json", (1, 1))
        server = discovery.find_server()
    assert server is not None
    assert server.url == newer.url
    assert recorder.asked == []


def test_the_server_that_started_us_comes_before_newer_ones(
    runtime_dir: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording_server() as newer:
        write_info(runtime_dir, recorder, name="1", pid=os.getppid())
        write_info(runtime_dir, newer, name="2")
        os.utime(runtime_dir / "jpserver-1.json", (1, 1))
        monkeypatch.setenv("JPY_PARENT_PID", str(os.getppid()))
        monkeypatch.setenv("JUPYTER_SERVER_URL", f"{newer.url}/")  # left by a terminal of another server
        server = discovery.find_server()
    assert server is not None
    assert server.url == recorder.url


def test_a_kernel_takes_only_the_server_that_lists_it(runtime_dir: Path, recorder: Recorder) -> None:
    with recording_server() as newer:
        write_info(runtime_dir, recorder, name="1")
        write_info(runtime_dir, newer, name="2")
        os.utime(runtime_dir / "jpserver-1.json", (1, 1))
        newer.answer("/api/kernels/abc", {"message": "Kernel does not exist"}, 404)
        strict = discovery.find_server(kernel="abc", strict=True)
        recorder.answer("/api/kernels/abc", {"message": "Kernel does not exist"}, 404)
        nobody = discovery.find_server(kernel="abc", strict=True)
        any_will_do = discovery.find_server(kernel="abc")
    assert strict is not None
    assert strict.url == recorder.url
    assert nobody is None
    assert any_will_do is not None
    assert any_will_do.url == newer.url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"pid": 1}',
        '{"url": 3, "pid": 1, "port": 2}',
        '{"url": "http://[::1/", "pid": %d, "port": 2}',
        "[" * 60000,
        '{"url": "http://127.0.0.1:1", "port": 1, "pid": %d}' + " " * 65536,
    ],
)
def test_broken_runtime_files_are_passed_over(runtime_dir: Path, recorder: Recorder, text: str) -> None:
    (runtime_dir / "jpserver-9.json").write_text(text.replace("%d", str(os.getpid())))
    write_info(runtime_dir, recorder)
    server = discovery.find_server()
    assert server is not None
    assert server.url == recorder.url


def test_a_dead_servers_token_is_never_sent(runtime_dir: Path, recorder: Recorder) -> None:
    write_info(runtime_dir, recorder, pid=dead_pid())
    assert discovery.find_server() is None
    with RunicornRemoteClient(recorder.url) as client, pytest.raises(ApiError, match="login"):
        client.list_hosts()
    assert [a.headers.get("authorization") for a in recorder.asked] == [None]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
@pytest.mark.parametrize("spoil", ["writable by the group", "writable by all", "a link", "a FIFO"])
def test_a_runtime_file_that_others_could_have_made_is_not_believed(
    runtime_dir: Path, recorder: Recorder, tmp_path: Path, spoil: str
) -> None:
    path = write_info(runtime_dir, recorder)
    assert discovery.find_server() is not None
    if spoil.startswith("writable"):
        path.chmod(0o620 if "group" in spoil else 0o602)
    else:
        path.rename(tmp_path / "elsewhere")
        if spoil == "a link":
            path.symlink_to(tmp_path / "elsewhere")
        else:
            os.mkfifo(path, 0o600)
    assert discovery.find_server() is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="giving a file away needs root")
def test_another_users_runtime_file_is_not_believed(runtime_dir: Path, recorder: Recorder) -> None:
    os.chown(write_info(runtime_dir, recorder), 12345, 12345)
    assert discovery.find_server() is None
    assert recorder.asked == []


LISTEN = """
import os, socket, sys
os.setuid(12345)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="needs another user")
def test_a_port_that_another_user_took_over_gets_no_token(runtime_dir: Path, recorder: Recorder) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        write_info(runtime_dir, recorder, port=port, url=f"http://127.0.0.1:{port}/")
        assert discovery.find_server() is None
        assert discovery.server_at(f"http://127.0.0.1:{port}").token is None
        other.communicate()


def test_another_base_url_gets_no_token(runtime_dir: Path, recorder: Recorder) -> None:
    with recording_server() as other:
        write_info(runtime_dir, recorder)
        other.answer("/api/remote/hosts", {"success": True, "hosts": []})
        with RunicornRemoteClient(other.url) as client:
            client.list_hosts()
        assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_servers_own_base_url_gets_its_token(runtime_dir: Path, recorder: Recorder, host: str) -> None:
    write_info(runtime_dir, recorder)
    recorder.answer("/api/remote/hosts", {"success": True, "hosts": []})
    with RunicornRemoteClient(f"http://{host}:{recorder.port}/") as client:
        assert client.list_hosts() == []


def test_a_given_token_wins_and_an_empty_one_means_none(runtime_dir: Path, recorder: Recorder) -> None:
    write_info(runtime_dir, recorder)
    assert discovery.server_at(recorder.url, "mine").token == "mine"
    assert discovery.server_at(recorder.url, "").token is None
    with RunicornRemoteClient(token="mine") as client:
        assert (client.base_url, client.server.token) == (recorder.url, "mine")


def test_the_address_that_jupyter_prints_will_do(runtime_dir: Path) -> None:
    server = discovery.server_at("http://127.0.0.1:8888/user/alice/lab?token=abc")
    assert (server.url, server.token) == ("http://127.0.0.1:8888/user/alice", "abc")
    assert "abc" not in repr(server)


@pytest.mark.parametrize("text", ["localhost:8888", "ssh://gpu", "", "/lab"])
def test_what_is_no_address_is_refused(runtime_dir: Path, text: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        RunicornRemoteClient(text)


def test_the_token_does_not_follow_a_redirect(runtime_dir: Path, recorder: Recorder) -> None:
    with recording_server() as thief:
        recorder.answer("/api/remote/hosts", b"", 302, Location=f"{thief.url}/api/remote/hosts")
        with (
            RunicornRemoteClient(recorder.url, token="secret") as client,
            pytest.raises(ApiError, match="login"),
        ):
            client.list_hosts()
        assert thief.asked == []


def test_the_session_sends_the_token_below_its_server_only(runtime_dir: Path, recorder: Recorder) -> None:
    with (
        recording_server() as other,
        RunicornRemoteClient(f"{recorder.url}/user/alice", token="secret") as client,
    ):
        client.session.get(f"{recorder.url}/user/alice/api/status", timeout=60)
        client.session.get(f"{recorder.url}/user/alicebob/api/status", timeout=60)
        client.session.get(f"{recorder.url}/user/bob/api/status", timeout=60)
        client.session.get(f"{other.url}/user/alice/api/status", timeout=60)
        sent = [a.headers.get("authorization") for a in (*recorder.asked, *other.asked)]
    assert sent == ["token secret", None, None, None]


def test_neither_proxies_nor_netrc_see_a_local_servers_requests(
    runtime_dir: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    recorder.answer("/api/remote/hosts", {"success": True, "hosts": []})
    with recording_server() as proxy:
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        with RunicornRemoteClient(recorder.url, token="secret") as client:
            client.list_hosts()
        assert proxy.asked == []
    assert recorder.asked[0].headers["authorization"] == "token secret"


def test_hub_variables_name_the_server_and_its_token(
    runtime_dir: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.token = "hub-token"
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", f"http://0.0.0.0:{recorder.port}/user/alice/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-token")
    server = discovery.find_server()
    assert server is not None
    assert (server.url, server.source) == (f"http://127.0.0.1:{recorder.port}/user/alice", "hub")
    assert recorder.asked[0].path == "/user/alice/api/remote/openapi.json"


def test_a_terminals_server_url_finds_its_token_in_the_runtime_file(
    runtime_dir: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording_server() as newer:
        write_info(runtime_dir, recorder, name="1")
        write_info(runtime_dir, newer, name="2")
        os.utime(runtime_dir / "jpserver-1.json", (1, 1))
        monkeypatch.setenv("JUPYTER_SERVER_URL", f"{recorder.url}/")
        monkeypatch.setenv("JUPYTER_TOKEN", "of another server")
        server = discovery.find_server()
    assert server is not None
    assert (server.url, server.token) == (recorder.url, recorder.token)


def test_a_wildcard_address_is_reached_by_loopback(runtime_dir: Path, recorder: Recorder) -> None:
    write_info(
        runtime_dir, recorder, hostname="0.0.0.0", url=f"http://a-name-nobody-resolves:{recorder.port}/base/"
    )
    server = discovery.find_server()
    assert server is not None
    assert server.url == f"http://127.0.0.1:{recorder.port}/base"


def test_a_hanging_server_is_given_up(
    runtime_dir: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_PROBE_TIMEOUT", (0.2, 0.2))
    release = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait()

    with HTTPServer(("127.0.0.1", 0), Silent) as silent:
        threading.Thread(target=silent.handle_request, daemon=True).start()
        port = silent.server_address[1]
        write_info(runtime_dir, recorder, name="1")
        write_info(runtime_dir, recorder, name="2", port=port, url=f"http://127.0.0.1:{port}/")
        os.utime(runtime_dir / "jpserver-1.json", (1, 1))
        server = discovery.find_server()
        release.set()
    assert server is not None
    assert server.url == recorder.url


def test_a_process_that_was_given_a_server_keeps_it(runtime_dir: Path, recorder: Recorder) -> None:
    write_info(runtime_dir, recorder)
    private = Server("http://127.0.0.1:1", "t", "private")
    discovery.use_for_process(private)
    try:
        assert discovery.find_server(kernel="abc", strict=True) == private
        with RunicornRemoteClient() as client:
            assert client.server == private
    finally:
        discovery.use_for_process(None)


def leave_credential(runtime_dir: Path, server: Recorder, **content: Any) -> Path:
    """Write a runtime file, and beside it what the extension leaves."""
    write_info(runtime_dir, server)
    path = credential_path(runtime_dir, os.getpid())
    path.write_text(json.dumps({"credential": "of-the-extension", "certificate": None, **content}))
    path.chmod(0o600)
    return path


def test_the_credential_goes_to_the_extension_and_the_token_to_the_rest(
    runtime_dir: Path, recorder: Recorder
) -> None:
    leave_credential(runtime_dir, recorder)
    server = discovery.server_at(recorder.url)
    url = recorder.url
    for path in ("/api/remote/connections", "/api/remote/viewer/start?x=1"):
        assert authorization(server, f"{url}{path}") == "Runicorn of-the-extension"
    for path in ("/api/remoteness", "/api/contents", "/", "/runicorn/v/0/", "/api/remote/../contents"):
        header = authorization(server, f"{url}{path}")
        assert header == f"token {recorder.token}" or ".." in path
    for elsewhere in (
        f"http://127.0.0.1:{recorder.port + 1}",
        "http://example.org",
        "http://127.0.0.1.example.org",
    ):
        assert authorization(server, f"{elsewhere}/api/remote/connections") is None


def test_a_token_that_was_given_is_the_one_that_is_sent(runtime_dir: Path, recorder: Recorder) -> None:
    leave_credential(runtime_dir, recorder)
    server = discovery.server_at(recorder.url, "given")
    assert authorization(server, f"{recorder.url}/api/remote/hosts") == "token given"


@pytest.mark.parametrize(
    "spoil", ["writable by others", "not JSON", "a list", "a line end in it", "a number"]
)
def test_a_credential_that_others_could_have_left_is_not_sent(
    runtime_dir: Path, recorder: Recorder, spoil: str
) -> None:
    path = leave_credential(runtime_dir, recorder)
    assert discovery.server_at(recorder.url).credential == "of-the-extension"
    if spoil == "writable by others":
        path.chmod(0o602)
    else:
        path.write_text(
            {
                "not JSON": "{",
                "a list": "[]",
                "a line end in it": json.dumps({"credential": "a\r\nX: b"}),
                "a number": json.dumps({"credential": 1}),
            }[spoil]
        )
    assert discovery.server_at(recorder.url).credential is None


def test_a_kernel_needs_no_token_to_know_its_own_server(
    runtime_dir: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One behind a password does not say which kernels it has."""
    leave_credential(runtime_dir, recorder)
    recorder.token = None
    recorder.answer("/api/kernels/k", {}, status=403)
    assert discovery.find_server(kernel="k", strict=True) is None
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    found = discovery.find_server(kernel="k", strict=True)
    assert found is not None
    assert found.pid == os.getpid()
    assert discovery.parent_server() == found
    assert recorder.asked[-1].headers["authorization"] == "Runicorn of-the-extension"
