"""What may go wrong on our side: a function a fault.

Each takes the world and a connection with a well viewer, does the fault, and undoes what is undone in life.
What must hold afterwards is in the table (``test_viewer.py``); what must hold meanwhile is looked at here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

from tests.faults.clock import Clock
from tests.faults.world import LIMIT, Held, World, end_jupyter, until


def jupyter_stopped(world: World, held: Held) -> None:
    """Stopped for less than the lease, as by Ctrl-Z or a swapping machine."""
    begun = time.monotonic()
    with stopped(held.jupyter.process.pid):
        time.sleep(world.times.scaled(30))
        world.asleep.append((begun, time.monotonic()))


def jupyter_sleeps_past_the_lease(world: World, held: Held) -> None:
    """A laptop that is closed for the night: the viewer ends, and is there again in the morning."""
    with stopped(held.jupyter.process.pid):
        world.await_no_viewer()


def everything_sleeps(world: World, held: Held) -> None:
    """A laptop and a remote that are one machine: time in which nothing lives is no time."""
    with stopped(held.jupyter.process.pid):
        world.sshd.pause()
        with stopped(held.pid):
            time.sleep(1.25 * world.times.brief_lease)
            world.sshd.resume()
            os.kill(held.jupyter.process.pid, signal.SIGCONT)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kernel_killed(world: World, held: Held) -> None:
    from tests.notebook.kernels import server_kernel

    with server_kernel(held.jupyter) as kernel:
        kernel.good("%load_ext runicorn_jupyter\n%runicorn_connect gpu1 --name mine")
        listed = held.jupyter.get("connections").json()["connections"]
        (mine,) = [each for each in listed if each["connection_id"] != held.connection_id]
        os.kill(kernel.pid, signal.SIGKILL)
    other = Held(held.jupyter, mine["connection_id"], {})
    assert other.entry()["status"] == "connected"
    other.disconnect()


def two_jupyters(world: World, held: Held) -> None:
    """They share a viewer, and neither ends the other's."""
    other = world.start(world.brief, world.connect(world.brief))
    assert other.pid == held.pid
    assert other.url != held.url
    world.content_is_whole(other)
    other.disconnect()


def the_other_jupyter_killed(world: World, held: Held) -> None:
    """It cannot say that it leaves: its claim ends with it, and the viewer with the last who lives."""
    other = world.start(world.brief, world.connect(world.brief))
    assert other.pid == held.pid
    other.jupyter.kill()
    world.content_is_whole(held)
    held.disconnect()


def whoever_looked_at_the_machine_is_gone(world: World, held: Held) -> None:
    """What looks at a machine ends soon after the last page that asked, and the viewer stays."""
    assert held.jupyter.get("machines").json()["machines"]
    there = _looking(world)
    assert there
    until("nothing looks at the machine", lambda: not there & _looking(world))


def jupyter_killed_while_it_looks_at_a_machine(world: World, held: Held) -> None:
    """It cannot say that it is done: what looks there ends with the connection, or by its lease."""
    world.connect(world.brief)
    assert world.brief.get("machines").json()["machines"]
    there = _looking(world)
    assert there
    world.brief.kill()
    until("nothing looks at the machine", lambda: not there & _looking(world))
    held.disconnect()


def _looking(world: World) -> set[int]:
    """Return the processes of ``payload/machine.sh`` on the remote."""
    return {pid for pid, line in world.remote_processes().items() if line.rstrip().endswith("sh -s")}


def jupyter_killed_and_started_again(world: World, held: Held) -> None:
    """The next Jupyter adopts the viewer, and a disconnect leaves nothing."""
    held.jupyter.kill()
    world.patient = world.jupyter(world.times.lease)
    again = world.start(world.patient, world.connect(world.patient))
    assert again.pid == held.pid
    world.content_is_whole(again)
    again.disconnect()


def everything_of_ours_dies(world: World, held: Held) -> None:
    held.jupyter.kill()
    world.sshd.drop_sessions()


def clock_set(world: World, held: Held) -> None:
    """The clocks of both sides jump, an hour forth and two back: no time is taken from them."""
    held.disconnect()
    clock = Clock(world.folder)
    world.sshd.restart(SetEnv=[f"{name}={value}" for name, value in clock.environment.items()])
    jupyter = world.jupyter(world.times.brief_lease, env=clock.environment)
    mine = world.start(jupyter, world.connect(jupyter))
    assert clock.environment["LD_PRELOAD"] in Path(f"/proc/{mine.pid}/maps").read_text()
    for seconds in (3600, -3600):
        clock.set(seconds)
        said = parsedate_to_datetime(jupyter.get("connections").headers["Date"]).timestamp()
        assert abs(said - time.time() - seconds) < 1000
        time.sleep(world.times.brief_lease + world.times.keepalive)
        assert (mine.now()["pid"], mine.is_well(), mine.entry()["reconnects"]) == (mine.pid, True, 0)
        world.content_is_whole(mine)
    mine.disconnect()
    end_jupyter(jupyter)


def a_hundred_connections(world: World, held: Held) -> None:
    """Twenty of them start one viewer at once; all come back after a cut; Jupyter stops orderly."""
    jupyter = held.jupyter
    held.disconnect()
    with ThreadPoolExecutor(20) as pool:
        idents = list(pool.map(lambda _: world.connect(jupyter, timeout=120), range(100)))
        many = list(pool.map(lambda ident: world.start(jupyter, ident), idents[:20]))
        assert len({each.pid for each in many}) == 1
        assert world.viewers() == [many[0].pid]
        world.sshd.drop_sessions()
        until("all are back", lambda: _are_back(held, 100))
        until("all viewers are well", lambda: all(each.now()["status"] == "running" for each in many))
        assert set(pool.map(lambda each: each.ask("api/runs").status_code, many)) == {200}
    with world.measure("stopped with 100 connections"):
        assert jupyter.stop(timeout=LIMIT) == 0
    until("no session is left", lambda: not world.sshd.session_pids())


def _are_back(held: Held, count: int) -> bool:
    listed = held.jupyter.get("connections").json()["connections"]
    return [each["status"] for each in listed if each["reconnects"]] == count * ["connected"]
