"""What the viewer's process does besides runicorn's own: compression, WebSockets, bounds, its end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.guard import Purpose
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.channels.stream import Stream
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.streams import END
from tests.integration.remote.test_viewer_client import get
from tests.world.connections import Connect
from tests.world.environments import Trainer
from tests.world.gpus import nvidia_smi
from tests.world.remote import environment, until, viewer_pids
from tests.world.sshd import Sshd

Prefix = Callable[..., Path]
RUNICORN_SMI = """#!/bin/sh
echo "$*" >>{log}
echo "0, NVIDIA A100, 43, 12, 81920, 10240, 61, 250.12, 400.00, 1410, 1215, P0, 35"
"""


async def read_some(stream: Stream) -> bytes:
    """Return the next bytes of a stream that has not ended."""
    data = await stream.read()
    assert data is not END
    return data


async def test_the_live_log_of_a_run_comes_through(
    connection: Connection, each_runicorn: tuple[str, Path], trainer: Trainer, tmp_path: Path
) -> None:
    _, prefix = each_runicorn
    root = tmp_path / "root"
    training = trainer.live(prefix, root, steps=2)
    viewer = await SshViewerClient.start(connection, environment(prefix), str(root), lease_seconds=60)
    stream = await connection.open_tunnel("127.0.0.1", viewer.port)
    ticket = viewer.ticket("GET", f"/api/runs/{training.run_id}/logs/ws")
    lines = [
        f"GET /api/runs/{training.run_id}/logs/ws HTTP/1.1",
        "Host: viewer",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ": ".join(ticket.header),
    ]
    await stream.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += await read_some(stream)
    assert heard.startswith(b"HTTP/1.1 101 ")
    assert ticket.proof.encode() in heard
    training.log("a line that was logged just now")
    async with asyncio.timeout(60):
        while b"a line that was logged just now" not in heard:
            heard += await read_some(stream)
    stream.close()
    await viewer.stop(cleanup=True)


async def test_pages_stay_plain_the_rest_is_compressed_and_bad_requests_are_refused(
    connection: Connection, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    secret = viewer.secret.get_secret_value()
    page = await get(connection, viewer.port, "/", secret=secret, Accept_Encoding="gzip")
    assert "content-encoding" not in page.headers
    script = page.body.decode().partition('src="')[2].partition('"')[0]
    plain = await get(connection, viewer.port, script, secret=secret)
    packed = await get(connection, viewer.port, script, secret=secret, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    unchanged = await get(
        connection,
        viewer.port,
        script,
        secret=secret,
        Accept_Encoding="gzip",
        If_None_Match=packed.headers["etag"],
    )
    assert unchanged.status == 304
    path = "/__runicorn_jupyter__"
    for action, status in (("info", 404), ("", 404), ("unknown", 404), ("prove", 404)):
        control = Purpose.CONTROL
        answer = await get(connection, viewer.port, f"{path}/{action}", secret=secret, purpose=control)
        assert answer.status == status
    for action in ("renew", "leave", "drop"):
        answer = await get(
            connection,
            viewer.port,
            f"{path}/{action}",
            secret=secret,
            method="POST",
            purpose=Purpose.CONTROL,
            Content_Length="0",
        )
        assert answer.status == 400
        assert json.loads(answer.body)["error"]
    await viewer.stop(cleanup=True)


async def test_the_gpu_sampler_sleeps_while_nobody_has_the_page_open(
    connect: Connect, make_sshd: Callable[..., Sshd], runicorn_env: Prefix, tmp_path: Path
) -> None:
    """runicorn 0.7 would start nvidia-smi at once, and again every two seconds."""
    log = nvidia_smi(tmp_path, 1, RUNICORN_SMI)
    sshd = make_sshd(SetEnv=f"PATH={tmp_path}:{os.environ['PATH']}")
    connection = await connect(sshd)
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    secret = viewer.secret.get_secret_value()

    async def ask(path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((await get(connection, viewer.port, path, secret=secret)).body)
        return answer

    await get(connection, viewer.port, "/", secret=secret)  # as it is fetched ahead
    assert await viewer.check() == "running"
    assert log.read_text() == ""
    # A page that is opened has the GPUs at once, and a history as long as it stays.
    now = await ask("/api/gpu/telemetry")
    assert now["gpus"][0]["name"] == "NVIDIA A100"
    async with asyncio.timeout(60):
        while len((history := await ask("/api/gpu/telemetry/history"))["samples"]) < 2:
            pass
    assert (history["enabled"], history["samples"][0]["gpus"][0]["util_gpu"]) == (True, 43)
    assert log.read_text().count("--query-gpu=index,name") >= 3
    await viewer.stop(cleanup=True)


async def test_variables_that_would_change_the_viewer_are_unset(
    make_sshd: Callable[..., Sshd],
    connect: Connect,
    runicorn_env: Prefix,
    tmp_path: Path,
) -> None:
    (tmp_path / "index.html").write_text("another front end")
    variables = {
        "RUNICORN_IDLE_TIMEOUT": "1",
        "RUNICORN_FRONTEND_DIST": str(tmp_path),
        "RUNICORN_REMOTE_MODE": "1",
        "RUNICORN_CORS_ALLOW_ORIGINS": "https://evil.example",
        "RUNICORN_LOG_FILE": str(tmp_path / "log"),
        "RUNICORN_DIR": str(tmp_path / "kept"),
    }
    server = make_sshd(SetEnv=[f"{name}={value}" for name, value in variables.items()])
    connection: Connection = await connect(server)
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    assert viewer.remote_root == variables["RUNICORN_DIR"]
    secret = viewer.secret.get_secret_value()
    page = await get(connection, viewer.port, "/", secret=secret, Origin="https://evil.example")
    assert b"another front end" not in page.body
    assert "access-control-allow-origin" not in page.headers
    assert not (tmp_path / "log").exists()
    await viewer.stop(cleanup=True)


async def test_a_log_is_bounded_and_plain_text(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    (log,) = remote.home.rglob("runicorn-jupyter/*/*.log")
    with log.open("ab") as file:
        for number in range(40000):
            file.write(b"line %d of a program that says a lot about what it is doing all the time\n" % number)
        file.write(b"\x1b[31mred\x1b[0m \x1b]0;title\x07\xe2\x80\xaebidi\x00\xff\tend\n")
    assert log.stat().st_size > 2 * 2**20
    await until(lambda: log.stat().st_size < 2**20)
    lines, total = await viewer.logs(3)
    assert [line.split()[1] for line in lines[:2]] == ["39998", "39999"]
    assert lines[2] == "red bidi\ufffd\tend"
    assert 3 < total < 40000
    await viewer.stop(cleanup=True)


async def test_a_signal_ends_it_orderly_and_leaves_its_log(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=60)
    os.kill(viewer.pid, signal.SIGTERM)
    await until(lambda: not viewer_pids(remote))
    assert await viewer.check() == "crashed"
    assert not list(remote.home.rglob("runicorn-jupyter/*/*.json"))
    assert (await viewer.logs(10))[1] > 0
    await viewer.stop(cleanup=True)


async def test_a_viewer_that_stands_still_ends_a_while_after_its_lease(
    make_sshd: Callable[..., Sshd], connect: Connect, runicorn_env: Prefix, tmp_path: Path
) -> None:
    # On a signal the main thread, and with it the event loop, does nothing more.
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGUSR1, lambda *_: time.sleep(1000))\n"
    )
    server = make_sshd(SetEnv=f"PYTHONPATH={tmp_path}")
    connection = await connect(server)
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=1.5)
    os.kill(viewer.pid, signal.SIGUSR1)
    await until(lambda: not viewer_pids(server), seconds=30)
    assert await viewer.check() == "crashed"
    assert not list(server.home.rglob("runicorn-jupyter/*/*.json"))


async def test_a_viewer_that_stands_still_ends_long_before_its_lease_and_says_where_it_stood(
    make_sshd: Callable[..., Sshd],
    connect: Connect,
    runicorn_env: Prefix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runicorn_jupyter.remote.bootstrap.LOOP_SECONDS", 6.0)
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, time\n"
        "def stands_still(*_): time.sleep(1000)\n"
        "signal.signal(signal.SIGUSR1, stands_still)\n"
    )
    server = make_sshd(SetEnv=f"PYTHONPATH={tmp_path}")
    connection = await connect(server)
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=900)
    line = await viewer.open_lifeline()
    os.kill(viewer.pid, signal.SIGSTOP)
    await asyncio.sleep(9)  # the fault itself: a stopped process has not stood still
    os.kill(viewer.pid, signal.SIGCONT)
    await line.renew()
    os.kill(viewer.pid, signal.SIGUSR1)
    await line.ended()
    line.close()
    await until(lambda: not viewer_pids(server), seconds=30)  # its sockets end before it does
    assert await viewer.check() == "crashed"
    assert any("stands_still" in line for line in (await viewer.logs(100))[0])
    await viewer.stop(cleanup=True)


async def test_a_viewer_whose_loop_turns_but_which_answers_nobody_ends_itself(
    make_sshd: Callable[..., Sshd],
    connect: Connect,
    runicorn_env: Prefix,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "runicorn_jupyter.remote.bootstrap.LOOP_SECONDS", 20.0
    )  # time enough to be asked before
    # As where memory is short: no connection can be made from then on, and those that are there go on.
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, sys\n"
        "def fails(*_, **__): raise MemoryError\n"
        "def no_memory(*_):\n"
        "    for name in ('httptools_impl.HttpToolsProtocol', 'h11_impl.H11Protocol'):\n"
        "        module, _, protocol = name.partition('.')\n"
        "        module = sys.modules.get('uvicorn.protocols.http.' + module)\n"
        "        if module: getattr(module, protocol).__init__ = fails\n"
        "signal.signal(signal.SIGUSR1, no_memory)\n"
    )
    server = make_sshd(SetEnv=f"PYTHONPATH={tmp_path}")
    connection = await connect(server)
    viewer = await SshViewerClient.start(connection, environment(runicorn_env()), None, lease_seconds=900)
    with contextlib.closing(await viewer.open_lifeline()) as line:
        await line.renew()  # it is accepted now
        os.kill(viewer.pid, signal.SIGUSR1)
        await line.renew()
        await line.ended()
    await until(lambda: not viewer_pids(server), seconds=30)
    assert await viewer.check() == "crashed"
    assert any("answers nothing" in line for line in (await viewer.logs(100))[0])
    await viewer.stop(cleanup=True)


async def test_closing_ssh_does_not_end_it(
    connection: Connection, remote: Sshd, connect: Connect, runicorn_env: Prefix
) -> None:
    env = environment(runicorn_env())
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    pid = viewer.pid
    remote.drop_sessions()
    await until(lambda: connection.reconnects == 1)
    assert await viewer.reattach() == "running"
    await connection.close()
    # Without a word: what it held is a dead holder of this process now.
    del viewer
    other: Connection = await connect(remote)
    again = await SshViewerClient.start(other, env, None, lease_seconds=60)
    assert (again.pid, again.adopted) == (pid, True)
    assert await again.stop(cleanup=True)


async def test_holders_of_a_killed_jupyter_do_not_keep_it(
    connection: Connection, runicorn_env: Prefix
) -> None:
    env = environment(runicorn_env())
    first = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    machine, _, _ = (await first._ask("info"))["holders"][first._name].partition(" ")
    dead = {"holder": "dead", "lease_seconds": 60, "client": f"{machine} 4194000 1"}
    elsewhere = {"holder": "elsewhere", "lease_seconds": 60, "client": "0123456789abcdef 4194000 1"}
    for holder in (dead, elsewhere):
        await first._ask("renew", **holder)
    second = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert set((await second._ask("info"))["holders"]) == {first._name, second._name, "elsewhere"}
    await second._ask("leave", holder="elsewhere", stop=True, cleanup=True)
    assert not await first.stop(cleanup=True)
    assert await second.stop(cleanup=True)
