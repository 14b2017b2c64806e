"""The viewer's life on a real remote: boot, adopt, hold, leave; and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httptools
import pytest

from runicorn_jupyter.errors import (
    EnvironmentNotFound,
    InvalidParameters,
    RunicornNotInstalled,
    ViewerStartFailed,
)
from runicorn_jupyter.payload.guard import PROOF_HEADER, Purpose, Ticket
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.streams import END
from tests.world.connections import Connect
from tests.world.remote import environment, is_running, until, viewer_pids
from tests.world.sshd import Sshd

Prefix = Callable[..., Path]


class Answer:
    """One HTTP answer of a viewer."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.complete = True


async def get(
    connection: Connection,
    port: int,
    path: str,
    *,
    secret: str | None = None,
    method: str = "GET",
    purpose: Purpose = Purpose.PAGE,
    body: str = "",
    **headers: str,
) -> Answer:
    """Ask a viewer through a tunnel."""
    stream = await connection.open_tunnel("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", "Host: viewer", "Connection: close"]
    if secret is not None:
        name, value = Ticket(secret, port, method, path, purpose=purpose).header
        headers[name] = value
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    await stream.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    answer = Answer()
    while not answer.complete and (data := await stream.read()) is not END:
        answer.parser.feed_data(data)
    stream.close()
    return answer


async def test_a_viewer_runs_with_each_runicorn(
    connection: Connection, remote: Sshd, each_runicorn: tuple[str, Path], finished_runs: Prefix
) -> None:
    version, prefix = each_runicorn
    root = finished_runs(version)
    steps: list[str] = []
    viewer = await SshViewerClient.start(
        connection, environment(prefix), str(root), lease_seconds=60, on_step=steps.append
    )
    assert steps == ["starting", "attaching"]
    assert not viewer.adopted
    assert viewer.runicorn_version == version
    assert viewer.remote_root == str(root)
    assert viewer_pids(remote) == [viewer.pid]
    assert await viewer.check() == "running"
    secret = viewer.secret.get_secret_value()
    runs = await get(connection, viewer.port, "/api/runs", secret=secret)
    assert runs.status == 200
    assert len(json.loads(runs.body)) == 2
    # runicorn's limiter would count all people as one, and uvicorn would say what it is.
    assert not [name for name in runs.headers if "ratelimit" in name or name == "server"]
    page = await get(connection, viewer.port, "/", secret=secret)
    assert "text/html" in page.headers["content-type"]
    assert await viewer.stop(cleanup=True)
    assert await asyncio.to_thread(remote.left) == []
    assert not list((remote.home / ".local/state").rglob("*"))


async def test_nothing_passes_without_the_secret_and_nothing_shows_it(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    secret = viewer.secret.get_secret_value()
    for path in ("/", "/api/health", "/nothing", "/__runicorn_jupyter__/info", "/api/remote/status"):
        for wrong in (None, "", secret[:-1], secret + "x", secret.swapcase()):
            assert (await get(connection, viewer.port, path, secret=wrong)).status == 403
    # A ticket is for one method, target and port; and who let it pass has proven to be the viewer.
    for other in (("POST", "/api/runs"), ("GET", "/api/runs?"), ("GET", "/api/runs?a"), ("GET", "/")):
        stolen = {"X_Runicorn_Ticket": Ticket(secret, viewer.port, *other).value}
        assert (await get(connection, viewer.port, "/api/runs", **stolen)).status == 403
    elsewhere = {"X_Runicorn_Ticket": Ticket(secret, viewer.port + 1, "GET", "/api/runs").value}
    assert (await get(connection, viewer.port, "/api/runs", **elsewhere)).status == 403
    ticket = viewer.ticket("GET", "/api/runs?limit=1")
    passed = await get(connection, viewer.port, "/api/runs?limit=1", X_Runicorn_Ticket=ticket.value)
    assert (passed.status, passed.headers[PROOF_HEADER]) == (200, ticket.proof)
    upgrade = {
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    answer = await get(connection, viewer.port, "/api/gpu/ws", **upgrade)
    assert answer.status == 403
    for pid in remote.processes():
        for name in ("cmdline", "environ"):
            assert secret.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    folder = remote.home / ".local/state/runicorn-jupyter"
    assert secret in next(folder.rglob("*.json")).read_text()
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0
    assert secret not in next(folder.rglob("*.log")).read_text()
    assert secret not in repr(viewer)
    await viewer.stop(cleanup=True)


async def test_a_second_start_adopts_and_the_last_to_leave_ends_it(
    connection: Connection, remote: Sshd, connect: Connect, runicorn_env: Prefix
) -> None:
    env = environment(runicorn_env())
    first = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    second = await SshViewerClient.start(await connect(remote), env, None, lease_seconds=60)
    assert second.adopted
    assert (second.pid, second.port) == (first.pid, first.port)
    assert second.secret == first.secret
    assert not await first.stop(cleanup=True)
    assert await second.check() == "running"
    assert await second.stop(cleanup=True)


async def test_simultaneous_starts_make_one_viewer(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    env = environment(runicorn_env())
    viewers = await asyncio.gather(
        *(SshViewerClient.start(connection, env, None, lease_seconds=60) for _ in range(8))
    )
    assert len({viewer.pid for viewer in viewers}) == 1
    assert [viewer.adopted for viewer in viewers].count(False) == 1
    assert len(viewer_pids(remote)) == 1
    ended = await asyncio.gather(*(viewer.stop(cleanup=True) for viewer in viewers))
    assert any(ended)  # of the last to leave, and of who came so late that it had gone
    assert viewer_pids(remote) == []


async def test_other_roots_and_environments_are_other_viewers(
    connection: Connection, remote: Sshd, runicorn_env: Prefix, tmp_path: Path
) -> None:
    one = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    two = await SshViewerClient.start(
        connection, environment(runicorn_env()), str(tmp_path), lease_seconds=60
    )
    assert one.pid != two.pid
    link = tmp_path.parent / "link-to-root"
    link.symlink_to(tmp_path)
    same = await SshViewerClient.start(connection, environment(runicorn_env()), str(link), lease_seconds=60)
    assert same.pid == two.pid
    for viewer in (one, two, same):
        await viewer.stop(cleanup=True)


async def test_a_viewer_from_before_an_upgrade_is_not_adopted(
    make_sshd: Callable[..., Sshd], connect: Connect, runicorn_env: Prefix, tmp_path: Path
) -> None:
    connection = await connect(make_sshd(SetEnv=f"PYTHONPATH={tmp_path}"))
    env = environment(runicorn_env("0.7.2"))
    before = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    (tmp_path / "runicorn-0.7.3.dist-info").mkdir()
    after = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert (before.runicorn_version, after.runicorn_version) == ("0.7.2", "0.7.3")
    assert await before.check() == "running"
    assert before.runicorn_version == "0.7.2"
    assert await before.stop(cleanup=True)
    again = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert again.pid == after.pid
    await again.stop(cleanup=True)
    assert await after.stop(cleanup=True)


async def test_a_viewer_that_a_person_moved_to_another_root_is_not_adopted(
    connection: Connection, runicorn_env: Prefix, tmp_path: Path
) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
    env = environment(runicorn_env())
    moved = await SshViewerClient.start(connection, env, str(roots[0]), lease_seconds=60)
    body = json.dumps({"path": str(roots[1])})
    await get(
        connection,
        moved.port,
        "/api/config/user_root_dir",
        secret=moved.secret.get_secret_value(),
        method="POST",
        body=body,
    )
    assert await moved.reattach() == "running"
    assert moved.remote_root == str(roots[1])
    other = await SshViewerClient.start(connection, env, str(roots[0]), lease_seconds=60)
    assert other.pid != moved.pid
    assert other.remote_root == str(roots[0])
    assert await moved.stop(cleanup=True)
    assert await other.stop(cleanup=True)


async def test_a_released_viewer_stays_until_its_lease_is_over(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    env = environment(runicorn_env())
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    await viewer.release()
    again = await SshViewerClient.start(connection, env, None, lease_seconds=2)
    assert again.pid == viewer.pid
    assert await again.stop(cleanup=True)


async def test_an_unrenewed_viewer_ends_and_leaves_nothing(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=5)
    await until(lambda: not is_running(viewer.pid), seconds=60)
    assert await viewer.check() == "crashed"
    await until(lambda: not list((remote.home / ".local/state").rglob("*")), seconds=20)


async def test_one_is_started_while_the_one_before_ends(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    env = environment(runicorn_env())
    for _ in range(3):
        before = await SshViewerClient.start(connection, env, None, lease_seconds=60)
        ending = asyncio.ensure_future(before.stop(cleanup=True))
        viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
        assert await ending
        assert viewer.pid != before.pid
        assert await viewer.check() == "running"
        assert (await viewer.logs(5))[1] > 0
        assert await viewer.stop(cleanup=True)
    assert not list((remote.home / ".local/state").rglob("*"))


async def test_a_killed_viewer_is_crashed_and_its_log_is_there(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    os.kill(viewer.pid, signal.SIGKILL)
    await until(lambda: not is_running(viewer.pid))
    assert await viewer.check() == "crashed"
    assert await viewer.reattach() == "crashed"
    lines, total = await viewer.logs(5)
    assert len(lines) == 5 < total
    with pytest.raises(ConnectionRefusedError):
        await viewer.open_lifeline()
    assert await viewer.stop(cleanup=True)
    assert not list((remote.home / ".local/state").rglob("*"))


async def test_a_stopped_viewer_hangs_is_not_adopted_and_can_be_stopped(
    connection: Connection, remote: Sshd, runicorn_env: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runicorn_jupyter.remote.viewer_client.ANSWER_SECONDS", 1.0)
    env = environment(runicorn_env())
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    os.kill(viewer.pid, signal.SIGSTOP)
    assert await viewer.check() == "hung"
    assert await viewer.reattach() == "hung"
    line = await viewer.open_lifeline()
    renewing = asyncio.ensure_future(line.renew())
    await asyncio.wait([renewing], timeout=1)
    assert not renewing.done()
    beside = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert beside.pid != viewer.pid
    os.kill(viewer.pid, signal.SIGCONT)
    await renewing
    line.close()
    assert await viewer.check() == "running"
    assert await viewer.stop(cleanup=False)
    assert await beside.check() == "running"
    os.kill(beside.pid, signal.SIGSTOP)
    assert await beside.stop(cleanup=True)
    assert not list((remote.home / ".local/state").rglob("*"))


async def test_a_lease_does_not_run_out_while_its_process_is_stopped(
    connection: Connection, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=3.5)
    os.kill(viewer.pid, signal.SIGSTOP)
    await asyncio.sleep(4)  # the fault itself: longer than the lease
    os.kill(viewer.pid, signal.SIGCONT)
    line = await viewer.open_lifeline()
    await line.renew()
    line.close()
    assert await viewer.check() == "running"
    await viewer.stop(cleanup=True)


def _binds(listener: socket.socket, port: int) -> bool:
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


async def test_a_stranger_on_the_port_gets_no_secret(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    os.kill(viewer.pid, signal.SIGKILL)
    await until(lambda: not viewer_pids(remote))
    heard = bytearray()

    async def squat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            heard.extend(data)
            body = b'{"nonce": "x", "proof": "' + b"0" * 64 + b'"}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await until(lambda: _binds(listener, viewer.port))
        async with await asyncio.start_server(squat, sock=listener):
            assert await viewer.reattach() == "crashed"
            assert await viewer.check() == "crashed"
            assert await viewer.stop(cleanup=True)
    assert heard.count(b"POST /__runicorn_jupyter__/") >= 3
    assert viewer.secret.get_secret_value().encode() not in heard


async def test_an_environment_without_runicorn_says_how_to_install_it(
    connection: Connection, remote: Sshd, empty_env: Path
) -> None:
    with pytest.raises(RunicornNotInstalled, match="bin/python -m pip install runicorn"):
        await SshViewerClient.start(connection, environment(empty_env), None, lease_seconds=60)
    assert not list((remote.home / ".local/state").rglob("*"))


async def test_a_deleted_environment_is_not_found(connection: Connection, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotFound):
        await SshViewerClient.start(connection, environment(tmp_path / "gone"), None, lease_seconds=60)


@pytest.mark.parametrize("root", ["relative", "/no/such/folder", "~/missing", "/etc/passwd"])
async def test_a_root_must_be_a_folder(connection: Connection, runicorn_env: Prefix, root: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        await SshViewerClient.start(connection, environment(runicorn_env()), root, lease_seconds=60)
    assert caught.value.details["errors"][0]["field"] == "remote_root"


async def test_a_viewer_that_does_not_come_up_shows_its_last_lines(
    connection: Connection, remote: Sshd, runicorn_env: Prefix, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("in the way of the folder that runicorn makes")
    with pytest.raises(ViewerStartFailed) as caught:
        await SshViewerClient.start(connection, environment(runicorn_env()), str(tmp_path), lease_seconds=60)
    assert any("FileExistsError" in line for line in caught.value.details["log"])
    assert not list((remote.home / ".local/state").rglob("*"))


async def test_a_storage_root_is_chosen_as_runicorn_chooses_it(
    connection: Connection, remote: Sshd, each_runicorn: tuple[str, Path], tmp_path: Path
) -> None:
    config = remote.home / ".config/runicorn/config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({"user_root_dir": str(tmp_path)}))
    env = environment(each_runicorn[1])
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert viewer.remote_root == str(tmp_path)
    same = await SshViewerClient.start(connection, env, str(tmp_path), lease_seconds=60)
    assert same.pid == viewer.pid
    await viewer.stop(cleanup=True)
    await same.stop(cleanup=True)
