"""What is told to prometheus_client, over fake remotes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, generate_latest

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.service import metrics as module
from runicorn_jupyter.service.metrics import MAX_HOSTS, OTHER_HOST, Metrics
from runicorn_jupyter.service.sessions import Sessions
from tests.unit.service.world import ADA, World

pytestmark = pytest.mark.usefixtures("no_metrics")


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    made = World(tmp_path)
    yield made
    await made.done(made.service.close(), 60)


def told(service_metrics: Metrics) -> dict[str, float]:
    """Give the samples by their names and labels, as Prometheus would show them."""
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sample.labels.items()): sample.value
        for family in service_metrics.collect()
        for sample in family.samples
    }


def registered() -> list[str]:
    return [line for line in generate_latest(REGISTRY).decode().splitlines() if line.startswith("runicorn_")]


async def test_nothing_is_told_before_a_connection_is_asked_for_nor_after_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.service.connections.list_connections(ADA, None)
    assert registered() == []
    await world.connect()
    assert 'runicorn_connections{status="connected"} 1.0' in registered()
    await world.done(world.service.close(), 60)
    assert registered() == []


async def test_what_is_there_now(world: World) -> None:
    await world.connect()
    await world.connect("other")
    world.hosts[1].connection.status = "reconnecting"
    found = told(world.service.metrics)
    assert found["runicorn_connections status=connected"] == 1
    assert found["runicorn_connections status=reconnecting"] == 1
    assert found["runicorn_connections status=disconnected"] == 0
    assert found["runicorn_viewers status=running"] == 0
    assert not [name for name in found if "host=" in name]


async def test_counts_outlive_their_connection_and_never_fall(world: World) -> None:
    first = await world.connect()
    connection = world.hosts[0].connection
    connection.traffic, connection.reconnects = (1000, 10), 2
    await world.connect()
    world.hosts[1].connection.traffic = (1, 1)
    before = told(world.service.metrics)
    connection.traffic = (1500, 15)  # while it is closed
    await world.done(world.service.connections.disconnect(ADA, disconnect(first.connection_id)))
    after = told(world.service.metrics)
    assert before["runicorn_received_bytes_total"] == 1001
    assert (after["runicorn_received_bytes_total"], after["runicorn_sent_bytes_total"]) == (1501, 16)
    assert after["runicorn_reconnects_total"] == 2
    assert after["runicorn_connections status=connected"] == 1


def disconnect(connection_id: str) -> Any:
    from runicorn_jupyter import models as m

    return m.DisconnectQuery(connection_id=connection_id)


async def test_connecting_is_timed_without_the_persons_time(world: World) -> None:
    with pytest.raises(SshUnavailable):
        await failing(world)
    world.error = None
    await world.connect()
    found = told(world.service.metrics)
    assert found["runicorn_connect_seconds_count"] == 1
    assert found["runicorn_connect_seconds_bucket le=0.1"] == 1
    assert found["runicorn_connect_seconds_sum"] == 0


async def failing(world: World) -> None:
    world.error = SshUnavailable("Refused.")
    await world.connect()


@pytest.mark.parametrize(("seconds", "le"), [(0.1, "0.1"), (0.11, "0.25"), (60.0, "60.0"), (61.0, "+Inf")])
def test_buckets_hold_what_is_not_above_them(seconds: float, le: str) -> None:
    metrics = Metrics(Sessions(), by_host=False)
    metrics.connected(Line("c"), "gpu1", seconds)
    found = told(metrics)
    ends = [name for name in found if "_bucket" in name]
    first = next(name for name in ends if found[name] == 1)
    assert first == f"runicorn_connect_seconds_bucket le={le}"
    assert found["runicorn_connect_seconds_bucket le=+Inf"] == 1


class Line:
    """A connection of which nothing is known."""

    status: Any = "connected"
    reconnects = 0
    traffic = (5, 7)

    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id


def test_hosts_are_told_where_the_administrator_wants_it_and_only_so_many() -> None:
    metrics = Metrics(Sessions(), by_host=True)
    for number in range(MAX_HOSTS + 5):
        metrics.connected(Line(f"c{number}"), f"gpu{number}", 0.2)
    found = told(metrics)
    assert found["runicorn_received_bytes_total host=gpu0"] == 5
    assert found[f"runicorn_sent_bytes_total host={OTHER_HOST}"] == 35
    assert len([name for name in found if name.startswith("runicorn_received_bytes_total")]) == MAX_HOSTS + 1


def test_what_is_over_is_forgotten_though_nobody_reads_it() -> None:
    metrics = Metrics(Sessions(), by_host=False)
    for number in range(3):
        line = Line(f"c{number}")
        metrics.connected(line, "gpu1", 0.2)
        line.status = "disconnected"
    assert len(metrics._watched) == 1
    assert told(metrics)["runicorn_received_bytes_total"] == 15


@pytest.fixture
def reimported() -> Iterator[Any]:
    yield importlib.reload(module)
    importlib.reload(module)


def test_a_second_import_is_no_error(reimported: Any) -> None:
    first, second = Metrics(Sessions(), by_host=False), reimported.Metrics(Sessions(), by_host=False)
    first.register()
    second.register()
    assert len([line for line in registered() if "connect_seconds_count" in line]) == 1
    first.close()
    second.close()
    assert registered() == []


def test_two_servers_of_one_process_are_not_mixed() -> None:
    first, second = Metrics(Sessions(), by_host=False), Metrics(Sessions(), by_host=False)
    first.failed("first")
    second.failed("second")
    first.register()
    second.register()
    first.register()
    assert [line for line in registered() if "failures_total{" in line] == [
        'runicorn_failures_total{code="second"} 1.0'
    ]
    second.close()
    assert registered() == []
