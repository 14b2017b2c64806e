"""Which holders of a viewer count as dead."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from runicorn_jupyter.remote.stale_holders import client_name, dead_holders
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.world.remote import environment


def test_a_holder_of_this_process_is_dead_once_it_was_abandoned() -> None:
    """However long something refers to it: an exception's traceback does, until garbage is collected."""
    holder = SshViewerClient(cast(Connection, None), environment(Path("/env")), 300.0)
    holders = {holder._name: client_name()}
    assert dead_holders(holders) == []
    holder.abandon()
    assert dead_holders(holders) == [holder._name]


def test_of_other_machines_and_other_processes_nothing_is_dropped_that_may_live() -> None:
    own = str(client_name())
    machine = own.split(" ", maxsplit=1)[0]
    holders = {
        "other": "f" * 16 + " 1 1",
        "gone": f"{machine} {2**22 + 1} 1",
        "odd": f"{machine} x 1",
        "none": None,
    }
    assert dead_holders(holders) == ["gone"]
