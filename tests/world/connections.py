"""SSH connections of ours to the sshds of the tests, and a census of what is left of them."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.config.resolver import Target
from runicorn_jupyter.ssh.connection import Connection, SshSettings
from runicorn_jupyter.ssh.turns import Turns
from tests.world.relay import Relay
from tests.world.sshd import Sshd

_numbers = itertools.count(1)


def target_of(server: Sshd, via: Relay | None = None, **changes: Any) -> Target:
    """Describe how to reach a server: known by its host key, by way of a relay if there is one.

    Parameters
    ----------
    server
        The sshd.
    via
        A relay to it.
    changes
        Other fields of `Target`.
    """
    known_hosts = server.root / "known_hosts_of_tests"
    line = f"server-{server.id} {server.host_key}\n"
    if not known_hosts.exists() or known_hosts.read_text() != line:  # others may be reading it
        known_hosts.write_text(line)
    target = Target(
        asked="server",
        hostname=via.host if via else server.host,
        port=via.port if via else server.port,
        username=server.user,
        user_known_hosts=(known_hosts,),
        host_key_alias=f"server-{server.id}",
        identity_files=(server.key_path,),
        identities_only=True,
        identity_agent="none",
    )
    return replace(target, **changes)


def credentials_of(server: Sshd) -> Credentials:
    """Give the credentials that the server takes."""
    return Credentials("key", server.key_path)


Connect = Callable[..., Any]


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect: ``await connect(sshd, via=relay, keepalive_seconds=1.5, timeout=10, ask=…)``.

    Further arguments are fields of `Target`. Connections are closed at the end of the test.
    """
    made: list[Connection] = []

    async def make(
        server: Sshd,
        *,
        via: Relay | None = None,
        timeout: float = 15,
        keepalive_seconds: float = 15,
        reconnect_for_seconds: float = 60,
        ask: Any = None,
        on_step: Any = None,
        turns: Turns | None = None,
        credentials: Credentials | None = None,
        **changes: Any,
    ) -> Connection:
        connection = await Connection.open(
            target_of(server, via, **changes),
            credentials or credentials_of(server),
            timeout=timeout,
            settings=SshSettings(keepalive_seconds, reconnect_for_seconds),
            ask=ask,
            on_step=on_step,
            turns=turns,
            connection_id=f"conn_{next(_numbers):08x}",
        )
        made.append(connection)
        return connection

    yield make
    for connection in made:
        await connection.close()


@dataclass(frozen=True)
class Census:
    """The threads and descriptors of this process, but for those of the test world."""

    threads: Counter[str]
    descriptors: int

    @classmethod
    def take(cls) -> Census:
        """Count now."""
        ours = [
            t.name.partition("_")[0] for t in threading.enumerate() if t.name not in ("sshd-log", "relay")
        ]
        return cls(Counter(ours), sum(1 for _ in Path("/proc/self/fd").iterdir()))


def await_census(before: Census, seconds: float = 60) -> None:
    """Wait until nothing more is there than ``before``; fail with what is.

    There is no event for the end of a thread of somebody else's, so this looks again for a while.
    """
    deadline = time.monotonic() + seconds
    while True:
        now = Census.take()
        more = now.threads - before.threads
        more.pop("asyncio", None)  # the default executor's
        if not more and now.descriptors <= before.descriptors:
            return
        if time.monotonic() > deadline:
            names = {fd.name: _link(fd) for fd in Path("/proc/self/fd").iterdir()}
            pytest.fail(f"left behind: threads {dict(more)}, descriptors {before} -> {now}: {names}")
        time.sleep(0.02)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
