"""From nothing to the first answer of the viewer, cold and by adopting one that runs."""

from __future__ import annotations

import threading

from benchmarks.harness import OURS, Answer, interleave, stopwatch, until
from benchmarks.upstream import NAME, FakeViewer, upstream
from benchmarks.world import ASYNCSSH, World, answers

BY_HAND = "ssh -L + runicorn viewer"
LOOK_SECONDS = 1.5
FORWARD = "ssh -L to a running one"


def _ours(world: World) -> float:
    with stopwatch() as elapsed:
        connection_id = world.connect()
        viewer = world.start_viewer(connection_id)
        assert answers(viewer["url"] + "api/health")
    world.disconnect(connection_id)
    return elapsed()


def _by_hand(world: World) -> float:
    with stopwatch() as elapsed, world.by_hand() as url:
        until(lambda: answers(url + "api/health"), BY_HAND)
        return elapsed()


def _upstream(peer: FakeViewer) -> float:
    with stopwatch() as elapsed:
        peer.connect()
        session_id, url = peer.start_viewer()
        assert answers(url + "api/health")
    peer.stop_viewer(session_id)
    peer.disconnect()
    return elapsed()


def cold(world: World, rounds: int = 4) -> list[Answer]:
    """Connect, start a viewer and get its first answer, when nothing runs."""
    _ours(world), _by_hand(world)  # what the disk has to be asked for once is in memory for both
    samples = interleave({OURS: lambda: _ours(world), BY_HAND: lambda: _by_hand(world)}, rounds)
    with upstream(world) as peer:
        few = interleave({OURS: lambda: _ours(world), NAME: lambda: _upstream(peer)}, 2)
    return [
        Answer("connect + start + first answer", samples, "ms", at_most=0.65),
        Answer("connect + start, against upstream's remote API", few, "ms", at_most=1 / 8),
    ]


def remembered(world: World, rounds: int = 3) -> Answer:
    """The same with what was opened last, which is started while the person looks and clicks."""
    server = world.start_jupyter("--RunicornJupyter.start_remembered=True")
    looking = threading.Event()

    def ours() -> float:
        with stopwatch() as connecting:
            connection_id = world.connect(server)
        looking.wait(LOOK_SECONDS)
        with stopwatch() as opening:
            viewer = world.start_viewer(connection_id, server)
            assert answers(viewer["url"] + "api/health")
        world.disconnect(connection_id, server)
        return connecting() + opening()

    ours()  # which is remembered
    samples = interleave({OURS: ours, BY_HAND: lambda: _by_hand(world)}, rounds)
    note = f"the waits; the {LOOK_SECONDS:g} s between Connect and Open viewer are the person's"
    return Answer("the same, what was opened last", samples, "ms", at_most=0.8, note=note)


def adopting(world: World, rounds: int = 5) -> list[Answer]:
    """The same when the viewer runs already; and of it, the start alone."""
    remote_port = world.viewer["remote_port"]
    starts: list[float] = []

    def ours() -> float:
        with stopwatch() as elapsed:
            connection_id = world.connect()
            with stopwatch() as start:
                viewer = world.start_viewer(connection_id)
            assert viewer["remote_port"] == remote_port
            assert answers(viewer["url"] + "api/health")
        world.disconnect(connection_id)
        starts.append(start())
        return elapsed()

    def forward() -> float:
        with stopwatch() as elapsed, world.forwarded(remote_port) as port:
            assert answers(f"http://127.0.0.1:{port}/api/health", world.ticket("api/health"))
            return elapsed()

    def asyncssh() -> float:
        with stopwatch() as elapsed:
            port = world.asyncssh.forward(remote_port)
            assert answers(f"http://127.0.0.1:{port}/api/health", world.ticket("api/health"))
            return elapsed()

    ours(), forward(), asyncssh()
    starts.clear()
    samples = interleave({OURS: ours, FORWARD: forward, ASYNCSSH: asyncssh}, rounds)
    return [
        Answer("connect + adopt + first answer", samples, "ms"),
        Answer("start that adopts a running viewer", {OURS: starts}, "ms", bound=100),
    ]


def run(world: World) -> list[Answer]:
    """Answer the questions of this module."""
    return [*cold(world), remembered(world), *adopting(world)]
