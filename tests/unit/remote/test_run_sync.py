"""What a viewer's side says of its runs: the same for each runicorn, and never more than it may be."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.remote import run_sync
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.run_sync import OddAnswer, RunDelta, RunReplica, RunSource, read_run

PLACE = RunSource("conn_1", "gpu1", "torch", "/data")
BEST = {"metric": "acc", "value": 0.5, "step": 7, "mode": "max"}
RUN = {"id": "20261124_175421_ab12cd", "status": "running", "created": 1795543200.5, "metrics": {"loss": 0.5}}


def take(replica: RunReplica, answer: dict[str, Any]) -> RunDelta:
    return replica.apply(replica.read(answer))


def answer(version: int, *found: Any, **fields: Any) -> dict[str, Any]:
    """Make an answer as the remote's table gives it."""
    return {
        "epoch": "e1",
        "version": version,
        "reset": False,
        "more": False,
        "runs": list(found),
        "removed": [],
        **fields,
    }


def run(number: int, **fields: Any) -> dict[str, Any]:
    return {**RUN, "id": f"run-{number}", **fields}


@pytest.mark.parametrize(
    ("words", "name", "path", "project"),
    [
        ({"project": "vision", "name": "resnet"}, "resnet", "vision/resnet", "vision"),
        ({"project": "vision"}, None, "vision", "vision"),
        ({"path": "vision/cifar/a", "alias": "try 1"}, "try 1", "vision/cifar/a", "vision"),
        ({"path": "vision", "alias": None}, None, "vision", "vision"),
        ({}, None, None, None),
    ],
    ids=["0.5", "0.5 without a name", "0.6 and 0.7", "without an alias", "nothing"],
)
def test_each_runicorns_words(words: dict[str, Any], name: str, path: str, project: str) -> None:
    made = read_run({**RUN, **words}, PLACE)
    assert made is not None
    assert (made.name, made.path, made.project) == (name, path, project)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("finished", "finished"), ("Completed", "finished"), ("error", "failed"), ("killed", "interrupted"),
        ("aborted", "interrupted"), ("whatever", "finished"), (None, "finished"), (["running"], "finished"),
    ],
)  # fmt: skip
def test_each_word_that_a_run_may_end_with(said: Any, meant: str) -> None:
    made = read_run({**RUN, "status": said}, PLACE)
    assert made is not None
    assert made.status == meant


def test_times_and_what_a_run_has_taken() -> None:
    made = read_run({**RUN, "status": "failed", "started": 1795543201, "ended": 1795543261.5}, PLACE)
    assert made is not None
    assert made.created_at == datetime(2026, 11, 24, 18, 0, 0, 500000, UTC)
    assert made.duration_seconds == 60.5
    going = read_run({**RUN, "started": 5, "ended": 9}, PLACE)
    assert going is not None
    assert (going.ended_at, going.duration_seconds) == (None, None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [],
        {},
        {"id": 5},
        {"id": ""},
        {"id": "x" * 129},
        {"id": "a\nb"},
        {"id": "a\x1b[31m"},
        {"id": "\u202e"},
    ],
    ids=repr,
)
def test_what_is_no_run(value: Any) -> None:
    assert read_run(value, PLACE) is None


@pytest.mark.parametrize(
    "bad",
    [
        {"created": 1e300}, {"created": -1}, {"created": math.nan}, {"created": True}, {"created": "today"},
        {"created": 10**400}, {"step": 2**60}, {"step": 1.5}, {"step": True}, {"tags": "abc"},
        {"tags": [[[]], 5, ""]},
        {"path": ["a"]}, {"alias": 5}, {"alias": "\x00\x07"}, {"metrics": []},
        {"metrics": {"a": "big", "b": True, "c": None, "d": [1], "e": 10**400, "\x07": 1, "f": math.inf}},
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_is_of_no_form_is_left_out_and_the_rest_stays(bad: dict[str, Any]) -> None:
    made = read_run({**RUN, **bad}, PLACE)
    assert made is not None
    again = json.loads(made.as_json)
    assert type(made).model_validate(again).run_id == RUN["id"]  # it is of the contract's form
    for field in bad:
        name = {"created": "created_at", "alias": "name"}.get(field, field)
        assert again[name] in (None, [], {})


def test_a_run_is_bounded_and_plain() -> None:
    huge = {
        "alias": "\x1b[31mred\x1b[0m" + "x" * 10**6,
        "path": "p/" * 10**5,
        "tags": ["t" * 10**5] * 10**4,
        "metrics": {f"metric-{i}" + "n" * 1000: i for i in range(10**4)},
    }
    made = read_run({**RUN, **huge, "id": "a/b?c#d"}, PLACE)
    assert made is not None
    assert made.name is not None
    assert made.name.startswith("redx")
    assert made.page == "/runs/a%2Fb%3Fc%23d"
    assert (len(made.tags), len(made.metrics)) == (16, 64)
    assert len(made.as_json) < 30_000


def test_details_that_are_not_said_again_stay() -> None:
    budget = MemoryBudget(2**20, "a", "b")
    table = RunReplica(PLACE, budget.share())
    details = {"params": {"lr": 0.5}, "params_left_out": 3, "summary": {"a": "b"}, "best": BEST}
    take(table, answer(1, run(1, details=details), run(2, details={}), reset=True))
    used = budget.used
    (now, before), *_ = take(table, answer(2, run(1, step=9))).runs
    assert before is not None
    assert (now.step, now.params, now.params_left_out, now.summary) == (9, {"lr": 0.5}, 3, {"a": "b"})
    assert now.best == before.best == m.RunBest(metric="acc", value=0.5, step=7, mode="max")
    assert json.loads(now.as_json)["best"] == BEST
    assert budget.used == used
    take(table, answer(3, run(1, details={})))
    assert (table.runs["run-1"].params, table.runs["run-1"].best) == ({}, None)
    assert budget.used < used
    take(table, answer(4, removed=["run-1", "run-2"]))
    assert budget.used == 0


def test_a_run_that_was_left_out_does_not_come_back_without_its_details(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_sync, "MAX_RUNS", 1)
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())
    take(table, answer(1, run(1, details={}), run(2, details={"params": {"lr": 1}}), reset=True))
    take(table, answer(2, run(2, step=2), removed=["run-1"]))
    assert table.runs == {}
    take(table, answer(3, run(2, step=2, details={"params": {"lr": 1}})))
    assert table.runs["run-2"].params == {"lr": 1}


def test_words_for_numbers_that_json_has_not() -> None:
    made = read_run({**RUN, "metrics": {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 1}}, PLACE)
    assert made is not None
    assert {name: float(value) for name, value in made.metrics.items() if name != "a"} == {
        "b": math.inf, "c": -math.inf, "d": 1.0,
    }  # fmt: skip
    assert math.isnan(float(made.metrics["a"]))


def test_pages_of_the_first_list_then_changes() -> None:
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())
    first = take(table, answer(1, run(1), reset=True, more=True))
    assert (first.first, first.more, table.cursor) == (True, True, {"epoch": "e1", "version": 1, "known": 0})
    last = take(table, answer(2, run(2, nan={"loss": 3})))
    assert table.cursor == {"epoch": "e1", "version": 2, "known": 2}
    assert (last.first, last.more, last.not_finite) == (True, False, [])
    later = take(
        table, answer(4, run(1, status="failed", nan={"loss": 9}), run(2, nan={"loss": 3}), removed=["run-7"])
    )
    assert not later.first
    assert [(now.status, before and before.status) for now, before in later.runs] == [
        ("failed", "running"), ("running", "running"),
    ]  # fmt: skip
    assert [(each.run_id, name) for each, name in later.not_finite] == [("run-1", "loss")]
    gone = take(table, answer(5, removed=["run-2", 5, ["x"]]))
    assert [each.run_id for each in gone.removed] == ["run-2"]
    assert list(table.runs) == ["run-1"]


def test_a_list_is_complete_with_the_last_page_of_a_viewer_that_has_taken_up_all() -> None:
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())

    def state_after(version: int, *found: Any, **fields: Any) -> tuple[bool, bool]:
        completed = take(table, answer(version, *found, **fields)).completed
        return table.complete, completed

    assert state_after(1, run(1), reset=True, complete=False) == (False, False)
    assert state_after(2, run(2), complete=True, more=True) == (False, False)
    assert state_after(3, run(3), complete=True) == (True, True)
    assert state_after(4, run(1, step=1), complete=True, more=True) == (True, False)
    assert state_after(5, run(2, step=1), complete=True) == (True, False)
    assert state_after(6, complete="yes") == (False, True)
    assert state_after(7, complete=True) == (True, True)
    assert state_after(1, run(1), epoch="e2", reset=True, complete=True, more=True) == (False, True)


def test_of_two_answers_the_older_changes_nothing() -> None:
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())
    take(table, answer(5, run(1, status="finished"), reset=True))
    late = take(table, answer(4, run(1, status="running")))
    assert (late.runs, table.runs["run-1"].status) == ([], "finished")
    other = take(table, answer(9, run(2), epoch="e0"))
    assert (other.runs, list(table.runs)) == ([], ["run-1"])


def test_a_viewer_that_began_anew_replaces_everything() -> None:
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())
    take(table, answer(5, run(1), run(2), reset=True))
    anew = take(table, answer(1, run(2), epoch="e2", reset=True, root="/other\x07"))
    assert anew.first
    assert table.runs["run-2"].remote_root == table.source.remote_root == "/other"
    assert [each.run_id for each in anew.removed] == ["run-1"]
    assert list(table.runs) == ["run-2"]


def test_more_than_there_may_be_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_sync, "MAX_RUNS", 2)
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())
    take(table, answer(3, run(1), run(2), run(3), reset=True))
    assert (list(table.runs), table.left_out and table.left_out.code) == (["run-1", "run-2"], "too_many_runs")
    take(table, answer(4, run(1, step=9)))
    assert table.runs["run-1"].step == 9
    monkeypatch.setattr(run_sync, "MAX_TABLE_METRICS", 3)
    take(table, answer(5, run(2, metrics=dict.fromkeys("abcdef", 1))))
    assert list(table.runs["run-2"].metrics) == ["loss"]


def test_what_there_is_no_memory_for_is_left_out_and_told() -> None:
    every = MemoryBudget(100_000, "RunicornJupyter.memory_mb", "all connections together")
    one = MemoryBudget(50_000, "RunicornJupyter.connection_memory_mb", "the connection to gpu1", every)
    table = RunReplica(PLACE, one.share())
    take(table, answer(1, *[run(number) for number in range(100)], reset=True))
    assert 10 < len(table.runs) < 30
    assert 45_000 < one.used == every.used <= 50_000
    assert table.left_out is not None
    assert (table.left_out.code, "connection_memory_mb" in table.left_out.message) == ("memory_limit", True)
    known = list(table.runs)
    take(table, answer(2, removed=known[:-1]))
    assert one.used == every.used < 10_000
    take(table, answer(3, run(200, details={})))
    assert list(table.runs) == [known[-1], "run-200"]
    take(table, answer(1, run(1), epoch="e2", reset=True))
    assert (list(table.runs), table.left_out) == (["run-1"], None)
    other = RunReplica(PLACE, MemoryBudget(10**9, "a", "b", every).share())
    take(other, answer(1, *[run(number) for number in range(100)], reset=True))
    assert other.left_out is not None
    assert "memory_mb" in other.left_out.message
    assert every.used <= 100_000
    table.close()
    other.close()
    assert (one.used, every.used) == (0, 0)


def test_a_run_that_grows_beyond_the_memory_stays_as_it_was() -> None:
    budget = MemoryBudget(8_000, "a", "b")
    table = RunReplica(PLACE, budget.share())
    take(table, answer(1, run(1), reset=True))
    used = budget.used
    take(table, answer(2, run(1, metrics=dict.fromkeys(map(str, range(60)), 1))))
    assert list(table.runs["run-1"].metrics) == ["loss"]
    assert (budget.used, table.left_out is not None) == (used, True)


HOSTILE_LIST = """
import json, sys
from runicorn_jupyter.remote.memory_budget import MemoryBudget
from runicorn_jupyter.remote.run_sync import MAX_RUNS, RunSource, RunReplica
from runicorn_jupyter.service.run_index import RunIndex

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def text(number, field):
    return ("\U0001f600%07d%02d" % (number, field) + "a" * 512)[:512]

budget = MemoryBudget(int(sys.argv[1]), "a", "b")
table, index, version = RunReplica(RunSource("c", "h", "e", "/r"), budget.share()), RunIndex(lambda: None), 0
before = resident()
for page in range(0, MAX_RUNS, 22):
    version += 1
    runs = [
        {"id": "r%d" % i + "x" * 100, "name": text(i, 0), "alias": text(i, 1), "path": text(i, 2),
         "project": text(i, 3), "status": "running", "created": float(i), "metrics": {},
         "tags": [text(i, k) for k in range(4, 20)]}
        for i in range(page, page + 22)
    ]
    changes = table.apply(table.read({"epoch": "e", "reset": version == 1, "version": version, "runs": runs,
                          "removed": [], "more": True}))
    index.update([run for run, _ in changes.runs], changes.removed)
    for run, _ in changes.runs:
        run.as_json
print(json.dumps({"resident": resident() - before, "used": budget.used, "runs": len(table.runs)}))
"""


def test_no_list_makes_jupyter_hold_more_than_the_budget() -> None:
    """Every text as long as it may be, with a letter that makes each of its letters take four bytes."""
    limit = 64 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE_LIST, str(limit)], stdout=subprocess.PIPE, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["used"] > 0.99 * limit
    assert found["resident"] <= limit + 50 * 2**20
    assert found["runs"] > 500


@pytest.mark.parametrize(
    "odd",
    [
        {"epoch": None}, {"epoch": ""}, {"epoch": "x" * 65}, {"version": "1"}, {"version": -1},
        {"version": 2**53},
        {"runs": None}, {"runs": {}}, {"removed": None},
        {"runs": [{}] * (run_sync.MAX_CHANGES + 1)}, {"removed": ["x"] * run_sync.MAX_CHANGES},
    ],
    ids=lambda odd: str(odd)[:40],
)  # fmt: skip
def test_an_answer_of_another_form_is_refused(odd: dict[str, Any]) -> None:
    table = RunReplica(PLACE, MemoryBudget(2**20, "a", "b").share())
    with pytest.raises(OddAnswer):
        take(table, {**answer(1, run(1), reset=True), **odd})
    assert table.runs == {}
