"""A real Jupyter server in a process of its own, with our extension enabled as `pip install` enables it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.world.environments import locked

START_SECONDS = 120
UPSTREAM_PORT = 23300
OTHERS = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")
"""Extensions of others: half of the time that a server takes to start, which no test of ``server`` needs."""


class _ConnectionEach(HTTPAdapter):
    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        return HTTPAdapter().send(*args, **kwargs)


def session_of_single_requests() -> requests.Session:
    """Make a session whose every request has a connection of its own.

    A server may close one that is idle whenever it likes, also while the next request is on its way. To say
    ``close`` is not enough: urllib3 goes by the answer's header, and takes a connection anew for which the
    server said nothing.
    """
    session = requests.Session()
    session.mount("http://", _ConnectionEach())
    session.headers["Connection"] = "close"
    return session


@dataclass
class JupyterServer:
    """A running server.

    Attributes
    ----------
    url
        With ``base_url`` and a trailing slash.
    token
        Empty where the server is open.
    home
        Its ``HOME``: ``.ssh`` and Jupyter's data live there.
    log
        Where it writes what it says.
    """

    process: subprocess.Popen[bytes]
    url: str
    token: str
    home: Path
    log: Path
    info_file: Path
    session: requests.Session = field(default_factory=session_of_single_requests)

    @property
    def env(self) -> dict[str, str]:
        """Variables for a program of the same user: finds this server's runtime file."""
        return server_environment(self.home)

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Ask ``/api/remote/<path>``, with the token."""
        headers = {"Authorization": f"token {self.token}", **kwargs.pop("headers", {})}
        return self.session.request(
            method,
            f"{self.url}api/remote/{path}",
            headers=headers,
            timeout=kwargs.pop("timeout", 60),
            **kwargs,
        )

    def get(self, path: str, **params: Any) -> requests.Response:
        """GET with a query."""
        return self.request("GET", path, params=params)

    def post(self, path: str, **body: Any) -> requests.Response:
        """POST a JSON body."""
        return self.request("POST", path, json=body)

    def delete(self, path: str, **params: Any) -> requests.Response:
        """DELETE with a query."""
        return self.request("DELETE", path, params=params)

    def stop(self, *, timeout: float = 30, by: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a service manager would, or ``by`` another signal; give its exit status."""
        self.session.close()
        if self.process.poll() is None:
            self.process.send_signal(by)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.session.close()
        self.process.kill()
        self.process.wait()


def server_environment(home: Path) -> dict[str, str]:
    """Variables that keep a Jupyter process inside ``home``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "JPY", "XDG", "SSH_", "IPYTHON", "RUNICORN"))
    }
    return {
        **kept,
        "HOME": str(home),
        "JUPYTER_PLATFORM_DIRS": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONWARNINGS": "default",
    }


def check_no_builds(home: Path) -> None:
    """Keep this user's JupyterLab from checking at each page's load whether it has to be built.

    The check runs Yarn, in a Node of its own, for a second of CPU.
    """
    config = home / ".jupyter" / "labconfig" / "page_config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({"buildAvailable": False, "buildCheck": False}))


def start_jupyter(
    home: Path,
    *options: str,
    base_url: str = "/",
    token: str | None = None,
    command: str = "server",
    port: int | None = 0,
    ip: str = "127.0.0.1",
    env: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> JupyterServer:
    """Start ``jupyter <command>`` and wait until it answers.

    Parameters
    ----------
    home
        Its ``HOME``.
    options
        More command line options.
    base_url
        As Jupyter's option.
    token
        Default: a random one. Empty opens the server to everyone, without XSRF checks.
    command
        ``server`` (which runs no extension but ours), ``lab``, ``notebook`` or ``runicorn``.
    port
        TCP port; 0 lets the system choose, None leaves it to ``options``.
    ip
        Where it listens; empty for all addresses of this machine.
    prefix
        A command that becomes the one that follows it (as ``unshare`` does), to run it in other surroundings.
    """
    token = secrets.token_hex(16) if token is None else token
    root = home / "work"
    root.mkdir(parents=True, exist_ok=True)
    log = home / f"jupyter-{secrets.token_hex(4)}.log"
    level = [] if any(each.startswith("--log-level") for each in options) else ["--log-level=INFO"]
    if command == "server":
        options = (f"--ServerApp.jpserver_extensions={dict.fromkeys(OTHERS, False)}", *options)
    arguments = [
        *prefix, sys.executable, "-m", "jupyter", command,
        "--no-browser", "--allow-root", f"--ServerApp.ip={ip}",
        *([] if port is None else [f"--ServerApp.port={port}"]),
        "--ServerApp.port_retries=0", f"--ServerApp.base_url={base_url}",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}", *level, *options,
    ]  # fmt: skip
    if not token:
        arguments.append("--ServerApp.disable_check_xsrf=True")
    check_no_builds(home)
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            env={**server_environment(home), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=root,
        )
    runtime = home / ".local" / "share" / "jupyter" / "runtime"
    info_file = runtime / f"jpserver-{process.pid}.json"
    try:
        url = _wait_for(process, info_file, log, token)
    except BaseException:  # a test's time limit too: nobody else would end it
        process.kill()
        process.wait()
        raise
    return JupyterServer(process, url, token, home, log, info_file)


def _wait_for(process: subprocess.Popen[bytes], info_file: Path, log: Path, token: str) -> str:
    """Wait until the server has written its runtime file and answers."""
    tick = threading.Event()
    for _ in range(START_SECONDS * 20):
        if process.poll() is not None:
            raise RuntimeError(f"Jupyter exited with {process.returncode}:\n{log.read_text()}")
        try:
            info = json.loads(info_file.read_text())
            url = f"http://127.0.0.1:{info['port']}{info['base_url']}"
            requests.get(
                f"{url}api/status", headers={"Authorization": f"token {token}"}, timeout=5
            ).raise_for_status()
            return url
        except (OSError, ValueError, requests.RequestException):
            tick.wait(0.05)
    raise RuntimeError(f"Jupyter did not answer within {START_SECONDS} s:\n{log.read_text()}")


@pytest.fixture
def make_jupyter() -> Iterator[Callable[..., JupyterServer]]:
    """Start Jupyter servers that are stopped after the test; takes what `start_jupyter` takes."""
    with ExitStack() as stack:

        def make(*options: str, home: Path | None = None, **kwargs: Any) -> JupyterServer:
            if home is None:
                home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jupyter-home-")))
            server = start_jupyter(home, *options, **kwargs)
            stack.callback(server.stop)
            return server

        yield make


@contextmanager
def upstreams_port() -> Iterator[int]:
    """Wait for the port that upstream's examples name, and keep other tests of this machine from it."""
    with locked(Path(tempfile.gettempdir()) / f"runicorn-jupyter-tests-{os.geteuid()}-{UPSTREAM_PORT}.lock"):
        yield UPSTREAM_PORT


@pytest.fixture(scope="session")
def jupyter_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``HOME`` of the session's Jupyter server."""
    return tmp_path_factory.mktemp("jupyter-home")


@pytest.fixture(scope="session")
def jupyter(jupyter_home: Path) -> Iterator[JupyterServer]:
    """One server for all tests that do not change it."""
    server = start_jupyter(jupyter_home)
    yield server
    server.stop()
