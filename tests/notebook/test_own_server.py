"""The Jupyter that a notebook is in, however people log in to it: magics and clients use that one."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from jupyter_server.auth import passwd

from runicorn_jupyter.client.transport import UnixAdapter
from tests.notebook.kernels import Kernel, started_kernel
from tests.world.jupyter import START_SECONDS, server_environment

PASSWORD = "open sesame"  # of the test's own server
CLOSED = "api/contents", "api/kernels", "api/events/subscribe", "api/status"
"""Jupyter's own routes, which the credential is not for."""


@dataclass
class Running:
    """A server, and a session of a person who is logged in to it."""

    url: str
    session: requests.Session
    runtime: Path
    pid: int
    log: Path

    @property
    def credential(self) -> Path:
        """The file that the extension leaves."""
        return self.runtime / f"runicorn-jupyter-{self.pid}.json"

    def headers(self) -> dict[str, str]:
        """What a program of the same user sends."""
        return {"Authorization": f"Runicorn {json.loads(self.credential.read_text())['credential']}"}


def certificate(folder: Path) -> list[str]:
    """Make a certificate for a name that is not the address, and say how Jupyter takes it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
         "9", "-subj", "/CN=gpu.example.org", "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return [f"--ServerApp.keyfile={key}", f"--ServerApp.certfile={cert}"]


@contextmanager
def running(home: Path, options: Sequence[str], *, socket: Path | None, password: bool) -> Iterator[Running]:
    """Start a server as a person would and log in to it."""
    runtime, log = home / ".local/share/jupyter/runtime", home / "jupyter.log"
    place = [f"--ServerApp.sock={socket}"] if socket else ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", *place, *options,
             "--ServerApp.base_url=/platform/"],
            env=server_environment(home), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=home,
        )  # fmt: skip
    session = requests.Session()
    session.verify, session.trust_env = False, False
    try:
        info = _runtime_file(process, runtime / f"jpserver-{process.pid}.json", log)
        scheme = "https" if info["secure"] else "http"
        place_url = "http://localhost" if socket else f"{scheme}://127.0.0.1:{info['port']}"
        url = f"{place_url}{info['base_url']}"
        if socket:
            session.mount("http://localhost", UnixAdapter(str(socket)))
        _listens(process, session, url, log)
        if password:
            form = {"password": PASSWORD, "_xsrf": session.cookies["_xsrf"]}
            session.post(f"{url}login", data=form, timeout=60)
        if info["token"]:
            session.headers["Authorization"] = f"token {info['token']}"
        session.headers["X-XSRFToken"] = session.cookies.get("_xsrf", "")
        yield Running(url, session, runtime, process.pid, log)
    finally:
        session.close()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


def _in_time(process: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    """Go on until the server has had its time, or has ended."""
    tick = threading.Event()
    for _ in range(START_SECONDS * 20):
        if process.poll() is not None:
            break
        yield
        tick.wait(0.05)
    raise RuntimeError(f"Jupyter did not start:\n{log.read_text()}")


def _runtime_file(process: subprocess.Popen[bytes], path: Path, log: Path) -> dict[str, object]:
    """Wait until the server has written its runtime file."""
    for _ in _in_time(process, log):
        with suppress(FileNotFoundError, ValueError):  # not there yet, or being written
            found: dict[str, object] = json.loads(path.read_text())
            return found
    raise AssertionError


def _listens(process: subprocess.Popen[bytes], session: requests.Session, url: str, log: Path) -> None:
    """Wait until the server listens, which it does after it has written its file."""
    for _ in _in_time(process, log):
        with suppress(requests.exceptions.ConnectionError):
            session.get(f"{url}login", timeout=60)
            return


@pytest.fixture(params=["no token", "a password", "HTTPS", "a Unix socket"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Servers behind a prefix that magics could not use, or not change anything on."""
    home, options = tmp_path, []
    if request.param == "no token":
        options = ["--IdentityProvider.token=", "--ServerApp.password="]
    if request.param == "a password":
        options = [f"--PasswordIdentityProvider.hashed_password={passwd(PASSWORD)}"]
    if request.param == "HTTPS":
        options = certificate(tmp_path)
    with running(
        home,
        options,
        socket=tmp_path / "j.sock" if request.param == "a Unix socket" else None,
        password=request.param == "a password",
    ) as made:
        yield made


@pytest.fixture
def inner_kernel(anywhere: Running) -> Iterator[Kernel]:
    """A kernel of that server, with the magics loaded."""
    with started_kernel(anywhere.session, anywhere.url, anywhere.runtime) as kernel:
        kernel.good("%load_ext runicorn_jupyter")
        yield kernel


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_notebook_uses_the_server_that_it_is_in(anywhere: Running, inner_kernel: Kernel) -> None:
    said = inner_kernel.run("%runicorn_connect nobody@nowhere.invalid")
    assert said.status == "error"
    assert "nowhere.invalid" in said.everything
    assert "private" not in said.text
    assert "POST /platform/api/remote/connect" in anywhere.log.read_text()
    inner_kernel.good(
        "from runicorn_jupyter.client import RunicornRemoteClient\n"
        "from runicorn_jupyter.client.events import event_stream\n"
        "_c = RunicornRemoteClient(); _s = event_stream(_c.server)\n"
        "_s.subscribe(print, wait=60)"
    )
    assert inner_kernel.value("[_c.server.pid, _c.list_connections(), _s._reader.connected.is_set()]") == [
        anywhere.pid,
        [],
        True,
    ]


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_what_it_leaves_is_for_its_user_its_api_and_its_life(anywhere: Running) -> None:
    assert stat.S_IMODE(anywhere.credential.stat().st_mode) == 0o600
    assert anywhere.credential.stat().st_uid == os.geteuid()
    program = requests.Session()
    program.verify, program.trust_env = False, False
    for prefix, adapter in anywhere.session.adapters.items():
        program.mount(prefix, adapter)
    headers = anywhere.headers()
    mine = program.get(f"{anywhere.url}api/remote/connections", headers=headers, timeout=60)
    assert mine.json()["connections"] == []
    posted = program.post(
        f"{anywhere.url}api/remote/viewer/stop", json={"connection_id": "x"}, headers=headers, timeout=60
    )
    assert posted.json()["error"] == "connection_not_found"
    is_open = program.get(f"{anywhere.url}api/contents", timeout=60).ok  # the server without a token
    for route in CLOSED:
        answer = program.get(f"{anywhere.url}{route}", headers=headers, timeout=60, allow_redirects=False)
        assert is_open or answer.status_code in {302, 403}, route
    assert program.post(f"{anywhere.url}api/kernels", json={}, headers=headers, timeout=60).status_code == 403
    wrong = {"Authorization": f"{headers['Authorization'][:-1]}!"}
    refused = program.post(f"{anywhere.url}api/remote/disconnect", json={}, headers=wrong, timeout=60)
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    elsewhere = {**headers, "Origin": "https://evil.example"}
    assert (
        program.get(f"{anywhere.url}api/remote/connections", headers=elsewhere, timeout=60).status_code == 403
    )
    assert headers["Authorization"].split()[1] not in anywhere.log.read_text()


def test_it_goes_with_the_server(tmp_path: Path) -> None:
    with running(tmp_path, [], socket=None, password=False) as server:
        assert server.credential.exists()
    assert not server.credential.exists()
