"""A real JupyterHub behind its real proxy, on loopback, with two people who log in by its form.

`jupyterhub` comes with the tests' requirements; `configurable-http-proxy` is installed by npm,
once, into the tests' cache under a name that is the hash of what is in it (as
``tests.world.environments`` does). Single-user servers are JupyterHub's own
``SimpleLocalProcessSpawner``: ``jupyterhub-singleuser`` as a local process of the current user,
each person with a ``HOME`` of their own below the hub's folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests.world.environments import cache_folder, locked
from tests.world.jupyter import check_no_builds, server_environment, session_of_single_requests

PROXY_PACKAGE = "configurable-http-proxy@5.3.0"
INSTALL_SECONDS = 300
START_SECONDS = 120
PEOPLE = ("alice", "bob")

# JSON is Python here, but for true, false and null, of which there is none.
_CONFIG = """\
c = get_config()
for name, values in {options}.items():
    for option, value in values.items():
        setattr(c[name], option, value)
"""


def install_proxy() -> Path:
    """Return the folder in which npm has installed `configurable-http-proxy`, installing it if need be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.fail("these tests need node and npm: `make test` says how to get them")
    key = hashlib.sha256(PROXY_PACKAGE.encode()).hexdigest()[:16]
    folder = cache_folder() / f"npm-{key}"
    finished = folder / ".finished"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if finished.exists():
        return folder
    with locked(folder.with_suffix(".lock")):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            done = subprocess.run(
                [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", PROXY_PACKAGE],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                raise RuntimeError(f"npm could not install {PROXY_PACKAGE}:\n{done.stdout}{done.stderr}")
            finished.touch()
    return folder


@dataclass
class Person:
    """Somebody who has logged in to the hub by its form, and whose server runs.

    Attributes
    ----------
    name
        As the hub knows them.
    url
        Of their server, with a trailing slash.
    home
        Their ``HOME``.
    token
        The hub's API token of theirs; works on their own server only.
    session
        A browser's worth of cookies.
    """

    name: str
    url: str
    home: Path
    token: str
    session: requests.Session = field(default_factory=session_of_single_requests)

    def request(self, method: str, path: str, *, url: str = "", **kwargs: Any) -> requests.Response:
        """Ask ``/api/remote/<path>`` as a page of theirs does: with cookies and the XSRF token.

        Parameters
        ----------
        url
            Of somebody else's server, to ask there instead.
        """
        url = url or self.url
        path_of_server = urlsplit(url).path
        xsrf = [c.value for c in self.session.cookies if c.name == "_xsrf" and c.path == path_of_server]
        headers = {"X-XSRFToken": str(xsrf[0]) if xsrf else "", **kwargs.pop("headers", {})}
        return self.session.request(
            method,
            f"{url}api/remote/{path}",
            headers=headers,
            timeout=kwargs.pop("timeout", 60),
            allow_redirects=False,
            **kwargs,
        )

    def with_token(self, method: str, path: str, *, url: str = "", **kwargs: Any) -> requests.Response:
        """Ask ``/api/remote/<path>`` as a script of theirs does: with their token, without cookies."""
        return requests.request(
            method,
            f"{url or self.url}api/remote/{path}",
            headers={"Authorization": f"token {self.token}"},
            timeout=kwargs.pop("timeout", 60),
            allow_redirects=False,
            **kwargs,
        )


class Hub:
    """A running JupyterHub.

    Parameters
    ----------
    root
        An empty folder of its own.
    options
        Added to its configuration: by class, then by trait.

    Attributes
    ----------
    url
        Its public origin with a trailing slash.
    password
        The one that lets everybody in.
    log
        Where hub, proxy and single-user servers write what they say.
    """

    def __init__(self, root: Path, **options: dict[str, Any]) -> None:
        self.root = root
        self.password = secrets.token_hex(16)
        self.log = root / "hub.log"
        self._options = options
        self._admin_token = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._people: dict[str, Person] = {}
        self.url = ""

    def home(self, name: str) -> Path:
        """Give the ``HOME`` of somebody."""
        home = self.root / "homes" / name
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_no_builds(home)
        return home

    def start(self) -> Hub:
        """Start it and return when it answers through its proxy."""
        proxy = install_proxy()
        public, hub_port, proxy_api = _free_ports(3)
        self.url = f"http://127.0.0.1:{public}/"
        config = self._config(public, hub_port, proxy_api, proxy)
        path = self.root / "jupyterhub_config.py"
        path.write_text(_CONFIG.format(options=repr(config)))
        path.chmod(0o600)
        environment = server_environment(self.root)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(path)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.root,
                start_new_session=True,
            )
        self._wait()
        return self

    def _config(self, public: int, hub_port: int, proxy_api: int, proxy: Path) -> dict[str, dict[str, Any]]:
        command = [
            shutil.which("node") or "node",
            str(proxy / "node_modules" / ".bin" / "configurable-http-proxy"),
        ]
        config: dict[str, dict[str, Any]] = {
            "JupyterHub": {
                "bind_url": f"http://127.0.0.1:{public}/",
                "hub_bind_url": f"http://127.0.0.1:{hub_port}",
                "authenticator_class": "shared-password",
                "spawner_class": "simple",
                "db_url": "sqlite:///:memory:",
                "cookie_secret_file": str(self.root / "cookie_secret"),
                "cleanup_servers": True,
                "allow_named_servers": True,
                # As SECURITY.md says: a page in its own tab cannot log people out by a navigation.
                "tornado_settings": {"cookie_options": {"SameSite": "Strict"}},
                "services": [{"name": "tests", "api_token": self._admin_token}],
                "load_roles": [
                    {
                        "name": "tests",
                        "scopes": ["admin:users", "admin:servers", "tokens", "access:servers", "shares"],
                        "services": ["tests"],
                    }
                ],
            },
            "ConfigurableHTTPProxy": {
                "command": command,
                "api_url": f"http://127.0.0.1:{proxy_api}",
                "auth_token": secrets.token_hex(32),
                "pid_file": str(self.root / "proxy.pid"),
            },
            "Authenticator": {"allowed_users": set(PEOPLE)},
            "SharedPasswordAuthenticator": {"user_password": self.password},
            "Spawner": {
                "args": [
                    "--log-level=DEBUG",
                    "--LabApp.expose_app_in_browser=True",
                    *(["--allow-root"] if os.geteuid() == 0 else []),
                ],
                "ip": "127.0.0.1",
                "default_url": "/lab",
                "start_timeout": START_SECONDS,
                "http_timeout": START_SECONDS,
                "environment": {"JUPYTER_PLATFORM_DIRS": "0"},
            },
            "SimpleLocalProcessSpawner": {"home_dir_template": str(self.root / "homes" / "{username}")},
        }
        for name, values in self._options.items():
            config.setdefault(name, {}).update(values)
        return config

    def _wait(self) -> None:
        assert self._process is not None
        tick = threading.Event()
        for _ in range(START_SECONDS * 10):
            if self._process.poll() is not None:
                raise RuntimeError(f"JupyterHub exited:\n{self.log.read_text(errors='replace')}")
            try:
                if requests.get(f"{self.url}hub/api/", timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            tick.wait(0.1)
        self.stop()
        raise RuntimeError(f"JupyterHub did not answer:\n{self.log.read_text(errors='replace')}")

    def admin(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Ask the hub's own API as its administrator."""
        return requests.request(
            method,
            f"{self.url}hub/api/{path}",
            headers={"Authorization": f"token {self._admin_token}"},
            timeout=START_SECONDS,
            **kwargs,
        )

    def person(self, name: str) -> Person:
        """Log somebody in, start their server, and give them; the same each time."""
        if name not in self._people:
            self._people[name] = self._make(name)
        return self._people[name]

    def _make(self, name: str) -> Person:
        home = self.home(name)
        url = f"{self.url}user/{name}/"
        session = session_of_single_requests()
        log_in(session, self.url, name, self.password)
        started = self.admin("POST", f"users/{name}/server")
        assert started.status_code in (201, 202), started.text
        if started.status_code == 202:
            self._wait_for_server(name)
        session.get(f"{url}lab", timeout=START_SECONDS).raise_for_status()  # OAuth, by redirects
        made = self.admin("POST", f"users/{name}/tokens", json={"scopes": [f"access:servers!user={name}"]})
        assert made.status_code == 201, made.text
        return Person(name, url, home, made.json()["token"], session)

    def named_server(self, person: Person, server: str) -> Person:
        """Start a named server of somebody's, and give them as they are there."""
        started = self.admin("POST", f"users/{person.name}/servers/{server}")
        assert started.status_code in (201, 202), started.text
        if started.status_code == 202:
            self._wait_for_server(person.name, f"servers/{server}")
        url = f"{person.url}{server}/"
        person.session.get(f"{url}lab", timeout=START_SECONDS).raise_for_status()
        return replace(person, url=url)

    def _wait_for_server(self, name: str, server: str = "server") -> None:
        with self.admin("GET", f"users/{name}/{server}/progress", stream=True) as events:
            for line in events.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event.get("ready"):
                        return
                    assert not event.get("failed"), event
        raise RuntimeError(f"the server of {name} did not start:\n{self.log.read_text(errors='replace')}")

    def stop(self) -> None:
        """Stop hub, proxy and servers."""
        for person in self._people.values():
            person.session.close()
        process = self._process
        if process is None:
            return
        self._process = None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def log_in(session: requests.Session, hub_url: str, name: str, password: str) -> requests.Response:
    """Log in as a browser does: read the form, fill it in, send it."""
    page = session.get(f"{hub_url}hub/login", timeout=START_SECONDS)
    found = re.search(r'name="_xsrf"\s+value="([^"]+)"', page.text)
    action = re.search(r'<form[^>]*action="([^"]+)"', page.text)
    assert found, page.text
    assert action, page.text
    answer = session.post(
        urljoin(page.url, action.group(1).replace("&amp;", "&")),
        data={"username": name, "password": password, "_xsrf": found.group(1)},
        timeout=START_SECONDS,
        allow_redirects=False,
    )
    assert answer.status_code == 302, answer.text
    return answer


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in held]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for the whole run; people's servers start when they are first asked for."""
    running = Hub(tmp_path_factory.mktemp("hub"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def make_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Hub]]:
    """Start hubs of the test's own: ``make_hub(Spawner={…})``."""
    made: list[Hub] = []

    def make(**options: dict[str, Any]) -> Hub:
        made.append(Hub(tmp_path_factory.mktemp("hub"), **options))
        return made[-1].start()

    try:
        yield make
    finally:
        for running in made:
            running.stop()
