"""Runs' metrics as they are asked for: what is new, thinned out, within bounds of memory and of the line."""

from __future__ import annotations

import asyncio
import json
import math
import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.runs import metrics as module
from runicorn_jupyter.payload.runs.metrics import Metrics, _thin
from runicorn_jupyter.payload.runs.peaks import Peaks
from runicorn_jupyter.payload.threads import started_threads

MAX_STEP_BYTES = 200
"""Of question and answer, for one more step of a run."""


class Viewer:
    """Runs in a folder, whose metrics are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metrics = Metrics(started_threads(1, "metrics"))

    def log(self, run: str, *steps: int, **values: Any) -> None:
        """Let a run log something at some steps."""
        self.write(run, ({**values, "global_step": step} for step in steps))

    def write(self, run: str, rows: Iterable[dict[str, Any]]) -> None:
        """Let a run write what it logged."""
        (self.root / run).mkdir(exist_ok=True)
        with (self.root / run / "events.jsonl").open("a") as file:
            for row in rows:
                data = {**row, "time": 1795543200.123 + row["global_step"]}
                file.write(json.dumps({"type": "metrics", "data": data}) + "\n")

    def losses(self, run: str, losses: list[float]) -> None:
        """Let a run log a loss at each step from 1 on."""
        self.write(run, ({"global_step": step, "loss": loss} for step, loss in enumerate(losses, 1)))

    def read(self, *runs: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        """Ask for metrics of some runs."""
        folders = [str(self.root / run["id"]) if run["id"] != "none" else None for run in runs]
        asked = {"names": ["loss"], "points": 1000, "relative": False, **options}
        return asyncio.run(self.metrics.read(list(runs), folders, **asked))

    def files(self) -> list[str]:
        """The runs of which something is kept."""
        return [Path(path).parent.name for path in self.metrics._files]


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Viewer]:
    made = Viewer(tmp_path)
    yield made
    made.metrics._thread.shutdown()


def test_what_each_runicorn_has_written(
    each_runicorn: tuple[str, Path], finished_runs: Callable[..., Path], viewer: Viewer
) -> None:
    viewer.root = next(finished_runs(each_runicorn[0]).rglob("events.jsonl")).parents[1]
    run = next(path.name for path in viewer.root.iterdir() if (path / "events.jsonl").is_file())
    (found,) = viewer.read({"id": run}, names=None)
    assert found["steps"] == list(range(1, 21))
    assert found["metrics"]["loss"] == [math.exp(-step / 10.0) for step in range(1, 21)]
    assert set(found["metrics"]) == {"loss", "accuracy"}
    assert all(1.7e9 < time < 4e9 for time in found["times"])


def test_rows_are_those_in_which_something_that_is_wanted_was_logged(viewer: Viewer) -> None:
    viewer.log("a", 1, 2, 3, loss=2)
    viewer.log("a", 3, loss=math.nan, accuracy=0.5)
    viewer.log("a", 4, other=1)
    found, missing = viewer.read({"id": "a"}, {"id": "none"}, names=["loss", "accuracy", "never"])
    assert missing == {"missing": True}
    assert found.pop("version").endswith("-5")
    assert found == {
        "steps": [1, 2, 3],
        "times": [1795543201.123, 1795543202.123, 1795543203.123],
        "metrics": {"loss": [2, 2, None], "accuracy": [None, None, 0.5]},
        "bad": {"loss": [3]},
        "total": 3,
    }
    (found,) = viewer.read({"id": "a"}, relative=True)
    assert found["times"] == [0, 1, 2]
    (found,) = viewer.read({"id": "a"}, names=None)
    assert list(found["metrics"]) == ["accuracy", "loss", "other"]


def test_what_is_new_and_what_is_not_so_any_more(viewer: Viewer) -> None:
    viewer.log("a", 1, 2, 3, loss=2)
    (first,) = viewer.read({"id": "a"})
    known = {"id": "a", "since": 3, "version": first["version"]}
    (nothing,) = viewer.read(known, relative=True)
    assert (nothing["steps"], nothing["metrics"], nothing["total"]) == ([], {"loss": []}, 0)
    viewer.log("a", 4, loss=1)
    (new,) = viewer.read(known, relative=True)
    assert (new["steps"], new["times"], new["total"], "reset" in new) == ([4], [3], 1, False)
    viewer.log("a", 2, loss=7)
    (anew,) = viewer.read(known)
    assert (anew["reset"], anew["steps"], anew["metrics"]["loss"]) == (True, [1, 2, 3, 4], [2, 7, 2, 1])


def test_one_more_step_takes_few_bytes_of_the_line(viewer: Viewer) -> None:
    runs = [f"20261124_1754{number:02}_ab12cd" for number in range(40)]
    for number, run in enumerate(runs):
        viewer.log(run, 123455, loss=number / 7)
    first = viewer.read(*({"id": run} for run in runs))
    for number, run in enumerate(runs):
        viewer.log(run, 123456, loss=number / 7 + 0.1)
    asked = [
        {"id": run, "since": 123455, "version": answer["version"]}
        for run, answer in zip(runs, first, strict=True)
    ]
    answers = viewer.read(*asked)
    assert [answer["steps"] for answer in answers] == [[123456]] * 40
    size = len(json.dumps({"runs": asked})) + len(json.dumps({"runs": answers}, separators=(",", ":")))
    assert size / 40 <= MAX_STEP_BYTES


def test_thinned_out_a_peak_stays_a_peak() -> None:
    losses = [math.sin(step / 50) for step in range(5000)]
    losses[1234], losses[4321], losses[77] = 99.0, -99.0, math.inf
    others = [math.cos(step / 50) for step in range(5000)]
    others[2345] = 50.0
    kept = _thin([losses, others], range(5000), 150)
    assert len(kept) <= 150
    assert kept == sorted(set(kept))
    assert {0, 77, 1234, 2345, 4321, 4999} <= set(kept)
    assert _thin([losses], range(5000), 2) == [0, 4999]
    assert _thin([losses], range(3), 3) == [0, 1, 2]
    assert _thin([], range(5000), 50)[0] == 0


class Column(array):  # type: ignore[type-arg]  # Python 3.11's arrays have no parameter when the program runs
    """Values that count how often one of them is looked at, and how often by itself."""

    looks = 0
    all_looks = 0

    def __getitem__(self, at: Any) -> Any:
        self.looks += isinstance(at, int)
        self.all_looks += 1 if isinstance(at, int) else len(range(*at.indices(len(self))))
        return super().__getitem__(at)


def test_a_long_run_without_gaps_is_thinned_out_without_a_look_at_each_value() -> None:
    chance = random.Random(1)
    values = Column("d", [chance.random() for _ in range(20_000)])
    fast = _thin([values], range(len(values)), 100)
    assert values.looks == 0
    assert fast == _thin([values], array("q", range(len(values))), 100)
    assert values.looks > len(values)
    values[7] = math.inf
    assert 7 in _thin([values], range(len(values)), 100)
    values[7] = math.nan
    assert 7 not in _thin([values], range(len(values)), 100)


def test_a_long_run_is_not_looked_at_again_to_be_thinned_out() -> None:
    chance = random.Random(1)
    values = Column("d", [chance.random() for _ in range(20_001)])
    peaks = [Peaks(values)]
    kept = _thin([values], range(len(values)), 100, peaks)
    assert kept == _thin([values], range(len(values)), 100)
    values.all_looks = 0
    assert _thin([values], range(len(values)), 100, peaks) == kept
    assert values.all_looks < len(values) / 20


def test_what_changed_in_a_long_run_is_looked_at_again(viewer: Viewer) -> None:
    viewer.losses("a", [math.sin(step / 50) for step in range(5000)])

    def least_and_greatest() -> tuple[float, float]:
        (found,) = viewer.read({"id": "a"}, points=100)
        return min(found["metrics"]["loss"]), max(found["metrics"]["loss"])

    assert least_and_greatest() == pytest.approx((-1, 1), abs=1e-3)
    viewer.log("a", 2345, loss=99)  # it went back
    assert least_and_greatest()[1] == 99
    viewer.log("a", *range(5001, 5100), loss=-99)  # and on
    assert least_and_greatest() == (-99, 99)
    (file,) = viewer.metrics._files.values()
    assert file.thin_out(
        lambda file, points: [at for at, step in enumerate(file.steps) if step != 2345][-points:]
    )
    assert least_and_greatest() == (-99, pytest.approx(1, abs=1e-3))


def test_an_answer_has_so_many_values(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer.losses("a", [1.0] * 500)
    monkeypatch.setattr(module, "MAX_VALUES", 800)
    (one,) = viewer.read({"id": "a"})
    assert len(one["steps"]) <= 200
    assert one["total"] == 500
    two = viewer.read({"id": "a"}, {"id": "a"})
    assert [len(each["steps"]) <= 100 for each in two] == [True, True]
    (whole,) = viewer.read({"id": "a"}, points=50)
    assert len(whole["steps"]) <= 50


def test_what_nobody_watches_goes_first(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    viewer.metrics._max_bytes = 3 * (4096 + (8 * 4 + 1) * 100)
    for run in "abc":
        viewer.losses(run, [1.0] * 100)
        viewer.read({"id": run})
    assert viewer.files() == ["a", "b", "c"]
    now[0] = module.WATCHED_SECONDS + 1
    (known,) = viewer.read({"id": "a"})
    viewer.losses("d", [1.0] * 100)
    viewer.read({"id": "d"})
    assert viewer.files() == ["c", "a", "d"]
    # What is watched goes last, where nothing is long enough to be thinned out.
    viewer.losses("e", [1.0] * 100)
    viewer.losses("f", [1.0] * 100)
    viewer.read({"id": "e"}, {"id": "f"})
    assert viewer.files() == ["d", "e", "f"]
    (anew,) = viewer.read({"id": "a", "since": 100, "version": known["version"]})
    assert (anew["reset"], len(anew["steps"])) == (True, 100)


def test_where_all_are_watched_the_longest_is_thinned_out(viewer: Viewer) -> None:
    viewer.metrics._max_bytes = 2 * 4096 + 8 * 4 * 6000
    losses = [math.sin(step / 50) for step in range(5000)]
    losses[1233] = 99.0
    viewer.losses("long", losses)
    viewer.read({"id": "long"})
    viewer.losses("short", [1.0] * 1500)
    long, short = viewer.read({"id": "long"}, {"id": "short"}, points=50000)
    assert short["steps"] == list(range(1, 1501))
    assert long["steps"] == list(range(1, 5001))  # it was read before there was no room any more
    (long,) = viewer.read({"id": "long"}, points=50000)
    assert 100 < len(long["steps"]) <= 2500
    assert long["total"] == 5000
    assert max(long["metrics"]["loss"]) == 99.0
    assert sum(file.size for file in viewer.metrics._files.values()) <= viewer.metrics._max_bytes
