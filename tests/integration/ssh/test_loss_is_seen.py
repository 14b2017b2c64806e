"""Whoever is told that the connection is lost can wait for its return: its status says so already."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from runicorn_jupyter.errors import ConnectionLost
from tests.world.connections import Connect
from tests.world.sshd import Sshd


async def test_the_status_changes_no_later_than_the_first_error(
    make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    """A loop of `run` and `wait_connected` would else spin, and the event loop with it."""
    server = make_sshd()
    connection = await connect(server)
    # The event loop stands still here: nobody but the next call can notice.
    server.close()
    for thread in threading.enumerate():
        if thread.name == "ssh-transport":
            thread.join()
    assert connection.status == "connected"
    for call in (connection.run("true"), connection.open_tunnel("127.0.0.1", 1), connection.ping()):
        with pytest.raises(ConnectionLost):
            await call
        assert connection.status == "reconnecting"
    with pytest.raises(ConnectionLost):
        await connection.wait_connected(timeout=0.05)
