"""What may happen to a viewer that somebody looks at: one row a fault, and what must hold after it.

The oracle is the same for every row: what runs on the remote, threads and descriptors of the Jupyter
server, and the hash of what comes through the viewer's URL.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.faults import line_faults, our_faults, viewer_faults
from tests.faults.count import Count
from tests.faults.world import LIMIT, Held, World, until


def same_viewer(world: World, held: Held, seconds: float = LIMIT) -> None:
    """The same process is reached by the same URL."""
    until("it is well again", held.is_well, seconds)
    assert (held.now()["pid"], held.now()["url"]) == (held.pid, held.url)
    assert world.viewers() == [held.pid]
    world.content_is_whole(held)


def another_viewer(world: World, held: Held) -> None:
    """It was gone, and one that was started for it is reached by the same URL."""
    until("it is well again", lambda: held.is_well() and held.now()["pid"] != held.pid)
    assert held.now()["url"] == held.url
    assert world.viewers() == [held.now()["pid"]]
    world.content_is_whole(held)
    held.disconnect()  # one that is lost again at once is not started again


def crash_is_told(world: World, held: Held) -> None:
    """It says that it crashed and with which last words; nothing of it runs, and a start makes another."""
    viewer_faults.crash_is_told(held)
    assert world.viewers() == []
    again = world.start(held.jupyter, held.connection_id)
    assert again.pid != held.pid
    world.content_is_whole(again)


def same_viewer_or_crash_is_told(world: World, held: Held) -> None:
    """What is true is told."""
    if held.pid in world.viewers():
        same_viewer(world, held)
    else:
        crash_is_told(world, held)


def ended(world: World, held: Held) -> None:
    """The connection has ended for good; its viewer ends by its lease."""
    assert held.entry()["status"] == "disconnected"
    held.disconnect()
    world.await_no_viewer()


def nothing_left(world: World, held: Held) -> None:
    """Nothing of ours is left on the remote."""
    world.await_nothing_left()


@dataclass(frozen=True)
class Row:
    """One row: a fault, what holds after it, whose lease it is, and whether that server stays as it was."""

    fault: line_faults.Fault
    holds: Callable[[World, Held], None]
    jupyter: str = "patient"
    counted: bool = True

    def __str__(self) -> str:
        return self.fault.__name__


TABLE = [
    # the line
    Row(line_faults.cut_of_5_seconds, same_viewer),
    Row(line_faults.cut_of_a_minute, same_viewer),
    Row(line_faults.cut_longer_than_the_lease, another_viewer, "brief"),
    Row(line_faults.address_changes, same_viewer),
    Row(line_faults.resets_under_load, same_viewer),
    Row(line_faults.slow_line, same_viewer),
    Row(line_faults.names_gone, same_viewer),
    # the SSH server
    Row(line_faults.session_killed, same_viewer),
    Row(line_faults.listener_down, same_viewer),
    Row(line_faults.server_stopped, same_viewer),
    Row(line_faults.comes_back_with(MaxSessions=1), same_viewer),
    Row(line_faults.comes_back_with(AllowTcpForwarding="no"), same_viewer),
    Row(line_faults.comes_back_with(AllowTcpForwarding="no", MaxSessions=8), same_viewer),
    Row(line_faults.forced_command, same_viewer),
    Row(line_faults.few_at_a_time, same_viewer),
    Row(line_faults.agent_gone, same_viewer),
    Row(line_faults.new_host_key, ended, "brief"),
    # the viewer
    Row(viewer_faults.viewer_killed, crash_is_told),
    Row(viewer_faults.viewer_killed_during_a_cut, another_viewer),
    Row(viewer_faults.viewer_stopped, same_viewer, "brief"),
    Row(viewer_faults.viewer_out_of_memory, same_viewer_or_crash_is_told),
    Row(viewer_faults.port_squatted, another_viewer),
    Row(viewer_faults.environment_deleted, same_viewer),
    Row(viewer_faults.disk_full, nothing_left, "brief"),
    Row(viewer_faults.home_read_only, nothing_left, "brief"),
    # our side
    Row(our_faults.jupyter_stopped, same_viewer),
    Row(our_faults.jupyter_sleeps_past_the_lease, another_viewer, "brief"),
    Row(our_faults.everything_sleeps, same_viewer, "brief"),
    Row(
        our_faults.kernel_killed, same_viewer, counted=False
    ),  # Jupyter's first kernel leaves it ZeroMQ's threads
    Row(our_faults.two_jupyters, same_viewer),
    Row(our_faults.whoever_looked_at_the_machine_is_gone, same_viewer),
    Row(our_faults.clock_set, nothing_left),
    Row(our_faults.the_other_jupyter_killed, nothing_left),
    Row(our_faults.jupyter_killed_while_it_looks_at_a_machine, nothing_left),
    Row(our_faults.jupyter_killed_and_started_again, nothing_left),
    Row(our_faults.a_hundred_connections, nothing_left),
    Row(our_faults.everything_of_ours_dies, nothing_left, "brief"),
]


@pytest.mark.timeout(300)  # on a machine that does much else
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_row(world: World, row: Row) -> None:
    if row.fault is our_faults.clock_set and shutil.which("cc") is None:
        pytest.skip("a clock of a process's own needs a C compiler")
    jupyter = getattr(world, row.jupyter)
    held = world.hold(jupyter)
    world.content_is_whole(held)
    before = world.warm(jupyter)
    row.fault(world, held)
    row.holds(world, held)
    if row.counted and jupyter.process.poll() is None:
        until(
            lambda: f"nothing is left in Jupyter: {before}, now {Count.of(jupyter.process.pid)}",
            lambda: Count.of(jupyter.process.pid).is_flat(before),
        )


def test_a_disconnect_leaves_nothing(world: World) -> None:
    held = world.hold(world.patient)
    world.content_is_whole(held)
    for jupyter in (world.patient, world.brief):
        world.disconnect_all(jupyter)
    assert world.left_behind() == []


def test_without_recovery_a_row_fails(world: World) -> None:
    """The negative: where a connection does not come back, the oracle says so."""
    lame = world.jupyter(60, "--RunicornJupyter.reconnect_for_seconds=0")
    held = world.hold(lame)
    world.sshd.drop_sessions()
    until("the loss is noticed", lambda: held.entry()["status"] != "connected")
    with pytest.raises(AssertionError, match="in vain"):
        same_viewer(world, held, seconds=1)
