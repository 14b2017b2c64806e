"""Environments and viewers through the API, with each supported runicorn."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest
import requests

from tests.api.conftest import World
from tests.world.environments import RUNICORN_VERSIONS
from tests.world.layouts import add_environments, virtualenv
from tests.world.processes import kill
from tests.world.sshd import Sshd


def test_environments_and_their_filter(world: World) -> None:
    connection_id = world.connect()
    everything = world.jupyter.get("environments", connection_id=connection_id).json()
    names = [each["name"] for each in everything["environments"]]
    assert everything["total"] == len(names)
    assert {"empty", "rc050", "rc060", "rc072"} <= set(names)
    for each in everything["environments"]:
        assert set(each) == {
            "name", "type", "python_version", "python_path", "prefix", "runicorn_installed",
            "runicorn_version", "storage_root", "storage_root_from", "problem", "private", "size_bytes",
        }  # fmt: skip
    filtered = world.jupyter.get("environments", connection_id=connection_id, filter="runicorn_only").json()
    versions = {each["name"]: each["runicorn_version"] for each in filtered["environments"]}
    assert "empty" not in versions
    assert None not in versions.values()
    assert [versions[f"rc{each.replace('.', '')}"] for each in RUNICORN_VERSIONS] == list(RUNICORN_VERSIONS)


def test_detect_finds_what_is_new_only_when_forced(world: World, empty_env: Path) -> None:
    connection_id = world.connect()
    before = world.jupyter.post("environments/detect", connection_id=connection_id).json()
    project = world.sshd.home / "projects" / "new-one"
    project.mkdir(parents=True, exist_ok=True)
    link = world.sshd.home / ".virtualenvs" / "later"
    copy = project / ".venv"
    copy.mkdir()
    (copy / "bin").mkdir()
    (copy / "bin" / "python").symlink_to(empty_env / "bin" / "python")
    (copy / "pyvenv.cfg").write_text((empty_env / "pyvenv.cfg").read_text())
    link.symlink_to(copy)
    cached = world.jupyter.post("environments/detect", connection_id=connection_id).json()
    assert cached["environments_found"] == before["environments_found"]
    forced = world.jupyter.post("environments/detect", connection_id=connection_id, force_refresh=True).json()
    assert forced["environments_found"] == before["environments_found"] + 1 == len(forced["environments"])
    link.unlink()
    shutil.rmtree(project)


@pytest.mark.parametrize("version", RUNICORN_VERSIONS)
def test_the_life_of_a_viewer(world: World, finished_runs: Callable[..., Path], version: str) -> None:
    root = finished_runs(version)
    connection_id = world.connect()
    stopped = world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]
    assert (stopped["status"], stopped["uptime_seconds"], stopped["url"]) == ("stopped", 0, None)
    health = world.jupyter.get("health", connection_id=connection_id).json()
    assert health["health"] == "healthy"
    assert health["checks"] == {"ssh_connection": "pass", "viewer_process": "skip", "tunnel_active": "skip"}

    viewer = world.start(
        connection_id, f"rc{version.replace('.', '')}", remote_root=str(root), auto_open=False
    )
    assert viewer["status"] == "running"
    assert re.fullmatch(rf"{world.jupyter.url}runicorn/v/[0-9a-f]{{32}}/", viewer["url"])
    assert f":{viewer['local_port']}/" in viewer["url"]
    assert (viewer["runicorn_version"], viewer["remote_root"]) == (version, str(root))
    assert viewer["pid"] in world.sshd.processes()
    runs = requests.get(f"{viewer['url']}api/runs", timeout=60).json()
    assert len(runs) == 2

    status = world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]
    assert (status["status"], status["pid"], status["url"]) == ("running", viewer["pid"], viewer["url"])
    assert status["uptime_seconds"] > 0
    assert world.jupyter.get("health", connection_id=connection_id).json()["checks"] == {
        "ssh_connection": "pass", "viewer_process": "pass", "tunnel_active": "pass",
    }  # fmt: skip
    assert world.jupyter.get("ping", connection_id=connection_id).json()["latency_ms"] > 0
    logs = world.jupyter.get("viewer/logs", connection_id=connection_id, lines=2).json()
    assert len(logs["logs"]) == 2 <= logs["total_lines"]

    assert world.jupyter.post("viewer/stop", connection_id=connection_id).status_code == 200
    assert world.sshd.left() == []
    assert requests.get(viewer["url"], timeout=60).status_code == 404
    assert world.jupyter.get("connections").json()["connections"][0]["viewer"] is None


def test_of_two_starts_at_once_the_second_is_refused(
    world: World, make_sshd: Callable[..., Sshd], runicorn_env: Callable[..., Path]
) -> None:
    stalled = make_sshd()
    world.home.trust(stalled)
    world.home.host("stalled", stalled)
    versions = RUNICORN_VERSIONS[:2]
    add_environments(stalled.home, **{version: runicorn_env(version) for version in versions})
    ident = world.connect("stalled")
    assert world.jupyter.get("environments", connection_id=ident).status_code == 200
    stalled.pause()  # so neither is done before the other has come

    def start(env_name: str) -> requests.Response:
        return world.jupyter.post("viewer/start", connection_id=ident, env_name=env_name)

    with ThreadPoolExecutor() as pool:
        starting = [pool.submit(start, version) for version in versions]
        try:
            refused = next(as_completed(starting)).result()
        finally:
            stalled.resume()
        assert (refused.status_code, refused.json()["error"]) == (409, "viewer_already_running")
        (begun,) = (each.result() for each in starting if each.result() is not refused)
    viewer = begun.json()["viewer"]
    held = refused.json()["details"]["viewer"]
    assert (held["status"], held["url"], held["env_name"]) == ("starting", None, viewer["env_name"])
    assert viewer["status"] == "running"
    assert requests.get(f"{viewer['url']}api/health", timeout=60).status_code == 200
    assert world.jupyter.post("viewer/stop", connection_id=ident).status_code == 200
    assert stalled.left() == []


def test_an_environment_that_is_newer_than_the_list_is_found(world: World, empty_env: Path) -> None:
    connection_id = world.connect()
    world.jupyter.get("environments", connection_id=connection_id)
    later = world.sshd.home / ".virtualenvs" / "made_later"
    (later / "bin").mkdir(parents=True)
    (later / "bin" / "python").symlink_to(empty_env / "bin" / "python")
    shutil.copy(empty_env / "pyvenv.cfg", later)
    try:
        for name, expected in (("made_later", "runicorn_not_installed"), ("never", "environment_not_found")):
            answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name=name)
            assert answer.json()["error"] == expected, answer.text
    finally:
        shutil.rmtree(later)


def test_an_environment_is_found_by_its_path_wherever_it_lies(
    world: World, runicorn_env: Callable[..., Path]
) -> None:
    place = world.sshd.home / "deep" / "below" / "anything" / "mine"
    virtualenv(place, runicorn_env())
    try:
        connection_id = world.connect()
        for name in (place, place / "bin" / "python", place / "bin" / "python3"):
            assert world.start(connection_id, str(name))["env_name"] == "mine"
            world.jupyter.post("viewer/stop", connection_id=connection_id)
        for name in (place / "bin" / "nothing", place / "pyvenv.cfg", place.parent):
            answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name=str(name))
            assert answer.json()["error"] == "environment_not_found", answer.text
    finally:
        shutil.rmtree(world.sshd.home / "deep")


def test_why_an_environment_cannot_run_is_in_the_list(
    world: World, runicorn_env: Callable[..., Path]
) -> None:
    folder = world.sshd.home / ".virtualenvs"
    python = virtualenv(folder / "needs_module", runicorn_env()) / "bin" / "python"
    python.write_text("#!/bin/sh\necho 'load the module first' >&2\nexit 127\n")
    broken = virtualenv(folder / "broken", runicorn_env()) / "bin" / "python"
    broken.unlink()
    broken.symlink_to("/no/such/python")

    def problems() -> dict[str, str | None]:
        answer = world.jupyter.get("environments", connection_id=connection_id).json()
        return {each["name"]: each["problem"] for each in answer["environments"]}

    try:
        connection_id = world.connect()
        before = problems()
        assert before["needs_module"] is None
        assert before["broken"] == f"{broken}: No such file or directory"
        assert before["rc072"] is None
        answer = world.jupyter.post("viewer/start", connection_id=connection_id, env_name="needs_module")
        assert "load the module first" in answer.json()["message"]
        seen = {**before, "needs_module": "load the module first"}
        assert problems() == seen
        # Looked at again, and the login shell not asked again: it is as it was.
        unknown = world.jupyter.post("viewer/start", connection_id=connection_id, env_name="no such")
        assert unknown.json()["error"] == "environment_not_found"
        assert problems() == seen
        world.jupyter.post("environments/detect", connection_id=connection_id, force_refresh=True)
        assert problems() == before
        # A start that works takes it back.
        world.jupyter.post("viewer/start", connection_id=connection_id, env_name="needs_module")
        assert problems() == seen
        python.write_text(f'#!/bin/sh\nexec {runicorn_env()}/bin/python "$@"\n')
        world.start(connection_id, "needs_module")
        assert problems() == before
    finally:
        shutil.rmtree(folder / "needs_module")
        shutil.rmtree(folder / "broken")


def test_the_same_environment_by_name_prefix_and_interpreter(world: World) -> None:
    connection_id = world.connect()
    listed = world.jupyter.get("environments", connection_id=connection_id).json()["environments"]
    environment = next(each for each in listed if each["name"] == "rc072")
    for name in (environment["prefix"], environment["python_path"]):
        assert world.start(connection_id, name)["env_name"] == "rc072"
        world.jupyter.post("viewer/stop", connection_id=connection_id)


@pytest.mark.parametrize(
    "root", ["relative/path", "/no/such/folder", "~nobody/x", "~/no such", "/etc/passwd"]
)
def test_a_root_that_is_no_folder_is_refused(world: World, root: str) -> None:
    answer = world.jupyter.post(
        "viewer/start", connection_id=world.connect(), env_name="rc072", remote_root=root
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["errors"][0]["field"] == "remote_root"
    assert world.sshd.left() == []


def test_a_root_below_the_remote_home(world: World) -> None:
    (world.sshd.home / "my runs").mkdir(exist_ok=True)
    viewer = world.start(world.connect(), "rc072", remote_root="~/my runs")
    assert viewer["remote_root"] == str(world.sshd.home / "my runs")


def test_config_is_the_remote_users_without_secrets(world: World) -> None:
    folder = world.sshd.home / ".config" / "runicorn"
    folder.mkdir(parents=True, exist_ok=True)
    (world.sshd.home / "runs-root").mkdir(exist_ok=True)
    config = {
        "user_root_dir": str(world.sshd.home / "runs-root"),
        "theme": {"dark": True},
        "ssh_connections": [{"host": "h", "password": "canary-42"}],
    }
    (folder / "config.json").write_text(json.dumps(config))
    try:
        connection_id = world.connect()
        answer = world.jupyter.get("config", connection_id=connection_id, env_name="rc060")
        assert "canary-42" not in answer.text
        assert answer.json()["runicorn_version"] == "0.6.0"
        assert answer.json()["config"]["user_root_dir"] == config["user_root_dir"]
        assert answer.json()["config"]["theme"] == {"dark": True}
        listed = world.jupyter.get("environments", connection_id=connection_id).json()["environments"]
        assert (
            next(each for each in listed if each["name"] == "rc060")["storage_root"]
            == config["user_root_dir"]
        )
    finally:
        (folder / "config.json").unlink()


def test_stop_without_cleanup_keeps_the_log(world: World) -> None:
    connection_id = world.connect()
    world.start(connection_id, "rc072")
    world.jupyter.post("viewer/stop", connection_id=connection_id, cleanup=False)
    assert world.sshd.left() == []
    logs = world.jupyter.get("viewer/logs", connection_id=connection_id).json()
    assert logs["logs"]
    again = world.jupyter.post("viewer/stop", connection_id=connection_id)
    assert (again.status_code, again.json()["error"]) == (404, "viewer_not_running")


def test_a_killed_viewer_is_crashed_and_its_log_still_there(world: World) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072")
    with requests.get(f"{viewer['url']}api/health", stream=True, timeout=60) as answer:
        assert answer.status_code == 200
    kill(viewer["pid"], 30)
    health = world.jupyter.get("health", connection_id=connection_id).json()
    assert health["health"] == "degraded"
    assert health["checks"]["ssh_connection"] == "pass"
    assert health["checks"]["viewer_process"] == "fail"
    status = world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]
    assert (status["status"], status["health"]) == ("crashed", "unresponsive")
    assert world.jupyter.get("viewer/logs", connection_id=connection_id).json()["logs"]
    assert world.start(connection_id, "rc072")["pid"] != viewer["pid"]


def _when_unresponsive(world: World, connection_id: str) -> None:
    """Return when a viewer is told not to answer; the test's own limit of time is the only one."""
    while True:
        viewer = world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]
        assert viewer["status"] == "running"
        if viewer["health"] == "unresponsive":
            return
        time.sleep(0.2)


def test_a_stopped_viewer_is_unresponsive_and_is_replaced_under_its_url(world: World) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072")
    assert viewer["health"] == "healthy"
    os.kill(viewer["pid"], signal.SIGSTOP)
    _when_unresponsive(world, connection_id)
    refused = world.jupyter.post("viewer/start", connection_id=connection_id, env_name="rc072")
    assert (refused.status_code, refused.json()["error"]) == (409, "viewer_already_running")
    assert refused.json()["details"]["viewer"]["health"] == "unresponsive"
    again = world.start(connection_id, "rc072", replace=True)
    assert (again["status"], again["health"], again["url"]) == ("running", "healthy", viewer["url"])
    assert again["pid"] != viewer["pid"]
    assert viewer["pid"] not in world.sshd.processes()
    assert requests.get(f"{viewer['url']}api/health", timeout=60).status_code == 200
    other = world.start(connection_id, "rc060", replace=True)
    assert (other["env_name"], other["url"]) == ("rc060", viewer["url"])
    assert requests.get(f"{viewer['url']}api/health", timeout=60).status_code == 200
    assert world.jupyter.post("viewer/stop", connection_id=connection_id).json()["ended"] is True
    assert world.sshd.left() == []


def test_a_viewer_that_goes_on_is_healthy_again(world: World) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072")
    os.kill(viewer["pid"], signal.SIGSTOP)
    _when_unresponsive(world, connection_id)
    os.kill(viewer["pid"], signal.SIGCONT)
    assert requests.get(f"{viewer['url']}api/health", timeout=60).status_code == 200
    health = world.jupyter.get("health", connection_id=connection_id).json()
    assert health["health"] == "healthy"
    status = world.jupyter.get("viewer/status", connection_id=connection_id).json()["viewer"]
    assert (status["pid"], status["health"]) == (viewer["pid"], "healthy")


def test_a_start_never_adopts_a_viewer_that_does_not_answer(world: World) -> None:
    first, second, third = (world.connect() for _ in range(3))
    shared = world.start(first, "rc072")
    assert world.start(second, "rc072")["pid"] == shared["pid"]
    assert world.jupyter.post("viewer/stop", connection_id=second).json()["ended"] is False
    os.kill(shared["pid"], signal.SIGSTOP)
    try:
        assert world.start(third, "rc072")["pid"] != shared["pid"]
    finally:
        os.kill(shared["pid"], signal.SIGCONT)
