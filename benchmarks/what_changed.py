"""Conditions, comparisons and groups of 10,000 runs of five servers, with 40 parameters each.

MLflow has the same runs in its SQLite store, on this machine.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, Answer, stopwatch
from benchmarks.world import World
from runicorn_jupyter import models as m
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.run_sync import RunReplica, RunSource
from runicorn_jupyter.service.run_index import RunIndex
from tests.world.environments import build

SERVERS, RUNS, PARAMS, A_PAGE = 5, 2000, 40, 100
WHERE = "lr=0.001 batch=64 opt=adam"
MLFLOW = "MLflow"


def run(world: World, rounds: int = 5) -> list[Answer]:
    """Answer the questions of this module."""
    # The list is filled as `RunWatcher` does it: what is measured begins where the line has ended.
    with _mlflow(world.folder) as peer:
        times, theirs = asyncio.run(_times(rounds, peer))
    without, with_params = (_memory(count) for count in (0, PARAMS))
    note = f"{SERVERS} × {RUNS} runs, {PARAMS} parameters each"
    return [
        Answer(
            "comparing two of 10,000 runs",
            {OURS: times["compare"], MLFLOW: theirs["compare"]},
            "ms",
            bound=20,
            note=note,
        ),
        Answer(
            "three conditions on 10,000 runs", {OURS: times["where"], MLFLOW: theirs["where"]}, "ms", bound=60
        ),
        Answer(
            "groups of 10,000 runs by two parameters",
            {OURS: times["groups"], MLFLOW: theirs["groups"]},
            "ms",
            bound=100,
        ),
        Answer(
            "memory of 10,000 runs with 40 parameters",
            {OURS: [with_params], "without parameters": [without]},
            "MiB",
            at_most=2,
        ),
    ]


def fill(params: int) -> tuple[RunIndex, list[RunReplica]]:
    """Make a list of runs as five viewers tell of them."""
    index, chance, replicas = RunIndex(lambda: None), random.Random(1), []
    for server in range(SERVERS):
        source = RunSource(f"conn_{server:08x}", f"gpu{server}", "torch", "/data/runs")
        replica = RunReplica(source, MemoryBudget(2**30, "a", "b").share())
        for start in range(0, RUNS, A_PAGE):
            told = [_told(chance, number, params) for number in range(start, start + A_PAGE)]
            answer = {"epoch": "e", "reset": start == 0, "version": start + 1, "removed": [], "more": True}
            changes = replica.apply(replica.read({**answer, "runs": told}))
            index.update(each for each, _ in changes.runs)
        replicas.append(replica)
    return index, replicas


def _told(chance: random.Random, number: int, params: int) -> dict[str, Any]:
    given: dict[str, Any] = {
        "lr": chance.choice([1e-5, 1e-4, 3e-4, 1e-3]),
        "batch": chance.choice([16, 32, 64, 128]),
        "opt": chance.choice(["adam", "adamw", "sgd"]),
        "seed": number,
    }
    given |= {f"model.param_{place}": chance.randrange(10) / 10 for place in range(params - len(given))}
    at = 1767225600.0 + 60 * number
    return {
        "id": f"20260101_{number:06}_{number:06x}",
        "status": "finished",
        "path": f"sweep/group-{number % 20}",
        "alias": f"trial {number}",
        **{"created": at, "started": at, "ended": at + 30, "step": 100, "tags": []},
        "metrics": {"loss": chance.random(), "accuracy": chance.random()},
        "details": {"params": given} if params else {},
    }


Peer = Callable[[str], float]


@contextmanager
def _mlflow(folder: Path) -> Iterator[Peer]:
    """Start MLflow with the same runs; yield what asks it a question and returns the milliseconds."""
    chance, runs = random.Random(1), folder / "mlflow-runs.json"
    told = [_told(chance, number, PARAMS) for _ in range(SERVERS) for number in range(RUNS)]
    runs.write_text(
        json.dumps(
            [
                {
                    "id": f"{place:032x}",
                    "at": run["created"],
                    "params": run["details"]["params"],
                    "metrics": run["metrics"],
                }
                for place, run in enumerate(told)
            ]
        )
    )
    program = Path(__file__).with_name("mlflow_peer.py")
    python = build("mlflow>=3.10,<4") / "bin" / "python"
    with subprocess.Popen(
        [str(python), str(program), str(folder / "mlflow.db"), str(runs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        lines, answers = process.stdin, process.stdout

        def ask(question: str) -> float:
            lines.write(f"{question}\n")
            lines.flush()
            return float(answers.readline())

        yield ask
        process.stdin.close()


async def _times(rounds: int, peer: Peer) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    index, _ = fill(PARAMS)
    first = (await index.page(m.RunsQuery(limit=2000), [])).runs
    keys = [m.ComparedRun(connection_id=each.connection_id, run_id=each.run_id) for each in first[:2]]
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "compare": lambda: index.compare(m.RunsCompareRequest(runs=keys)),
        "where": lambda: index.page(m.RunsQuery(where=WHERE), []),
        "groups": lambda: index.groups(m.RunsGroupsQuery(by="lr,batch", metric="loss")),
    }
    times: dict[str, list[float]] = {name: [] for name in asked}
    theirs: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, ask in asked.items():
            theirs[name].append(peer(name))
            with stopwatch() as elapsed:
                answer: Any = await ask()
                answer.to_json()
            times[name].append(elapsed())
    return times, theirs


MEASURE = """
import sys
from benchmarks.what_changed import fill
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
before = resident()
index, replicas = fill(int(sys.argv[1]))
for replica in replicas:
    for run in replica.runs.values():
        run.as_json
print((resident() - before) / 2**20)
"""


def _memory(params: int) -> float:
    """Measure in a process of its own what a list takes with the JSON that is kept of each run."""
    command = [sys.executable, "-c", MEASURE, str(params)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
