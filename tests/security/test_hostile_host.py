"""A host that was taken over, through a whole Jupyter server: it costs its own connection and no more."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_websocket

from runicorn_jupyter.text import plain_text
from tests.api.conftest import World
from tests.world.sshd import make_key

COMMAND = Path(__file__).parents[1] / "data" / "hostile_host" / "command.py"
PATIENCE_SECONDS = 60
MEMORY_BYTES = 96 * 2**20
"""What four floods at once may leave in the server: a few MiB each are read, and Python keeps some."""

# What each host does, and how connecting to it ends.
HOSTS = {
    "silent": (408, "connection_timeout"),
    "floods": (200, None),
    "floods errors": (200, None),
    "floods an answer": (200, None),
    "lies": (200, None),
}
# Paths are used as they are, and shown by what shows them as text (test_results.py, the panel).
EXACT = {"prefix", "python_path", "storage_root", "remote_root", "user_root_dir"}


class Stranger:
    """Somebody who listens on a port of the remote, says yes to everything, and keeps what is said to it."""

    SAYS = b"stranger"

    def __init__(self, port: int = 0) -> None:
        self.heard = bytearray()
        self.asked = threading.Event()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _eventually(lambda: self._binds(port))
        self._socket.listen()
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name="stranger", daemon=True).start()

    def _binds(self, port: int) -> bool:
        with suppress(OSError):
            self._socket.bind(("127.0.0.1", port))
            return True
        return False

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                self.heard += data
                self.asked.set()
                body = self.SAYS + b" <script>alert(1)</script>"
                proof = b"x-runicorn-proof: %s\r\nContent-Type: text/html\r\n" % (b"0" * 64)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (proof, len(body)) + body
                )

    def close(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _eventually(is_so: Callable[[], bool]) -> None:
    """Wait for what happens in other processes, which tell nobody."""
    tick = threading.Event()
    for _ in range(PATIENCE_SECONDS * 50):
        if is_so():
            return
        tick.wait(0.02)
    pytest.fail("it did not happen")


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    made = Stranger()
    yield made
    made.close()


@pytest.fixture
def hostile(world: World, stranger: Stranger, tmp_path: Path) -> dict[str, str]:
    """An alias of each host that was taken over: a key of its own, with a command that is forced on it."""
    script = shutil.copy(COMMAND, tmp_path)
    aliases = {}
    for number, mode in enumerate(HOSTS):
        key = make_key(tmp_path / f"key{number}")
        command = shlex.join([sys.executable, str(script), mode, str(stranger.port)]).replace('"', '\\"')
        with world.sshd.authorized_keys.open("a") as file:
            file.write(f'command="{command}" {Path(f"{key}.pub").read_text()}')
        aliases[mode] = f"{tmp_path.name}-{number}".replace("_", "-")
        world.home.host(aliases[mode], world.sshd, IdentityFile=str(key))
    return aliases


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of an answer, with the name of the field that it stands in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield name, key
            yield from texts(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, name)


def check_texts(answer: requests.Response) -> None:
    """Fail where an answer has a text that is more than text."""
    assert [
        (name, text) for name, text in texts(answer.json()) if name not in EXACT and plain_text(text) != text
    ] == []


def connect(world: World, alias: str, seconds: float) -> requests.Response:
    """Connect, from a thread of its own."""
    return requests.post(
        f"{world.jupyter.url}api/remote/connect",
        json={"host": alias, "timeout": seconds},
        headers={"Authorization": f"token {world.jupyter.token}"},
        timeout=2 * PATIENCE_SECONDS,
    )


def test_it_costs_its_own_connection_and_nothing_else(
    world: World, hostile: dict[str, str], stranger: Stranger
) -> None:
    jupyter = psutil.Process(world.jupyter.process.pid)
    good = world.connect()
    memory = jupyter.memory_info().rss
    asked: dict[str, Future[requests.Response]] = {}
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        for mode, alias in hostile.items():
            asked[mode] = pool.submit(connect, world, alias, 3 if mode == "silent" else PATIENCE_SECONDS)
        while wait(asked.values(), timeout=0).not_done:
            # Others go on meanwhile; that each of these is answered at all is the test.
            assert world.jupyter.get("ping", connection_id=good).status_code == 200
    answers = {mode: future.result() for mode, future in asked.items()}
    assert {mode: (a.status_code, a.json().get("error")) for mode, a in answers.items()} == HOSTS
    for mode, answer in answers.items():
        check_texts(answer)
        if answer.status_code == 200:
            look_around(world, mode, str(answer.json()["connection_id"]))
    assert stranger.asked.is_set()
    assert b"A" * 43 not in stranger.heard
    # Nothing is left of them, and the one that was there before is as it was.
    (left,) = world.jupyter.get("connections").json()["connections"]
    assert (left["connection_id"], left["status"], left["reconnects"]) == (good, "connected", 0)
    assert world.jupyter.get("health", connection_id=good).json()["health"] == "healthy"
    _eventually(
        lambda: (
            len([c for c in jupyter.net_connections() if c.raddr and c.raddr.port == world.sshd.port]) == 1
        )
    )
    assert jupyter.memory_info().rss - memory < MEMORY_BYTES


def look_around(world: World, mode: str, connection_id: str) -> None:
    """Ask for all that a connection gives, then close it."""
    jupyter = world.jupyter
    found = jupyter.get("environments", connection_id=connection_id)
    names = [each["name"] for each in found.json()["environments"]]
    assert bool(names) is (mode == "lies")
    assert len(names) <= 500
    env_name = names[0] if names else "any"
    answers = [
        found,
        jupyter.get("config", connection_id=connection_id, env_name=env_name),
        jupyter.post("viewer/start", connection_id=connection_id, env_name=env_name),
        jupyter.get("viewer/logs", connection_id=connection_id),
        jupyter.get("health", connection_id=connection_id),
        jupyter.get("connections"),
        jupyter.delete(f"connections/{connection_id}"),
    ]
    for answer in answers:
        check_texts(answer)
    codes = [(answer.status_code, answer.json().get("error")) for answer in answers]
    # Where it gives an answer of its own in place of the start's, or none that begins as ours do.
    failed = {(500, "viewer_start_failed"), (503, "ssh_unavailable")}
    assert codes[2] in (failed if names else {(404, "environment_not_found")})
    assert codes[4:] == [(200, None)] * 3


def secret_of(world: World, pid: int) -> str:
    """Read a viewer's secret where only its user can."""
    for path in (world.sshd.home / ".local/state/runicorn-jupyter").rglob("*.json"):
        state = json.loads(path.read_text())
        if state["pid"] == pid:
            return str(state["secret"])
    raise AssertionError("the viewer has no state")


def test_a_stranger_on_a_dead_viewers_port_gets_no_secret_and_shows_nothing(world: World) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072")
    secret = secret_of(world, viewer["pid"])
    url = viewer["url"]
    assert requests.get(url, timeout=PATIENCE_SECONDS).status_code == 200
    os.kill(viewer["pid"], signal.SIGKILL)
    stranger = Stranger(viewer["remote_port"])
    try:
        page = {"Sec-Fetch-Dest": "document", "Accept": "text/html"}
        asset = f"{url}assets/index-0123abcd.js"
        answers = [
            requests.get(url, headers=page, timeout=PATIENCE_SECONDS),
            requests.get(asset, timeout=PATIENCE_SECONDS),
            requests.get(f"{url}api/runs", timeout=PATIENCE_SECONDS),
            requests.post(f"{url}api/runs/1/note", json={"note": "x"}, timeout=PATIENCE_SECONDS),
        ]
        # 503 while the connection looks for its viewer, 502 once it knows that it has none.
        assert {answer.status_code for answer in answers} <= {502, 503}
        assert [answer.text for answer in answers if "stranger" in answer.text] == []
        with (
            pytest.raises(InvalidStatus) as refused,
            open_websocket(f"{url.replace('http', 'ws', 1)}api/gpu/ws"),
        ):
            pass
        assert refused.value.response.status_code in (502, 503)
        assert stranger.asked.wait(PATIENCE_SECONDS)
        assert secret.encode() not in stranger.heard
        # The connection sees that its viewer is gone, however friendly the stranger is.
        status = {"connection_id": connection_id}
        _eventually(
            lambda: world.jupyter.get("viewer/status", **status).json()["viewer"]["status"] == "crashed"
        )
        assert world.jupyter.get("health", **status).json()["checks"]["viewer_process"] == "fail"
    finally:
        stranger.close()
    again = world.start(connection_id, "rc072")
    # Nothing of the stranger's was kept for the viewer's own pages.
    path = urlsplit(asset).path.replace(urlsplit(url).path, "")
    assert "stranger" not in requests.get(f"{again['url']}{path}", timeout=PATIENCE_SECONDS).text


def listeners(process: psutil.Process) -> set[tuple[str, int] | str]:
    """Give all that a process and what it has started listen on; kernels are Jupyter's own affair."""
    found: set[tuple[str, int] | str] = set()
    inodes: set[str] = set()
    kernels = [each for each in process.children() if "ipykernel_launcher" in each.cmdline()]
    theirs = [below for each in kernels for below in each.children(recursive=True)]
    for each in [process, *process.children(recursive=True)]:
        if each in kernels or each in theirs:
            continue
        found |= {c.laddr for c in each.net_connections() if c.status == psutil.CONN_LISTEN}
        for link in Path(f"/proc/{each.pid}/fd").iterdir():
            with suppress(OSError):
                inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, _, _, inode, *path = line.split()
        if int(flags, 16) & 0x10000 and inode in inodes:  # __SO_ACCEPTCON: it listens
            found.add(" ".join(path) or "a socket without a name")
    return found


def test_nothing_listens_but_jupyter_itself(world: World) -> None:
    jupyter = psutil.Process(world.jupyter.process.pid)
    own = ("127.0.0.1", urlsplit(world.jupyter.url).port)
    before = listeners(jupyter)
    assert own in before
    viewer = world.start(world.connect(), "rc072")
    with requests.get(f"{viewer['url']}api/health", timeout=PATIENCE_SECONDS) as answer:
        assert answer.status_code == 200
        assert listeners(jupyter) == before
    assert {each for each in before if each != own} == set()
