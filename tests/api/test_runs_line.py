"""What watching runs costs the lines of the servers that they are on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.remote.liveness import CHECK_SECONDS
from tests.api.conftest import World
from tests.world.environments import Trainer
from tests.world.relay import Relay

STEPS, STEP_BYTES = 8, 600
OTHER_BYTES = 1200
"""What passes beside it: a question whether the viewer lives each `CHECK_SECONDS`."""


@pytest.fixture
def lines(world: World, make_relay: Callable[..., Relay]) -> Iterator[dict[str, Relay]]:
    """Two lines to the server, each by a host of its own."""
    found = {}
    for host in ("busy", "idle"):
        line = found[host] = make_relay("127.0.0.1", world.sshd.port)
        world.home.trust(world.sshd, line.port)
        world.home.host(host, world.sshd, Port=line.port)
    yield found
    world.disconnect_all()  # over the lines: without them the viewers would stay until their lease ends


def await_quiet(lines: Iterable[Relay]) -> None:
    """Wait for what follows a start: on a busy machine a line seems far, and its page is fetched ahead."""
    passed: list[int] = []
    while passed != (now := [line.passed_bytes for line in lines]):
        passed = now
        time.sleep(2)


def test_one_more_step_costs_its_servers_line_little_and_no_other_line_anything(
    world: World,
    lines: dict[str, Relay],
    trainer: Trainer,
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> None:
    training = trainer.live(runicorn_env("0.7.2"), tmp_path / "busy", steps=5)
    for host in lines:
        (tmp_path / host).mkdir(exist_ok=True)
        world.start(world.connect(host), "rc072", remote_root=str(tmp_path / host), auto_open=False)

    def ask(**query: object) -> dict[str, object]:
        answer = world.jupyter.get("runs", **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    await_quiet(lines.values())
    version = ask()["version"]

    def follow() -> None:
        nonlocal version
        training.step()
        answer = ask(changed_since=version, wait=60)
        assert answer["runs"], "the step was not told"
        version = answer["version"]

    follow()
    began, before = time.monotonic(), {host: line.passed_bytes for host, line in lines.items()}
    for _ in range(STEPS):
        follow()
    checks = 2 + (time.monotonic() - began) / CHECK_SECONDS  # more of them on a slow machine
    taken = {host: line.passed_bytes - before[host] for host, line in lines.items()}
    assert taken["idle"] <= checks * OTHER_BYTES
    assert taken["busy"] <= STEPS * STEP_BYTES + checks * OTHER_BYTES
