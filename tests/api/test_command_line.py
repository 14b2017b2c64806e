"""``jupyter runicorn``, as people type it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runicorn_jupyter import __version__
from tests.world.jupyter import JupyterServer, server_environment


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter", "runicorn", *arguments],
        env=server_environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_version_is_ours(tmp_path: Path) -> None:
    assert command(tmp_path, "--version").stdout.strip() == __version__


def test_the_help_has_examples_and_what_people_need(tmp_path: Path) -> None:
    printed = command(tmp_path, "--help").stdout
    for word in (
        "--port=",
        "--no-browser",
        "--allowed-hosts=",
        "23300",
        "Examples",
        "jupyter runicorn --port",
    ):
        assert word in printed


def test_a_word_that_is_no_file_is_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "notebooks", "--allow-root")
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"No such file or directory: {tmp_path / 'notebooks'}")
    assert len(done.stderr.strip().splitlines()) == 1


def test_running_servers_are_listed_as_with_every_jupyter(tmp_path: Path) -> None:
    done = command(tmp_path, "list")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert "Currently running servers" in done.stdout + done.stderr


@pytest.mark.parametrize("option", ["--port={}", "--ServerApp.port={}"])
def test_the_port_of_the_command_line_is_used(
    option: str, make_jupyter: Callable[..., JupyterServer], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = make_jupyter(option.format(port), command="runicorn", port=None, home=tmp_path)
    assert server.url == f"http://127.0.0.1:{port}/"
    assert server.get("connections").status_code == 200


PORTS = """
from runicorn_jupyter.extension import RunicornJupyter
server = RunicornJupyter.make_serverapp()
server.parse_command_line([])
print(server.port)
"""


@pytest.mark.parametrize(
    ("env", "port"), [({}, 23300), ({"JUPYTER_PORT": "7001"}, 7001)], ids=["default", "environment"]
)
def test_without_one_it_is_runicorns_own(env: dict[str, str], port: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PORTS],
        env={**server_environment(tmp_path), **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) == port
