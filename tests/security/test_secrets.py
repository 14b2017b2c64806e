"""Canaries: a password, a passphrase and an answer are looked for in all that can be read later."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from pydantic import SecretStr
from websockets.sync.client import connect as open_websocket

from runicorn_jupyter import models as m
from runicorn_jupyter.ssh.auth.authentication import Credentials
from tests.api.conftest import World
from tests.world.jupyter import JupyterServer
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome, make_key


@dataclass
class Watched:
    """A server at DEBUG whose every word is kept, and the canaries that must not be among them."""

    jupyter: JupyterServer
    sshd: Sshd
    password: str
    passphrase: str
    answer: str
    said: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """Ask, and keep the answer with its headers."""
        answer = self.jupyter.request(method, path, **kwargs)
        self.said.append(f"{answer.headers}\n{answer.text}")
        return answer

    def find(self, text: str, where: str) -> None:
        """Fail if a canary is in a text."""
        for name in ("password", "passphrase", "answer"):
            assert getattr(self, name) not in text, f"the {name} is in {where}"


@pytest.fixture
def watched(
    make_sshd: Callable[..., Sshd],
    make_jupyter: Callable[..., JupyterServer],
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> Iterator[Watched]:
    password, passphrase, answer = (f"canary-{name}-{secrets.token_hex(8)}" for name in "pqr")
    sshd = make_sshd(password=password)
    for name, secret in (("with-passphrase", passphrase), ("asked-for", answer)):
        key = make_key(tmp_path / name, passphrase=secret)
        with sshd.authorized_keys.open("a") as file:
            file.write(Path(f"{key}.pub").read_text())
    home = SshHome(tmp_path / "home")
    home.trust(sshd)
    home.host("gpu1", sshd)
    add_environments(sshd.home, rc=runicorn_env())
    jupyter = make_jupyter("--log-level=DEBUG", home=home.path)
    made = Watched(jupyter, sshd, password, passphrase, answer)
    url = f"{jupyter.url.replace('http', 'ws', 1)}api/events/subscribe"
    with open_websocket(url, additional_headers={"Authorization": f"token {jupyter.token}"}) as events:
        listener = threading.Thread(target=lambda: made.said.extend(map(str, events)), daemon=True)
        listener.start()
        yield made
    listener.join(10)


def sign_in(watched: Watched, tmp_path: Path) -> list[str]:
    """Connect in every way that has a secret, rightly and wrongly; give the connections' ids."""
    connect = {"host": "gpu1"}
    by_password = {**connect, "auth_method": "password", "password": watched.password}
    by_passphrase = {
        **connect,
        "private_key_path": str(tmp_path / "with-passphrase"),
        "key_passphrase": watched.passphrase,
    }
    good = [watched.ask("POST", "connect", json=body) for body in (by_password, by_passphrase)]
    asked = watched.ask("POST", "connect", json={**connect, "private_key_path": str(tmp_path / "asked-for")})
    assert asked.json()["error"] == "authentication_required"
    challenge = asked.json()["details"]["challenge_id"]
    good.append(watched.ask("POST", f"connect/{challenge}", json={"responses": [watched.answer]}))
    assert [answer.status_code for answer in good] == [200, 200, 200], [answer.text for answer in good]
    # What fails must not repeat what it was given: each of these quotes a canary back if anything does.
    wrong = [
        {**by_password, "host": "gpu1", "private_key_path": watched.passphrase, "auth_method": "key"},
        {**by_password, "password": watched.password + "x"},
        {**by_passphrase, "key_passphrase": watched.passphrase + "x"},
        {**by_password, "password": [watched.password]},
        {**by_password, "timeout": watched.password},
        {**by_password, "auth_method": watched.password},
        {**by_password, "nothing": watched.passphrase},
    ]
    answers = [watched.ask("POST", "connect", json=body) for body in wrong]
    assert all(answer.status_code in (400, 401) for answer in answers), [a.text for a in answers]
    profile = {"name": "gpu", "host": "gpu1", "password": watched.password}
    assert watched.ask("POST", "profiles", json=profile).status_code == 400
    # Not JSON at all, and a challenge that is answered wrongly.
    headers = {"Content-Type": "application/json"}
    assert (
        watched.ask(
            "POST", "connect", data=f'{{"password": "{watched.password}"', headers=headers
        ).status_code
        == 400
    )
    again = watched.ask("POST", "connect", json={**connect, "private_key_path": str(tmp_path / "asked-for")})
    challenge = again.json()["details"]["challenge_id"]
    watched.ask("POST", f"connect/{challenge}", json={"responses": [watched.answer, watched.answer]})
    return [answer.json()["connection_id"] for answer in good]


def test_no_secret_is_left_anywhere(watched: Watched, tmp_path: Path) -> None:
    ids = sign_in(watched, tmp_path)
    body = {"connection_id": ids[0], "env_name": "rc", "remote_root": str(tmp_path)}
    started = watched.ask("POST", "viewer/start", json=body)
    assert started.status_code == 200, started.text
    requests.get(started.json()["viewer"]["url"], timeout=30).raise_for_status()
    for path in ("connections", "profiles", "hosts", "known-hosts", f"viewer/logs?connection_id={ids[0]}"):
        assert watched.ask("GET", path).status_code == 200
    # The remote is this machine: every process of every user, with its arguments and its environment.
    watched.find(subprocess.run(["ps", "auxeww"], capture_output=True, text=True, check=True).stdout, "ps")
    capability = started.json()["viewer"]["url"].split("/")[-2]
    for connection_id in ids:
        assert watched.ask("DELETE", f"connections/{connection_id}").status_code == 200
    log = watched.jupyter.log.read_text(errors="replace")
    assert "[D " in log
    watched.find(log, "the log")
    assert capability not in log
    watched.find("\n".join(watched.said), "an answer or an event")
    assert sum("schema.runicorn.dev" in text for text in watched.said) >= 6
    assert not any(capability in text for text in watched.said if "schema.runicorn.dev" in text)
    for root in (watched.jupyter.home, watched.sshd.home):
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink() and "envs" not in path.parts:
                watched.find(path.read_text(errors="replace"), str(path))


def test_jupyters_own_log_holds_no_capability(world: World) -> None:
    """Of a request for what is none of our routes, Jupyter logs the path, and of a bad one the headers."""
    url = world.start(world.connect(), "rc072")["url"]
    place = urlsplit(url)
    capability = place.path.split("/")[-2]
    before = len(world.jupyter.log.read_text())
    escaped = "".join(f"%{ord(digit):02x}" for digit in capability)
    for target in (
        f"/{place.path}",
        url,
        place.path.replace("/v/", "/%76/"),
        place.path.replace("runicorn", "Runicorn"),
        place.path[:-1],
        f"/lab{place.path}",
        f"/nothing/{escaped}",
        f"/nothing?next={place.path}",
        f"/api/contents{place.path}",
    ):
        with socket.create_connection((place.hostname, place.port)) as connection:
            head = f"GET {target} HTTP/1.1\r\nHost: {place.netloc}\r\nReferer: {url}\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            while connection.recv(65536):
                pass
    # The log of an answer is written before the next request is answered.
    assert world.jupyter.get("nothing-of-ours").status_code == 404
    assert world.jupyter.get("connections").status_code == 200
    said = world.jupyter.log.read_text()[before:]
    assert said.count("[capability]") >= 6
    assert "nothing-of-ours" in said
    assert capability not in said
    assert escaped not in said
    assert requests.get(f"{url}api/health", timeout=60).status_code == 200


def test_no_repr_or_dump_holds_a_secret() -> None:
    canary = "canary-in-memory"
    request = m.ConnectRequest(
        host="a", auth_method="password", password=SecretStr(canary), key_passphrase=SecretStr(canary)
    )
    answers = m.ChallengeAnswerRequest(challenge_id="0" * 32, responses=[SecretStr(canary)])
    credentials = Credentials("password", None, SecretStr(canary), SecretStr(canary))
    for value in (request, answers, credentials):
        for text in (repr(value), str(value), f"{value}", json.dumps(value, default=repr)):
            assert canary not in text
    assert canary not in request.model_dump_json()
