"""What ``make bench`` says of its targets, and two machines' results side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.compare import main
from benchmarks.harness import OURS, Answer, missed


def answer(ours: float, *, at_most: float | None = 1.0, bound: float | None = None) -> Answer:
    return Answer("one list", {OURS: [ours], "ssh -L": [10.0]}, "ms", at_most=at_most, bound=bound)


def test_only_what_is_not_reached_is_missed() -> None:
    assert missed([answer(8), answer(12, at_most=None)]) == []
    assert missed([answer(8, bound=5)]) == [
        "one list: 8 ms, 0.80 × ssh -L, where ≤ 1 ×, ≤ 5 ms is to be reached"
    ]
    alone = Answer("memory", {OURS: [13.0]}, "MiB", bound=12)
    assert missed([alone]) == ["memory: 13 MiB, where ≤ 12 MiB is to be reached"]


def write_results(path: Path, **answers: Answer) -> str:
    path.write_text(json.dumps({name: each.as_json() for name, each in answers.items()}))
    return str(path)


def test_two_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_results(tmp_path / "a.json", list=answer(8), start=answer(5))
    other = write_results(tmp_path / "b.json", list=answer(12), end=answer(7))
    assert main([one, other]) == 1
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert cells["list"] == ["8 ms", "12 ms", "0.80 ×", "1.20 ×", "≤ 1 ×", "✓", "✗"]
    assert cells["start"] == ["5 ms", "0.50 ×", "≤ 1 ×", "✓"]
    assert cells["end"] == ["7 ms", "0.70 ×", "≤ 1 ×", "✓"]


def test_two_machines_that_agree(tmp_path: Path) -> None:
    one = write_results(tmp_path / "a.json", list=answer(8))
    assert main([one, write_results(tmp_path / "b.json", list=answer(9))]) == 0
