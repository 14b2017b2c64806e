"""What is measured, all real: an sshd, an environment with runicorn and runs, Jupyter, and the peers."""

from __future__ import annotations

import functools
import http.client
import importlib.metadata
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import psutil

from benchmarks.asyncssh_peer import AsyncsshPeer
from benchmarks.harness import OURS, until
from runicorn_jupyter.payload.guard import Ticket
from tests.world.environments import Trainer, build
from tests.world.jupyter import JupyterServer, server_environment, start_jupyter
from tests.world.relay import Relay
from tests.world.sshd import Sshd, SshHome

RUNICORN = "0.7.2"
ALIAS = "gpu"
ENVIRONMENT = "train"
MIB = 2**20

PROXY, BARE = "jupyter-server-proxy", "ssh -L"
ASYNCSSH = "asyncssh"
WAYS = (OURS, PROXY, BARE, ASYNCSSH)
"""The ways to one viewer: ours, and the peers'."""
FLOOR, INTERACTIVE = "on its machine", "ssh -L -o RequestTTY=force"
"""Two more for what is small: none at all, and ``ssh -L`` without its wait for acknowledgements."""


def free_port() -> int:
    """Return a TCP port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answers(url: str, headers: dict[str, str] | None = None) -> bool:
    """Tell whether one GET is answered by 200, on a connection of its own, as a browser's first is."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder in no time and space: hard links where the file system can, else real copies."""

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other, follow_symlinks=False)
        except OSError:
            shutil.copy2(one, other, follow_symlinks=False)

    shutil.copytree(source, target, symlinks=True, copy_function=link)


class World:
    """Everything that the questions are asked of; made as far as it is asked for, ended with the block.

    Parameters
    ----------
    folder
        An empty folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.proxy_pid = 0
        self.forwarding_pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ---- the other side ----
    @functools.cached_property
    def sshd(self) -> Sshd:
        """OpenSSH's server; its home has the environment, and a configured root with runs."""
        root = self.folder / "sshd"
        root.mkdir()
        sshd = Sshd(root)
        self._stack.callback(sshd.close)
        link_tree(build(f"runicorn=={RUNICORN}"), sshd.home / ".virtualenvs" / ENVIRONMENT)
        config = sshd.home / ".config" / "runicorn" / "config.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"user_root_dir": str(self.runs)}))
        return sshd.start()

    @functools.cached_property
    def runs(self) -> Path:
        """The storage root, with a dozen finished runs; the first holds the large files."""
        (self.folder / "trainer").mkdir()
        root = self.folder / "runs"
        Trainer(self.folder / "trainer").runs(build(f"runicorn=={RUNICORN}"), root, count=12, steps=100)
        return root

    @functools.cached_property
    def run_id(self) -> str:
        """The id of a run; its folder has files of 8, 64 and 100 MiB that do not compress."""
        folder = next(path.parent for path in sorted(self.runs.rglob("status.json")))
        for size in (8, 64, 100):
            with (folder / f"{size}.bin").open("wb") as file:
                for _ in range(size):
                    file.write(os.urandom(MIB))
        return folder.name

    def large_file(self, mib: int) -> str:
        """Return the viewer's path of a file of so many MiB (8, 64 or 100)."""
        run_id = self.run_id
        path = next(self.runs.rglob(f"{mib}.bin"))
        return f"api/runs/{run_id}/assets/download?path={quote(str(path))}"

    @property
    def remote_python(self) -> Path:
        """The environment's Python."""
        return self.sshd.home / ".virtualenvs" / ENVIRONMENT / "bin" / "python"

    @contextmanager
    def another_sshd(self, alias: str, **options: Any) -> Iterator[Sshd]:
        """Run one more sshd, reached by an alias and in a folder of that name; takes what `Sshd` takes."""
        folder = self.folder / alias
        folder.mkdir()
        server = Sshd(folder, **options)
        try:
            self.home.trust(server.start())
            self.home.host(alias, server)
            yield server
        finally:
            server.close()

    # ---- this side ----
    @functools.cached_property
    def home(self) -> SshHome:
        """The person's home: ``ssh gpu`` works."""
        home = SshHome(self.folder / "home")
        home.trust(self.sshd)
        home.host(ALIAS, self.sshd)
        return home

    @functools.cached_property
    def jupyter(self) -> JupyterServer:
        """A Jupyter server with us in it."""
        return self.start_jupyter()

    def start_jupyter(self, *options: str, command: str = "server") -> JupyterServer:
        """Start another one, which remembers nothing."""
        server = start_jupyter(self.home.path, *options, command=command)
        self._stack.callback(server.stop)
        return server

    @functools.cached_property
    def proxy_jupyter(self) -> tuple[str, str]:
        """A Jupyter server with jupyter-server-proxy and without us: its URL and token."""
        same = [f"{name}=={importlib.metadata.version(name)}" for name in ("jupyter_server", "tornado")]
        prefix = build("jupyter-server-proxy>=4.4", *same, python=Path(sys.executable).resolve())
        home = self.folder / "proxy-home"
        home.mkdir()
        token, port = secrets.token_hex(16), free_port()
        command: list[str | Path] = [
            prefix / "bin" / "python", "-m", "jupyter_server", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={home}", "--log-level=WARN",
        ]  # fmt: skip
        url = f"http://127.0.0.1:{port}/"
        environment = {**server_environment(home), "JUPYTER_TOKEN": token}
        serving = served(command, environment, f"{url}api", {"Authorization": f"token {token}"})
        self.proxy_pid = self._stack.enter_context(serving).pid
        return url, token

    def api(self, method: str, path: str, server: JupyterServer | None = None, **body: Any) -> dict[str, Any]:
        """Ask our API; return the answer, which has to be a success."""
        server = server or self.jupyter
        options: dict[str, Any] = {"params": body} if method in ("GET", "DELETE") else {"json": body}
        response = server.request(method, path, **options)
        answer: dict[str, Any] = response.json()
        if not answer.get("success"):
            raise RuntimeError(f"{method} {path}: {response.status_code} {answer}")
        return answer

    def connect(self, server: JupyterServer | None = None, host: str = ALIAS) -> str:
        """Connect by the alias; return the connection's id."""
        answer = self.api("POST", "connect", server, host=host, username=self.sshd.user, auth_method="key")
        connection_id: str = answer["connection_id"]
        return connection_id

    def start_viewer(
        self, connection_id: str, server: JupyterServer | None = None, *, root: Path | None = None
    ) -> dict[str, Any]:
        """Start the viewer, or adopt the one that runs; return it as the API has it."""
        answer = self.api(
            "POST",
            "viewer/start",
            server,
            connection_id=connection_id,
            env_name=ENVIRONMENT,
            auto_open=False,
            **({} if root is None else {"remote_root": str(root)}),
        )
        viewer: dict[str, Any] = answer["viewer"]
        return viewer

    def disconnect(
        self, connection_id: str, server: JupyterServer | None = None, *, cleanup_viewer: bool = True
    ) -> None:
        """End a connection, and its viewer."""
        self.api("DELETE", f"connections/{connection_id}", server, cleanup_viewer=str(cleanup_viewer).lower())

    @contextmanager
    def far_away(self, alias: str, rtt_ms: float, mbit_s: float = 0) -> Iterator[Relay]:
        """Let the sshd be reached over a line of its own too, by a host name; 0 Mbit/s: no limit."""
        relay = Relay("127.0.0.1", self.sshd.port, delay_ms=rtt_ms / 2, rate_mbit=mbit_s)
        try:
            self.home.trust(self.sshd, relay.port)
            self.home.host(alias, self.sshd, Port=relay.port)
            yield relay
        finally:
            relay.close()

    # ---- by hand ----
    def ssh(self, *options: str, host: str = ALIAS, command: str | None = None) -> list[str]:
        """Return the command line of OpenSSH's client to the server."""
        base = ["ssh", "-F", str(self.home.config), "-o", "ExitOnForwardFailure=yes", *options, host]
        return base if command is None else [*base, command]

    @contextmanager
    def forwarded(
        self, remote_port: int, host: str = ALIAS, *, is_interactive: bool = False
    ) -> Iterator[int]:
        """Run ``ssh -N -L``; yield the local port; `forwarding_pid` is the last one's process.

        One that is interactive has a terminal: only then do both its sides send each packet at once, and
        none waits for the acknowledgement of the one before.
        """
        port = free_port()
        forward = ["-L", f"{port}:127.0.0.1:{remote_port}"]
        if is_interactive:
            command = self.ssh(*forward, "-o", "RequestTTY=force", host=host, command="exec sleep 86400")
        else:
            command = self.ssh("-N", *forward, host=host)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.forwarding_pid = process.pid
        try:
            until(lambda: _listens(port), "ssh -L")
            yield port
        finally:
            end_process(process)

    @contextmanager
    def by_hand(self, host: str = ALIAS) -> Iterator[str]:
        """Do what a person does without us: ``ssh -L`` and ``runicorn viewer``; yield the URL to open."""
        port, remote_port = free_port(), free_port()
        # One ssh for both, which is the quicker way: a person may well need two.
        run = f"exec {self.remote_python} -m runicorn viewer --port {remote_port} --log-level WARNING"
        command = self.ssh("-L", f"{port}:127.0.0.1:{remote_port}", host=host, command=run)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            end_process(process)
            end_viewer(remote_port)

    @functools.cached_property
    def asyncssh(self) -> AsyncsshPeer:
        """The process of asyncssh that the ways lead through; it is connected anew by each ``forward``."""
        return self._stack.enter_context(AsyncsshPeer.running(self.sshd, self.home.known_hosts))

    @functools.cached_property
    def viewer(self) -> dict[str, Any]:
        """One viewer of ours that runs as long as the world: the same for all ways that lead to it."""
        connection_id = self.connect()
        return self.start_viewer(connection_id)

    def _secret(self, port: int) -> str:
        for path in self.sshd.home.rglob("*.json"):
            state = json.loads(path.read_text()) if "runicorn-jupyter" in str(path) else {}
            if state.get("port") == port:
                return str(state["secret"])
        raise RuntimeError("the viewer's state file is not where it is looked for")

    def ticket(self, path: str, port: int | None = None) -> dict[str, str]:
        """Return the header that lets a peer's GET of a path in at our viewer, any number of times."""
        port = port or self.viewer["remote_port"]
        name, value = Ticket(self._secret(port), port, "GET", f"/{path}").header
        return {name: value}

    @functools.cached_property
    def _prefixes(self) -> dict[str, tuple[str, dict[str, str]]]:
        remote_port = self.viewer["remote_port"]
        port = self._stack.enter_context(self.forwarded(remote_port))
        other = self._stack.enter_context(self.forwarded(remote_port, is_interactive=True))
        url, token = self.proxy_jupyter
        return {
            OURS: (self.viewer["url"], {}),
            PROXY: (f"{url}proxy/{port}/", {"Authorization": f"token {token}"}),
            BARE: (f"http://127.0.0.1:{port}/", {}),
            ASYNCSSH: (f"http://127.0.0.1:{self.asyncssh.forward(remote_port)}/", {}),
            FLOOR: (f"http://127.0.0.1:{remote_port}/", {}),
            INTERACTIVE: (f"http://127.0.0.1:{other}/", {}),
        }

    def way(self, name: str, path: str) -> dict[str, Any]:
        """Return a way to a path of the viewer, of `WAYS` or one of the two more: ``url`` and ``headers``."""
        prefix, headers = self._prefixes[name]
        return {
            "url": prefix + path,
            "headers": headers if name == OURS else {**headers, **self.ticket(path)},
        }


def sent_by(server: Sshd) -> float:
    """Return how many bytes the sshd's sessions have written (``/proc/PID/io``), nearly all to the line."""
    return float(sum(psutil.Process(pid).io_counters().write_chars for pid in server.session_pids()))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def served(
    command: list[str | Path], environment: dict[str, str], url: str, headers: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as long as the block, which begins once it answers at the URL; yield its process."""
    process = subprocess.Popen(
        command, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: answers(url, headers), url, tick=0.1)
        yield process
    finally:
        end_process(process)


def end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process, by force if it takes longer than 10 s."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_viewer(port: int) -> None:
    """End the ``runicorn viewer`` of a port: closing its ssh has not."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "runicorn" in words and str(port) in words:
            process.terminate()
            process.wait(10)
