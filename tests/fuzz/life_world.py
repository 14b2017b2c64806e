"""What the walks of ``test_life`` go through: a line that can be cut, and what is known of its ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from tests.api.conftest import World
from tests.world.relay import Relay
from tests.world.sshd import make_key

PATIENCE_SECONDS = 60

ENVIRONMENTS = {"rc072": 200, "rc050": 200, "empty": 424, "nowhere": 404}
IN_VAIN: list[tuple[dict[str, Any], int]] = [
    ({}, 400),
    ({"host": "gpu1", "port": "x"}, 400),
    ({"host": "-oX"}, 400),
    ({"host": "127.0.0.1", "port": 1}, 503),
]
HOW = ["wrongly", "twice", "never", "rightly"]
NAMES = ["a", "b/../c", "环境"]


@dataclass
class Line:
    """The world of the walks: ``gpu1`` directly, and ``line`` over a relay that can be cut."""

    world: World
    relay: Relay
    locked_key: Path


@dataclass
class Process:
    """A viewer's process on the remote, and which connections hold it."""

    env_name: str
    pid: int
    holders: set[str] = field(default_factory=set)
    forsaken: bool = False
    """A holder went away without a word, since its line was cut: only the lease ends it for sure."""


@dataclass
class Known:
    """What the model knows of a connection."""

    alias: str
    process: Process | None = None
    url: str | None = None
    status: str = "stopped"


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait for what happens in other processes, which tell nobody."""
    tick = threading.Event()
    for _ in range(PATIENCE_SECONDS * 50):
        if is_so():
            return
        tick.wait(0.02)
    raise AssertionError("it did not happen")


class Asker(RuleBasedStateMachine):
    """What asks the API of the world that it walks through."""

    line: Line

    def ask(self, method: str, path: str, expected: int | set[int] = 200, **kwargs: Any) -> dict[str, Any]:
        """Ask the API, and check status and envelope."""
        answer = self.line.world.jupyter.request(method, path, **kwargs)
        body: dict[str, Any] = answer.json()
        allowed = {expected} if isinstance(expected, int) else expected
        assert answer.status_code in allowed, (method, path, kwargs, answer.status_code, body)
        assert body["success"] is (answer.status_code == 200)
        assert answer.status_code == 200 or body["error"]
        return body

    def pick(self, which: int, among: list[Any]) -> Any:
        """Choose one of those that there are."""
        return among[which % len(among)]


@pytest.fixture(scope="module")
def line(session_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A relay to the remote, and a key with a passphrase that it takes; each walk cleans up behind itself."""
    world = session_world
    key = make_key(tmp_path_factory.mktemp("keys") / "locked", passphrase="open sesame")
    with world.sshd.authorized_keys.open("a") as file:
        file.write(Path(f"{key}.pub").read_text())
    relay = Relay(world.sshd.host, world.sshd.port)
    with world.home.known_hosts.open("a") as file:
        file.write(f"line {world.sshd.host_key}\n")
    world.home.host("line", world.sshd, Port=relay.port, HostKeyAlias="line")
    yield Line(world, relay, key)
    relay.close()
