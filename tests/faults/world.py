"""The world of the fault table: a remote behind a network of its own, and Jupyter servers that use it.

Everything is real and of one kind with what people have: OpenSSH's sshd in a network namespace, an
environment with runicorn there, ``jupyter server`` as a process. Two servers share a home: ``patient``,
whose lease no cut here outlasts, and ``brief``, whose lease every longer one does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.faults.count import Count
from tests.world.environments import Trainer, base_python, build
from tests.world.jupyter import JupyterServer, start_jupyter
from tests.world.layouts import site_packages
from tests.world.network import Network
from tests.world.relay import Relay
from tests.world.ssh_home import SshHome
from tests.world.sshd import Sshd

T = TypeVar("T")

LIMIT = 60.0
"""Seconds that nothing here comes near to, unless it is broken."""

WARM_ROUNDS = 4
HOST_NAME = "gpu1.faults.example"


def until(what: str | Callable[[], str], condition: Callable[[], T], seconds: float = LIMIT) -> T:
    """Wait until a condition holds that nobody tells this process about; return its value.

    ``what`` is for the error; one that is called says how it is then.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what if isinstance(what, str) else what()}")
        time.sleep(0.05)
    return value


@dataclass(frozen=True)
class Times:
    """The administrator's settings that scale what takes long, in seconds.

    Parameters
    ----------
    keepalive, lease, brief_lease
        The traitlets ``keepalive_seconds``, and ``viewer_lease_seconds`` of the two servers.
    """

    keepalive: float = 1.5
    lease: float = 300.0
    brief_lease: float = 4.0

    def scaled(self, seconds: float) -> float:
        """Scale what is meant for the default keepalive of 15 s."""
        return seconds * self.keepalive / 15


UNSCALED = Times(keepalive=15.0, lease=900.0, brief_lease=60.0)


@dataclass
class Held:
    """A connection of a Jupyter server, with its viewer as it was when it was started."""

    jupyter: JupyterServer
    connection_id: str
    viewer: dict[str, Any]

    @property
    def pid(self) -> int:
        """The viewer's process at first."""
        return int(self.viewer["pid"])

    @property
    def url(self) -> str:
        """The viewer's URL, which is to stay."""
        return str(self.viewer["url"])

    def entry(self) -> dict[str, Any]:
        """Give this connection's entry of ``GET connections``."""
        listed = self.jupyter.get("connections").json()["connections"]
        (found,) = [each for each in listed if each["connection_id"] == self.connection_id]
        return dict(found)

    def now(self) -> dict[str, Any]:
        """Give ``GET viewer/status``."""
        return dict(self.jupyter.get("viewer/status", connection_id=self.connection_id).json()["viewer"])

    def is_well(self) -> bool:
        """Whether connection and viewer say that they are as they should be."""
        now = self.now()
        return self.entry()["status"] == "connected" and (now["status"], now["health"]) == (
            "running",
            "healthy",
        )

    def answers(self) -> bool:
        """Whether the viewer answers a request through its URL within a few seconds."""
        try:
            return self.ask("api/health", timeout=10).status_code == 200
        except requests.RequestException:
            return False

    def noticed(self) -> None:
        """Wait until the loss of the connection is noticed."""
        until("the loss is noticed", lambda: self.entry()["status"] == "reconnecting")

    def logs(self) -> list[str]:
        """Give the last lines of the viewer's log."""
        return list(self.jupyter.get("viewer/logs", connection_id=self.connection_id).json()["logs"])

    def ask(self, path: str = "", **options: Any) -> requests.Response:
        """Ask the viewer through its URL, as a page does, on a connection of its own."""
        headers = {"Connection": "close", "Accept-Encoding": "identity", **options.pop("headers", {})}
        return requests.get(
            self.url + path, headers=headers, timeout=options.pop("timeout", LIMIT), **options
        )

    def disconnect(self) -> None:
        """Close the connection on purpose."""
        answer = self.jupyter.delete(f"connections/{self.connection_id}")
        assert answer.status_code == 200, answer.text


@dataclass
class World:
    """What faults are done to; see the module."""

    folder: Path
    network: Network
    sshd: Sshd
    prefix: Path
    root: Path
    client_home: SshHome
    hosts: Path
    servers: contextlib.ExitStack
    times: Times
    measured: dict[str, list[float]] = field(default_factory=dict)
    asleep: list[tuple[float, float]] = field(default_factory=list)
    """From when to when a Jupyter server could do nothing, by ``time.monotonic``."""
    patient: JupyterServer = field(init=False)
    brief: JupyterServer = field(init=False)

    def __post_init__(self) -> None:
        self.names_known(True)
        self.patient = self.jupyter(self.times.lease)
        self.brief = self.jupyter(self.times.brief_lease)

    @contextlib.contextmanager
    def measure(self, what: str) -> Iterator[None]:
        """Keep how long the block takes; looked at by the soak, for a test's machine may be slow."""
        begun = time.monotonic()
        yield
        self.measured.setdefault(what, []).append(time.monotonic() - begun)

    # -- this side

    def jupyter(self, lease: float, *options: str, env: dict[str, str] | None = None) -> JupyterServer:
        """Start one more Jupyter server in the home, in a mount namespace with a hosts file of ours."""
        enter = 'mount --bind "$0" /etc/hosts && mount --bind /dev/null /etc/resolv.conf && exec "$@"'
        server = start_jupyter(
            self.client_home.path,
            f"--RunicornJupyter.viewer_lease_seconds={lease}",
            f"--RunicornJupyter.keepalive_seconds={self.times.keepalive}",
            "--RunicornJupyter.asset_cache_mb=0",  # what is fetched comes from the remote
            "--RunicornJupyter.max_connections=128",
            *options,
            prefix=("unshare", "--mount", "sh", "-c", enter, str(self.hosts)),
            env=env,
        )
        self.servers.callback(end_jupyter, server)
        return server

    def names_known(self, known: bool) -> None:
        """Let the remote's name be known to our side, or to nobody."""
        self.hosts.write_text(
            f"127.0.0.1 localhost\n{f'{self.network.there} {HOST_NAME}' if known else ''}\n"
        )

    def connect(self, jupyter: JupyterServer, host: str = "gpu1", **fields: Any) -> str:
        """Connect and give the id."""
        answer = jupyter.post("connect", host=host, **fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["connection_id"])

    def hold(self, jupyter: JupyterServer, **fields: Any) -> Held:
        """Give a connection that has a well viewer: the one that is there, or a new one; no other is left."""
        self.disconnect_all(self.brief if jupyter is self.patient else self.patient)
        for each in jupyter.get("connections").json()["connections"]:
            held = Held(jupyter, each["connection_id"], each["viewer"] or {})
            if held.viewer and not fields and held.is_well() and held.answers():
                return held
            held.disconnect()
        return self.start(jupyter, self.connect(jupyter), **fields)

    def start(self, jupyter: JupyterServer, connection_id: str, **fields: Any) -> Held:
        """Start or adopt a viewer."""
        asked = {"env_name": "train", "remote_root": str(self.root), "auto_open": False, **fields}
        answer = jupyter.post("viewer/start", connection_id=connection_id, **asked)
        assert answer.status_code == 200, answer.text
        return Held(jupyter, connection_id, answer.json()["viewer"])

    def warm(self, jupyter: JupyterServer) -> Count:
        """Make a server start the threads of its pools, and count: later counts tell only what is new.

        A pool starts a thread when none is free, which on a fast machine seldom happens: so it is asked for
        until the number has been the same for a while.
        """
        counts = [Count.of(jupyter.process.pid)]
        while len({count.threads for count in counts[-WARM_ROUNDS:]}) > 1 or len(counts) < WARM_ROUNDS:
            with ThreadPoolExecutor(24) as pool:
                list(pool.map(lambda _: self._api(jupyter, "hosts"), range(48)))
            counts.append(Count.of(jupyter.process.pid))
        return counts[-1]

    def _api(self, jupyter: JupyterServer, path: str) -> None:
        headers = {"Authorization": f"token {jupyter.token}", "Connection": "close"}
        requests.get(f"{jupyter.url}api/remote/{path}", headers=headers, timeout=LIMIT).raise_for_status()

    # -- the remote

    def viewers(self) -> list[int]:
        """Give the process ids of the viewers on the remote."""
        return [
            pid
            for pid, line in self.remote_processes().items()
            if line.rstrip().endswith(" runicorn-jupyter")
        ]

    def remote_processes(self) -> dict[int, str]:
        """Give all that sessions have started on the remote, by process id: the command lines."""
        found = {}
        for pid in self.sshd.processes():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                found[pid] = line.decode("utf-8", "replace")
        return found

    def left_behind(self) -> list[str]:
        """Give what is left on the remote: processes and files of ours."""
        state = self.sshd.home / ".local" / "state"
        return [*self.remote_processes().values(), *map(str, state.rglob("*"))]

    def await_nothing_left(self) -> None:
        """Wait until nothing of ours is left on the remote."""
        try:
            until("nothing is left on the remote", lambda: not self.left_behind())
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.left_behind()}") from None

    def await_no_viewer(self) -> None:
        """Wait until no viewer runs on the remote."""
        until("no viewer is left on the remote", lambda: not self.viewers())

    def disconnect_all(self, jupyter: JupyterServer) -> None:
        """Close every connection of a server."""
        for each in jupyter.get("connections").json()["connections"]:
            Held(jupyter, each["connection_id"], {}).disconnect()

    def relay(self, **options: float) -> Relay:
        """Put a bad line in front of the remote, on this machine."""
        made = Relay(self.sshd.host, self.sshd.port, **options)
        self.servers.callback(made.close)
        return made

    @property
    def host_key_alias(self) -> str:
        """The name under which the remote's key is known."""
        return f"[{self.sshd.host}]:{self.sshd.port}"

    def inside(self, *command: str) -> list[str]:
        """Make a command that runs in the remote's network."""
        return ["nsenter", f"--net=/run/netns/{self.network.name}", *command]

    @property
    def asset(self) -> Path:
        """The largest file that the viewer serves as it lies on the remote's disk."""
        assets = site_packages(self.prefix).glob("runicorn/webui/assets/*.js")
        return max(assets, key=lambda path: path.stat().st_size)

    def content_is_whole(self, held: Held) -> None:
        """Fetch a page, data and the largest file through the viewer's URL; compare the file's hash."""
        assert held.ask().status_code == 200
        assert len(held.ask("api/runs").json()) == 2
        answer = held.ask(f"assets/{self.asset.name}")
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).digest() == hashlib.sha256(self.asset.read_bytes()).digest()

    def describe(self) -> str:
        """Say how everything is, for the report of a failure; whatever of it cannot be asked says why."""
        looks: list[tuple[str, Callable[[], str]]] = [
            ("processes on the remote", lambda: "\n".join(map(str, self.remote_processes().items()))),
            ("left on the remote", lambda: "\n".join(self.left_behind())),
        ]
        for name, server in (("patient", self.patient), ("brief", self.brief)):
            looks += [
                (f"{name}'s connections", partial(_connections, server)),
                (f"the end of {name}'s log", partial(_tail, server.log)),
            ]
        looks += [(f"the end of {path.name}", partial(_tail, path)) for path in self.sshd.home.rglob("*.log")]
        said = []
        for what, look in looks:
            try:
                said.append(f"-- {what}:\n{look()}")
            except (OSError, ValueError, KeyError) as error:
                said.append(f"-- {what}: {error!r}")
        return "\n".join(said)

    def restore(self) -> None:
        """Undo what faults may have left: the network, names, a changed sshd, a Jupyter that has ended."""
        self.names_known(True)
        self.network.mend()
        self.sshd.resume()
        if self.sshd.options or not self.sshd.is_running:
            self.sshd.options = {}
            self.sshd.restart()
        if self.patient.process.poll() is not None:
            self.patient = self.jupyter(self.times.lease)
        if self.brief.process.poll() is not None:
            self.brief = self.jupyter(self.times.brief_lease)


def _connections(server: JupyterServer) -> str:
    status = server.process.poll()
    if status is not None:
        return f"none: it has ended with {status}"
    told = server.request("GET", "connections", timeout=10).json()
    for each in told["connections"]:
        known = {"connection_id": each["connection_id"]}
        each["environments"] = server.request("GET", "environments", params=known, timeout=10).json()
    return json.dumps(told, indent=1)


def _tail(path: Path, lines: int = 40) -> str:
    return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:])


def end_jupyter(server: JupyterServer) -> None:
    """Stop a Jupyter server, if it still runs; whatever a test has done to it."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
        server.stop()


def removable_environment(prefix: Path, like: Path) -> Path:
    """Make an environment that has its own copy of runicorn, to be deleted; the rest is another's."""
    subprocess.run([base_python(), "-m", "venv", "--without-pip", prefix], check=True)
    (site,) = prefix.glob("lib/python3*/site-packages")
    for entry in site_packages(like).iterdir():
        if entry.name.startswith("runicorn"):
            shutil.copytree(entry, site / entry.name)
    (site / "others.pth").write_text(f"{site_packages(like)}\n")
    return prefix


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """Mount a file system of its own, of so much room."""
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def listens(port: int) -> bool:
    """Whether something listens on a port of this machine's loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def open_world(times: Times | None = None) -> Iterator[World]:
    """Build the world; everything of it ends with the block."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="runicorn-faults-")))
        network = Network()
        stack.callback(network.close)
        prefix = build("runicorn==0.7.2")
        for name in ("trainer", "sshd", "client"):
            (folder / name).mkdir()
        Trainer(folder / "trainer").runs(prefix, folder / "root")
        disk = stack.enter_context(small_disk(folder / "home", "16m"))
        sshd = Sshd(folder / "sshd", home=disk, network=network.name, address=network.there)
        stack.callback(sshd.close)
        sshd.start()
        (disk / ".virtualenvs").mkdir()
        (disk / ".virtualenvs" / "train").symlink_to(prefix)
        home = SshHome(folder / "client")
        home.trust(sshd)
        home.host("gpu1", sshd, HostName=HOST_NAME, HostKeyAlias=f"[{sshd.host}]:{sshd.port}")
        (folder / "empty").mkdir()
        servers = stack.enter_context(contextlib.ExitStack())
        yield World(
            folder, network, sshd, prefix, folder / "root", home, folder / "hosts", servers, times or Times()
        )


def require_root() -> str | None:
    """Say why this machine cannot have the world, or None if it can."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "nft", "tc", "nsenter", "unshare")):
        return "network namespaces need root, iproute2 and nftables"
    return None
