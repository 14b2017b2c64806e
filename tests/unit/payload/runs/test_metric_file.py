"""A run's metrics as columns: each way in which the file grows, or is another."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.runs import metric_file as module
from runicorn_jupyter.payload.runs.metric_file import MetricFile


def line(step: Any, time: Any = None, **metrics: Any) -> str:
    """A line as all versions write it (``sdk.py``, ``log``)."""
    data = {**metrics, "global_step": step, "time": step if time is None else time}
    return json.dumps({"ts": 1.5, "type": "metrics", "data": data}) + "\n"


class Reading:
    """A file, and what is read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = MetricFile(str(path))
        self.room: list[tuple[int, list[str]]] = []

    def add(self, *texts: str) -> None:
        """Append to the file."""
        with self.path.open("a") as file:
            file.write("".join(texts))

    def rows(self) -> dict[int, dict[str, float]]:
        """Read what is new, and return all rows."""
        self.file.read(lambda _file, rows, names: self.room.append((rows, sorted(names))))
        columns = self.file.columns
        assert {len(column) for column in (self.file.times, *columns.values())} <= {len(self.file.steps)}
        assert list(self.file.steps) == sorted(set(self.file.steps))
        return {
            step: {name: column[at] for name, column in columns.items() if not math.isnan(column[at])}
            for at, step in enumerate(self.file.steps)
        }

    def new(self, since: int | None, version: str | None) -> tuple[list[int], bool]:
        """Read, and return the steps that are new, and whether to begin anew."""
        self.rows()
        start, reset = self.file.start_of(since, version)
        return list(self.file.steps[start:]), reset


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path / "events.jsonl")


def test_what_is_logged_at_one_step_is_one_row(reading: Reading) -> None:
    assert reading.rows() == {}
    reading.add(line(1, 10.25, loss=3), line(1, 11, accuracy=0.5), line(2, loss=2), line(2, loss=1))
    assert reading.rows() == {1: {"loss": 3, "accuracy": 0.5}, 2: {"loss": 1}}
    assert list(reading.file.times) == [10.25, 2]
    reading.add(line(2, 99, accuracy=0.6), line(3, late=7))
    assert reading.rows() == {
        1: {"loss": 3, "accuracy": 0.5},
        2: {"loss": 1, "accuracy": 0.6},
        3: {"late": 7},
    }
    assert list(reading.file.times) == [10.25, 2, 3]
    assert (reading.file.total, reading.file.count) == (3, 6)


@pytest.mark.parametrize("cut", range(1, len(line(2, loss=2)), 9))
def test_a_line_may_come_in_parts(reading: Reading, cut: int) -> None:
    whole = line(2, loss=2)
    reading.add(line(1, loss=3), whole[:cut])
    assert reading.rows() == {1: {"loss": 3}}
    reading.add(whole[cut:], line(3, loss=1)[:5])
    assert reading.rows() == {1: {"loss": 3}, 2: {"loss": 2}}


def test_only_what_is_appended_is_read(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    reading.add(*(line(step, loss=step) for step in range(1000)))
    reading.rows()
    reading.add(line(1000, loss=0))
    read: list[int] = []
    pread = module.os.pread

    def counted(file: int, count: int, offset: int) -> bytes:
        found = pread(file, count, offset)
        read.append(len(found))
        return found

    monkeypatch.setattr(module.os, "pread", counted)
    assert len(reading.rows()) == 1001
    assert sum(read) == module.TAIL_BYTES + len(line(1000, loss=0))
    read.clear()
    reading.rows()
    assert read == []


def test_a_chunk_may_end_anywhere(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 200)
    rows = {step: {"loss": step / 7} for step in range(50)}
    reading.add(*(line(step, **row) for step, row in rows.items()))
    assert reading.rows() == rows
    reading.add(line(50, text="x" * 1000, loss=5), line(51, loss=4))  # the first is too long for a chunk
    assert reading.rows() == {**rows, 51: {"loss": 4}}


def test_what_is_no_number_and_what_is_no_metric(reading: Reading) -> None:
    reading.add(
        line(1, a=math.nan, b=math.inf, c=-math.inf, d=10**400, e=True, f="text", epoch=3, stage="warm"),
        "no json\n",
        '{"type": "metrics", "data": 5}\n',
        '{"type": "text", "data": {"global_step": 1, "x": 1, "metrics": 1}}\n',
        line("2", x=1), line(True, x=1), line(2**53, x=1), line(2.5, x=1),
        line(3.0, "then", x=1),
        line(4, x=0).replace('"x": 0', '"x": ' + "9" * 5000),
    )  # fmt: skip
    rows = reading.rows()
    assert set(rows) == {1, 3, 4}
    assert rows[1] == dict.fromkeys("abcd", math.inf)
    assert rows[4] == {"x": math.inf}
    assert math.isnan(reading.file.times[1])


ODD_LINES = {
    "half": line(2, loss=2)[:30] + line(3, loss=3),
    "two": line(2, loss=2).strip() + "," + line(3, loss=3),
    "cut": line(2, loss=2)[:30] + "\n",
    "long": line(2, note="x" * module.SHORT_BYTES)[:-5] + "\n",
    "deep": '{"type": "metrics", "data": ' + "[" * 4000 + "\n",
    "text": 'of "metrics"]\n[\n',
}


@pytest.mark.parametrize("odd", ODD_LINES.values(), ids=ODD_LINES)
def test_an_odd_line_hides_no_other(reading: Reading, odd: str) -> None:
    reading.add(*(line(step, loss=step) for step in (0, 1)), odd, *(line(step, loss=step) for step in (4, 5)))
    assert reading.rows() == {step: {"loss": step} for step in (0, 1, 4, 5)}


def test_many_lines_are_read_by_few_calls(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    loads = json.loads
    monkeypatch.setattr(module.json, "loads", lambda text: (calls.append(text), loads(text))[1])
    reading.add(*(line(step, loss=step) for step in range(1000)))
    assert len(reading.rows()) == 1000
    assert len(calls) == 4


def test_there_are_so_many_columns_and_names_have_so_many_characters(reading: Reading) -> None:
    reading.add(line(1, **{f"{number:03}{'x' * 200}": 1 for number in range(300)}), line(2, one_more=1))
    rows = reading.rows()
    assert len(rows[1]) == module.MAX_COLUMNS
    assert {len(name) for name in rows[1]} == {128}
    assert rows[2] == {}


def test_room_is_made_before_it_is_taken(reading: Reading) -> None:
    reading.add(line(1, loss=3), line(2, loss=3, accuracy=1))
    reading.rows()
    assert reading.room == [(2, ["accuracy", "loss"])]
    size = reading.file.size
    assert reading.file.size_with(1, ["loss"]) == size + 8 * 5 + 2
    assert reading.file.size_with(0, ["loss", "new"]) == size + (8 + 1) * 2


class TestWhatIsNew:
    """What a reader is told that has an earlier answer."""

    @pytest.fixture
    def version(self, reading: Reading) -> str:
        reading.add(*(line(step, loss=step) for step in range(1, 6)))
        reading.rows()
        return reading.file.version

    def test_only_later_steps(self, reading: Reading, version: str) -> None:
        assert reading.new(5, version) == ([], False)
        reading.add(line(6, loss=1))
        assert reading.new(5, version) == ([6], False)
        assert reading.new(3, None) == ([4, 5, 6], False)
        assert reading.new(None, version) == ([1, 2, 3, 4, 5, 6], False)

    def test_more_at_the_last_step(self, reading: Reading, version: str) -> None:
        reading.add(line(5, accuracy=1))
        assert reading.new(5, version) == ([5], False)
        reading.add(line(6, loss=1))
        assert reading.new(5, version) == ([5, 6], False)
        assert reading.new(5, reading.file.version) == ([6], False)

    def test_a_run_that_goes_back(self, reading: Reading, version: str) -> None:
        reading.add(line(6, loss=6))
        reading.rows()
        later = reading.file.version
        reading.add(line(3, loss=33), line(4, loss=44))
        assert reading.new(5, version) == ([1, 2, 3, 4, 5, 6], True)
        assert reading.new(6, later) == ([1, 2, 3, 4, 5, 6], True)
        assert reading.new(2, version) == ([3, 4, 5, 6], False)
        assert reading.rows()[3] == {"loss": 33}
        assert reading.file.total == 6
        assert reading.new(6, reading.file.version) == ([], False)

    def test_a_run_that_goes_back_again_and_again(self, reading: Reading, version: str) -> None:
        for _ in range(module.MAX_REWINDS):
            reading.add(line(4, loss=1))
            reading.rows()
        assert reading.new(3, version)[1]  # what was before the first that is remembered is not known
        assert reading.new(3, reading.file.version) == ([4, 5], False)

    def test_a_file_that_was_cut(self, reading: Reading, version: str) -> None:
        reading.path.write_text(line(1, loss=1))
        assert reading.new(5, version) == ([1], True)
        assert reading.new(5, None) == ([1], True)
        assert reading.rows() == {1: {"loss": 1}}

    def test_a_file_that_was_written_anew_and_is_longer(self, reading: Reading, version: str) -> None:
        reading.path.write_text("".join(line(step, other=step) for step in range(1, 9)))
        assert reading.new(5, version) == (list(range(1, 9)), True)
        assert set(reading.file.columns) == {"other"}

    def test_another_file_in_its_place(self, reading: Reading, version: str) -> None:
        fresh = reading.path.with_suffix(".new")
        fresh.write_text(reading.path.read_text() + line(6, loss=1))
        fresh.replace(reading.path)
        assert reading.new(5, version) == ([1, 2, 3, 4, 5, 6], True)

    def test_a_file_that_is_gone(self, reading: Reading, version: str) -> None:
        reading.path.unlink()
        assert reading.new(5, version) == ([], True)
        reading.path.mkdir()
        assert reading.new(None, None) == ([], False)

    @pytest.mark.parametrize("odd", ["", "x", "-", "abcd-1", "abcd-x", "-5"])
    def test_a_version_of_nobody(self, reading: Reading, version: str, odd: str) -> None:
        assert reading.new(5, odd) == ([1, 2, 3, 4, 5], True)
        generation = version.partition("-")[0]
        assert reading.new(5, f"{generation}-99")[1]


def test_half_of_the_rows_go_and_what_comes_is_put_to_what_stays(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_ROWS", 10)
    reading.add(*(line(step, loss=step) for step in range(10)))
    reading.rows()
    assert reading.file.thin_out(lambda _file, points: list(range(0, 10, 10 // points)))
    assert list(reading.file.steps) == [0, 2, 4, 6, 8]
    assert not reading.file.is_whole
    assert not reading.file.thin_out(lambda _file, _points: [])
    reading.add(line(10, loss=1))
    assert list(reading.rows()) == [0, 2, 4, 6, 8, 10]
    assert reading.file.total == 11
