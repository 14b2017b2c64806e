"""How long it takes to know which of a dozen environments have runicorn, and of a hundred."""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.harness import OURS, Answer, interleave, stopwatch
from benchmarks.upstream import NAME, upstream
from benchmarks.world import ENVIRONMENT, World, link_tree

COUNT = 12
MANY = 100
EACH = "ssh, one python each"
_ASK = "import importlib.metadata as m, sys; print(sys.prefix, sys.version_info[:2], m.version('runicorn'))"


def run(world: World, rounds: int = 6) -> list[Answer]:
    """Answer the question of this module."""
    folder = world.sshd.home / ".virtualenvs"
    connection_id = world.connect()

    def fill(count: int) -> None:
        for number in range(2, count + 1):
            if not (folder / f"train-{number}").exists():
                link_tree(folder / ENVIRONMENT, folder / f"train-{number}")

    def detect(count: int) -> float:
        with stopwatch() as elapsed:
            answer = world.api("POST", "environments/detect", connection_id=connection_id, force_refresh=True)
        found = [one for one in answer["environments"] if one["runicorn_installed"]]
        assert len(found) >= count, found
        return elapsed()

    def each() -> float:
        command = f'for python in {folder}/*/bin/python; do "$python" -c "{_ASK}"; done'
        with stopwatch() as elapsed:
            done = subprocess.run(world.ssh(command=command), check=True, stdout=subprocess.PIPE, text=True)
        assert len(done.stdout.splitlines()) == COUNT, done.stdout
        return elapsed()

    fill(COUNT)
    few = interleave({OURS: lambda: detect(COUNT), EACH: each}, rounds)
    with upstream(world) as peer:

        def theirs() -> float:
            theirs_id = peer.connect()  # what it found it remembers as long as this
            with stopwatch() as elapsed:
                found = peer.environments(theirs_id)
            peer.disconnect()
            assert found >= COUNT, found
            return elapsed()

        against = interleave({OURS: lambda: detect(COUNT), NAME: theirs}, 2)
    fill(MANY)
    many = interleave({OURS: lambda: detect(MANY)}, rounds)
    for number in range(COUNT + 1, MANY + 1):  # the other questions go on in a home as people have it
        shutil.rmtree(folder / f"train-{number}")
    world.disconnect(connection_id)
    return [
        Answer(f"detect {COUNT} environments", few, "ms", bound=50),
        Answer(f"detect {COUNT} environments, against upstream's API", against, "ms", at_most=1 / 100),
        Answer(f"detect {MANY} environments", many, "ms", bound=150),
    ]
