"""Every row of the contract's table of errors, provoked for real."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.api.conftest import World
from tests.api.envelope import details_of, fields
from tests.world.environments import build
from tests.world.jupyter import start_jupyter
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome, make_key


def failed(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    """Check the envelope and give its details."""
    return details_of(answer.status_code, answer.json(), (status, code))


def test_authentication_failed_says_what_the_server_takes(world: World, tmp_path: Path) -> None:
    key = make_key(tmp_path / "stranger")
    details = failed(
        world.jupyter.post("connect", host="gpu1", private_key_path=str(key)), 401, "authentication_failed"
    )
    assert "publickey" in details["allowed_methods"]


@pytest.fixture
def locked_key(world: World, tmp_path: Path) -> Path:
    """A key with a passphrase that gpu1 accepts."""
    key = make_key(tmp_path / "locked", passphrase="open sesame")
    with world.sshd.authorized_keys.open("a") as file:
        file.write(Path(f"{key}.pub").read_text())
    return key


def test_authentication_required_and_answered(world: World, locked_key: Path) -> None:
    answer = world.jupyter.post("connect", host="gpu1", private_key_path=str(locked_key))
    details = failed(answer, 401, "authentication_required")
    assert details["prompts"][0]["echo"] is False
    answered = world.jupyter.post(f"connect/{details['challenge_id']}", responses=["open sesame"])
    assert answered.json()["status"] == "connected", answered.text
    again = world.jupyter.post(f"connect/{details['challenge_id']}", responses=["open sesame"])
    failed(again, 404, "not_found")


def test_a_challenge_is_answered_by_a_client_that_keeps_no_cookies(world: World, locked_key: Path) -> None:
    def post(path: str, **body: Any) -> requests.Response:
        headers = {"Authorization": f"token {world.jupyter.token}"}
        return requests.post(f"{world.jupyter.url}api/remote/{path}", json=body, headers=headers, timeout=30)

    asked = post("connect", host="gpu1", private_key_path=str(locked_key))
    details = failed(asked, 401, "authentication_required")
    answered = post(f"connect/{details['challenge_id']}", responses=["open sesame"])
    assert answered.json()["status"] == "connected", answered.text


def test_declining_a_challenge(world: World, locked_key: Path) -> None:
    details = failed(
        world.jupyter.post("connect", host="gpu1", private_key_path=str(locked_key)),
        401,
        "authentication_required",
    )
    path = f"connect/{details['challenge_id']}"
    assert world.jupyter.get(path).json()["prompts"] == details["prompts"]
    assert world.jupyter.delete(path).json()["success"]
    failed(world.jupyter.get(path), 404, "not_found")


def test_environment_not_found(world: World) -> None:
    connection_id = world.connect()
    failed(
        world.jupyter.post("viewer/start", connection_id=connection_id, env_name="no such"),
        404,
        "environment_not_found",
    )
    failed(
        world.jupyter.get("config", connection_id=connection_id, env_name="; id"),
        404,
        "environment_not_found",
    )


def test_viewer_not_running(world: World) -> None:
    connection_id = world.connect()
    failed(world.jupyter.post("viewer/stop", connection_id=connection_id), 404, "viewer_not_running")
    failed(world.jupyter.get("viewer/logs", connection_id=connection_id), 404, "viewer_not_running")


def test_host_key_unknown_then_accepted(world: World, make_sshd: Callable[..., Sshd]) -> None:
    stranger = make_sshd()
    world.home.host("stranger", stranger)
    details = failed(world.jupyter.post("connect", host="stranger"), 409, "host_key_unknown")
    offered = details["host_key"]
    assert offered["public_key"] == stranger.host_key
    assert offered["port"] == stranger.port
    printed = subprocess.run(
        ["ssh-keygen", "-lf", f"{stranger.host_key_path}.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert offered["fingerprint_sha256"] in printed

    other = make_key(stranger.root / "other")
    forged = " ".join(Path(f"{other}.pub").read_text().split()[:2])
    accept = {"host": offered["host"], "port": offered["port"]}
    wrong = world.jupyter.post("known-hosts", **accept, public_key=forged)
    assert fields(failed(wrong, 400, "invalid_parameters")) == ["public_key"]
    accepted = world.jupyter.post("known-hosts", **accept, public_key=offered["public_key"])
    assert accepted.status_code == 200, accepted.text
    world.connect("stranger")


def test_host_key_changed_is_refused_with_both_fingerprints(
    world: World, make_sshd: Callable[..., Sshd]
) -> None:
    changing = make_sshd()
    world.home.host("changing", changing)
    world.home.trust(changing)
    old = changing.host_key
    changing.stop()
    changing.new_host_key()
    changing.start()
    details = failed(world.jupyter.post("connect", host="changing"), 409, "host_key_changed")["host_key"]
    assert details["public_key"] == changing.host_key != old
    assert details["expected_fingerprint_sha256"] != details["fingerprint_sha256"]
    accept = world.jupyter.post(
        "known-hosts", host=details["host"], port=details["port"], public_key=details["public_key"]
    )
    failed(accept, 400, "invalid_parameters")
    assert "Accepted" not in changing.log
    assert "userauth" not in changing.log


def test_viewer_already_running_says_which(world: World) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072")
    answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name="rc060")
    details = failed(answer, 409, "viewer_already_running")
    assert details["viewer"]["pid"] == viewer["pid"]


def test_runicorn_not_installed_has_the_pip_command(world: World) -> None:
    connection_id = world.connect()
    answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name="empty")
    failed(answer, 424, "runicorn_not_installed")
    assert "-m pip install runicorn" in answer.json()["message"]


@pytest.fixture(scope="module")
def limited(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose administrator allows one connection, and to one host."""
    home = SshHome(tmp_path_factory.mktemp("limited"))
    home.trust(sshd)
    home.host("gpu1", sshd)
    limits = ("--RunicornJupyter.max_connections=1", f"--RunicornJupyter.allowed_hosts={sshd.host}")
    server = start_jupyter(home.path, *limits)
    yield World(server, sshd, home)
    server.stop()


def test_too_many_connections(limited: World) -> None:
    first = limited.connect()
    failed(limited.jupyter.post("connect", host="gpu1"), 429, "too_many_connections")
    limited.jupyter.delete(f"connections/{first}")
    second = limited.connect()
    limited.jupyter.delete(f"connections/{second}")


def test_host_not_allowed(limited: World) -> None:
    failed(limited.jupyter.post("connect", host="127.0.0.2"), 403, "host_not_allowed")


@contextlib.contextmanager
def _environment_whose_viewer(world: World, folder: Path, does: str) -> Iterator[str]:
    """Give the name of an environment with this in the place of runicorn's viewer."""
    broken = build("runicorn==0.7.2", "starlette==1.10.0")
    copy = folder / "broken"
    subprocess.run(["cp", "-a", str(broken), str(copy)], check=True)
    package = next(copy.glob("lib/python3*/site-packages/runicorn"))
    (package / "viewer" / "__init__.py").write_text(does)
    add_environments(world.sshd.home, on_fire=copy)
    try:
        yield "on_fire"
    finally:
        (world.sshd.home / ".virtualenvs" / "on_fire").unlink()  # the sshd is the session's


def test_viewer_start_failed_holds_what_it_printed(world: World, tmp_path: Path) -> None:
    does = "def create_app(storage=None):\n    raise RuntimeError('the disk of the viewer is on fire')\n"
    with _environment_whose_viewer(world, tmp_path, does) as env_name:
        connection_id = world.connect()
        world.jupyter.post("environments/detect", connection_id=connection_id, force_refresh=True)
        answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name=env_name)
        details = failed(answer, 500, "viewer_start_failed")
        assert any("the disk of the viewer is on fire" in line for line in details["log"])
        logs = world.jupyter.get("viewer/logs", connection_id=connection_id, lines=1000).json()
        assert (logs["logs"], logs["total_lines"]) == (details["log"], len(details["log"]))
        world.start(connection_id, "rc072")
        logs = world.jupyter.get("viewer/logs", connection_id=connection_id, lines=1000).json()
        assert not any("on fire" in line for line in logs["logs"])


_ENDS_WHEN_SPOKEN_TO = """
import os, sys
from fastapi import FastAPI
from uvicorn.protocols.http import h11_impl
def leave(*_):
    print("nobody speaks to me", file=sys.stderr, flush=True)
    os._exit(3)
def create_app(storage=None):
    h11_impl.H11Protocol.connection_made = leave
    try:
        from uvicorn.protocols.http import httptools_impl
    except ImportError:
        pass
    else:
        httptools_impl.HttpToolsProtocol.connection_made = leave
    return FastAPI()
"""


def test_a_viewer_that_listens_and_ends_again_and_again_has_its_log(world: World, tmp_path: Path) -> None:
    with _environment_whose_viewer(world, tmp_path, _ENDS_WHEN_SPOKEN_TO) as env_name:
        connection_id = world.connect()
        world.jupyter.post("environments/detect", connection_id=connection_id, force_refresh=True)
        answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name=env_name)
        details = failed(answer, 500, "viewer_start_failed")
        assert "nobody speaks to me" in details["log"]
        logs = world.jupyter.get("viewer/logs", connection_id=connection_id).json()
        assert logs["logs"] == details["log"]


def test_connection_lost_while_it_is_down(world: World, make_sshd: Callable[..., Sshd]) -> None:
    leaving = make_sshd()
    world.home.host("leaving", leaving)
    world.home.trust(leaving)
    connection_id = world.connect("leaving")
    leaving.stop()
    seen = threading.Event()
    for _ in range(1200):
        status = world.jupyter.get("connections").json()["connections"][0]["status"]
        if status == "reconnecting":
            break
        seen.wait(0.05)
    assert status == "reconnecting"
    failed(world.jupyter.get("ping", connection_id=connection_id), 503, "connection_lost")
    failed(
        world.jupyter.post("viewer/start", connection_id=connection_id, env_name="x"), 503, "connection_lost"
    )
    assert world.jupyter.get("environments", connection_id=connection_id).status_code == 200
    assert (
        world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]["status"]
        == "stopped"
    )
    health = world.jupyter.get("health", connection_id=connection_id).json()
    assert (health["health"], health["checks"]["ssh_connection"]) == ("unhealthy", "fail")
