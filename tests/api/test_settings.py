"""A server whose settings cannot be read as they are meant: it runs, says so, and connects to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from runicorn_jupyter.api.routes import OPERATIONS
from runicorn_jupyter.extension import RunicornJupyter
from tests.world.jupyter import JupyterServer

MakeJupyter = Callable[..., JupyterServer]

WRONG = {
    "host_key_policy": "strickt",
    "allowed_hosts": "gpu server",
    "config_commands": "off",
    "use_keyring": "maybe",
    "start_remembered": "2",
    "max_connections": "none",
    "max_connections_per_user": "two",
    "max_viewers": "-1",
    "max_logins_per_minute": "often",
    "viewer_mb_per_second": "inf",
    "keepalive_seconds": "soon",
    "reconnect_for_seconds": "forever",
    "viewer_lease_seconds": "0",
    "viewer_origin": "hub.example.org",
    "asset_cache_mb": "256 MB",
    "connection_memory_mb": "0",
    "memory_mb": "much",
    "metrics_by_host": "by name",
    "private_server_port": "-1",
    "private_server_origins": "code.example.org",
}


def config_file(home: Path, name: str, text: str) -> None:
    folder = home / ".jupyter"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def check_closed(server: JupyterServer, names: list[str]) -> str:
    """Check that nothing is let through, and return the line of the log about it."""
    for operation in OPERATIONS:
        path = operation.path.replace("{connection_id}", "conn_00000000").replace("{challenge_id}", "0" * 32)
        answer = server.request(operation.method, path, json={"host": "127.0.0.1"})
        assert (answer.status_code, answer.json()["error"]) == (503, "misconfigured"), operation.name
        assert sorted(answer.json()["details"]["settings"]) == sorted(names)
        assert all(name in answer.json()["message"] for name in names)
    assert server.get("nowhere").status_code == 503
    assert server.get("openapi.json").json()["openapi"] == "3.1.0"
    for path in (f"runicorn/v/{'0' * 32}/", "runicorn/v/"):
        viewer = requests.get(server.url + path, timeout=60)
        assert (viewer.status_code, viewer.json()["error"]) == (503, "misconfigured")
        assert not any(name in viewer.text for name in names)
    unknown = requests.get(f"{server.url}api/remote/connections", timeout=60)
    assert unknown.status_code == 403
    assert (
        requests.get(f"{server.url}api/status", params={"token": server.token}, timeout=60).status_code == 200
    )
    log = server.log.read_text()
    lines = [line for line in log.splitlines() if "RunicornJupyter connects to nothing" in line]
    assert len(lines) == 1
    assert all(name in lines[0] for name in names)
    assert "Traceback" not in log
    return lines[0]


def test_every_setting_wrong_on_the_command_line(make_jupyter: MakeJupyter) -> None:
    assert set(WRONG) == set(RunicornJupyter.class_own_traits(config=True))
    server = make_jupyter(*[f"--RunicornJupyter.{name}={value}" for name, value in WRONG.items()])
    line = check_closed(server, list(WRONG))
    assert "max_connections is 'none', which has to be a whole number of at least 1" in line


def test_every_setting_wrong_in_a_file(make_jupyter: MakeJupyter, tmp_path: Path) -> None:
    lines = [f"c.RunicornJupyter.{name} = {value!r}\n" for name, value in WRONG.items()]
    config_file(tmp_path, "jupyter_server_config.py", "".join(lines))
    check_closed(make_jupyter(home=tmp_path), list(WRONG))


def test_one_setting_wrong_among_right_ones(make_jupyter: MakeJupyter, tmp_path: Path) -> None:
    """In the extension's own file, where Jupyter ends the whole server for a wrong value."""
    name = "host_key_policy"
    config_file(
        tmp_path,
        "jupyter_runicorn_jupyter_config.json",
        json.dumps({"RunicornJupyter": {name: WRONG[name], "max_connections": 8}}),
    )
    check_closed(make_jupyter(home=tmp_path), [name])


def test_misspelt_names(make_jupyter: MakeJupyter, tmp_path: Path) -> None:
    config_file(tmp_path, "jupyter_server_config.py", "c.RunicornJuypter.max_connections = 8\n")
    server = make_jupyter("--RunicornJupyter.allowed_host=gpu1", home=tmp_path)
    line = check_closed(server, ["allowed_host", "RunicornJuypter"])
    assert "allowed_host is no setting; did you mean allowed_hosts?" in line


@pytest.mark.parametrize("name", ["jupyter_server_config.json", "jupyter_lab_config.py"])
def test_a_file_that_does_not_load(name: str, make_jupyter: MakeJupyter, tmp_path: Path) -> None:
    """Jupyter logs a traceback of its own for such a file, and goes on without what is in it."""
    config_file(tmp_path, name, 'c.RunicornJupyter.allowed_hosts = ["gpu1"')
    server = make_jupyter(home=tmp_path, command="lab")
    answer = server.get("connections")
    assert (answer.status_code, answer.json()["details"]) == (503, {"settings": [name]})
    assert (
        f"RunicornJupyter connects to nothing and answers 503: {name} could not be" in server.log.read_text()
    )


def test_a_broken_file_of_others_and_one_that_is_not_asked_for_are_no_matter(
    make_jupyter: MakeJupyter, tmp_path: Path
) -> None:
    config_file(tmp_path, "jupyter_config.py", "c.ServerApp.open_browser = (")
    config_file(tmp_path, "jupyter_server_config.py", "c.RunicornJupyter.max_connections = (")
    (tmp_path / "mine.py").write_text("c.RunicornJupyter.max_connections = 8\n")
    server = make_jupyter(f"--config={tmp_path / 'mine.py'}", home=tmp_path)
    assert server.get("connections").status_code == 200


def test_a_list_on_the_command_line(make_jupyter: MakeJupyter) -> None:
    server = make_jupyter("--RunicornJupyter.allowed_hosts=gpu1.example,*.cluster.example")
    refused = server.post("connect", host="127.0.0.1", port=1)
    assert refused.json()["error"] == "host_not_allowed"
    named = server.post("connect", host="gpu1.example", port=1, timeout=5)
    assert named.json()["error"] in ("ssh_unavailable", "connection_timeout")
