"""The machine behind a real connection, by the API, the client, and with a real run's process on a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from runicorn_jupyter.client import RunicornRemoteClient
from tests.api.conftest import World
from tests.world.environments import RUNICORN_VERSIONS, Trainer
from tests.world.gpus import nvidia_smi
from tests.world.sshd import Sshd

SECONDS = 30.0


@pytest.fixture
def client(world: World) -> RunicornRemoteClient:
    return RunicornRemoteClient(world.jupyter.url, token=world.jupyter.token)


def test_without_a_viewer_and_without_connections(world: World, client: RunicornRemoteClient) -> None:
    assert client.list_machines() == []
    connection_id = world.connect()
    answer = client.read_machines()
    while not answer["machines"] or answer["machines"][0]["cpu"]["used_percent"] is None:
        answer = client.read_machines(answer["version"], SECONDS)
        assert answer["machines"], "nothing was said of the machine"
    (machine,) = answer["machines"]
    assert (machine["connection_id"], machine["host"]) == (connection_id, "gpu1")
    assert machine["cpu"]["count"] == os.cpu_count()
    assert machine["memory"]["total"] == psutil.virtual_memory().total
    world.disconnect_all()
    gone = client.read_machines(answer["version"], SECONDS)
    assert (gone["machines"], gone["removed"]) == ([], [connection_id])


@pytest.mark.parametrize("version", RUNICORN_VERSIONS)
def test_a_run_s_process_on_a_gpu_is_the_run_s(
    version: str,
    world: World,
    *,
    client: RunicornRemoteClient,
    trainer: Trainer,
    runicorn_env: Callable[..., Path],
    make_sshd: Callable[..., Sshd],
    tmp_path: Path,
) -> None:
    root, programs = tmp_path / "root", tmp_path / "programs"
    root.mkdir()
    programs.mkdir()
    training = trainer.live(runicorn_env(version), root)
    nvidia_smi(programs, training.process.pid)
    sshd = make_sshd(home=world.sshd.home, SetEnv=f"PATH={programs}:{os.environ['PATH']}")
    world.home.trust(sshd)
    world.home.host(f"gpu-{version}", sshd)
    connection_id = world.connect(f"gpu-{version}")
    world.start(connection_id, f"rc{version.replace('.', '')}", remote_root=str(root), auto_open=False)
    key = {"connection_id": connection_id, "run_id": training.run_id}
    (run,) = client.list_runs(connection_id=connection_id)
    assert run["pid"] == training.process.pid

    def owners(answer: dict[str, Any]) -> list[Any]:
        (machine,) = answer["machines"]
        return [each["run"] for gpu in machine["gpus"] or () for each in gpu["processes"]]

    answer = client.read_machines()
    while owners(answer) != [key]:
        answer = client.read_machines(answer["version"], SECONDS)
        assert answer["machines"], "the process was not found to be the run's"
    (machine,) = answer["machines"]
    (process,) = machine["gpus"][0]["processes"]
    assert process["mine"] is True
    assert "python" in process["command"]
    assert machine["disk"]["total"] > 0


def test_a_query_that_is_none(world: World) -> None:
    for query in ({"wait": "61"}, {"changed_since": "a b"}, {"what": "1"}):
        answer = world.jupyter.request("GET", "machines", params=query)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_parameters")
    assert world.jupyter.request("GET", "machines", params={"changed_since": "x-1"}).json()["reset"]
