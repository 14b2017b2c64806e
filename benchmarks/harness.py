"""How a question is measured and its answer told: interleaved rounds, medians, spread, ratios."""

from __future__ import annotations

import json
import math
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

RESULTS = Path(__file__).with_name("results.json")
Better = Literal["lower", "higher"]
Samples = dict[str, list[float]]
T = TypeVar("T")

OURS = "ours"


@dataclass
class Answer:
    """What one question came to.

    Attributes
    ----------
    question
        In a few words; the key in ``results.json``.
    samples
        Every measured value by who it was measured of; ``OURS`` is us, the first other the main peer.
    unit
        Of all values.
    better
        Whether small or large values are good.
    at_most, at_least
        What is to be reached by the ratio of the medians, ours to the main peer's.
    bound
        What is to be reached by our median itself, in ``unit`` (below it if small is good).
    """

    question: str
    samples: Samples
    unit: str
    better: Better = "lower"
    at_most: float | None = None
    at_least: float | None = None
    bound: float | None = None
    note: str = ""
    peers: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.peers = [name for name in self.samples if name != OURS]

    def median(self, name: str = OURS) -> float:
        """Return the median of who is named."""
        return statistics.median(self.samples[name])

    def spread(self, name: str = OURS) -> tuple[float, float]:
        """Return the lower and upper quartile of who is named."""
        values = sorted(self.samples[name])
        if len(values) < 3:
            return values[0], values[-1]
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return low, high

    def ratio(self, peer: str) -> float:
        """Return our median divided by a peer's; infinity where that is nothing."""
        return self.median() / self.median(peer) if self.median(peer) else math.inf

    @property
    def target(self) -> str:
        """What is to be reached, in words; empty if nothing is."""
        goals = []
        if self.at_most is not None:
            goals.append(f"≤ {self.at_most:g} ×")
        if self.at_least is not None:
            goals.append(f"≥ {self.at_least:g} ×")
        if self.bound is not None:
            goals.append(f"{'≤' if self.better == 'lower' else '≥'} {self.bound:g} {self.unit}")
        return ", ".join(goals)

    @property
    def reached(self) -> bool | None:
        """Whether all that is to be reached is; None if nothing is."""
        checks = []
        if self.at_most is not None:
            checks.append(self.ratio(self.peers[0]) <= self.at_most)
        if self.at_least is not None:
            checks.append(self.ratio(self.peers[0]) >= self.at_least)
        if self.bound is not None:
            ours = self.median()
            checks.append(ours <= self.bound if self.better == "lower" else ours >= self.bound)
        return all(checks) if checks else None

    def as_json(self) -> dict[str, Any]:
        """Return the answer as ``results.json`` has it."""
        return {
            "ours": _rounded(self.median()),
            "peers": {name: _rounded(self.median(name)) for name in self.peers},
            "ratio": {
                name: _rounded(ratio) if math.isfinite(ratio := self.ratio(name)) else None
                for name in self.peers
            },
            "unit": self.unit,
            "better": self.better,
            "spread": {name: [_rounded(value) for value in self.spread(name)] for name in self.samples},
            "rounds": len(self.samples[OURS]),
            "target": self.target,
            "reached": self.reached,
        }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def interleave(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Measure each contestant once a round, another one first each time.

    Parameters
    ----------
    contestants
        What measures once and returns the value or values, by name.
    rounds
        How often.
    """
    samples: dict[str, list[T]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            samples[name].append(contestants[name]())
    return samples


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Yield what returns the milliseconds since the block began, and stands still once it has ended."""
    start = time.perf_counter()
    end: list[float] = []
    yield lambda: ((end[0] if end else time.perf_counter()) - start) * 1000
    end.append(time.perf_counter())


def until(ready: Callable[[], bool], what: str, *, seconds: float = 60.0, tick: float = 0.005) -> None:
    """Return when ``ready()`` says so: for peers that tell nobody when they are.

    Parameters
    ----------
    ready
        Asked again and again.
    what
        What is waited for, for the error.
    seconds
        The most that it may take, else TimeoutError.
    tick
        Seconds between questions: the resolution of the measurement.
    """
    pause = threading.Event()
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        pause.wait(tick)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(answer: Answer, name: str) -> str:
    low, high = answer.spread(name)
    return f"{_number(answer.median(name))} [{_number(low)} … {_number(high)}]"


def table(answers: Sequence[Answer]) -> str:
    """Return the answers as a table for the terminal: medians, quartiles, ratios, targets."""
    rows = [("question", "who", "median [quartiles]", "unit", "ours is", "to reach", "")]
    for answer in answers:
        mark = {True: "✓", False: "✗", None: ""}[answer.reached]
        rows.append((answer.question, OURS, _cell(answer, OURS), answer.unit, "", answer.target, mark))
        rows.extend(
            ("", peer, _cell(answer, peer), answer.unit, f"{answer.ratio(peer):.2f} ×", "", "")
            for peer in answer.peers
        )
        if answer.note:
            rows.append((f"  ({answer.note})", "", "", "", "", "", ""))
    return columns(rows)


def missed(answers: Sequence[Answer]) -> list[str]:
    """Return what was to be reached and is not, one line a question."""
    return [
        f"{answer.question}: {_number(answer.median())} {answer.unit}"
        + (f", {answer.ratio(answer.peers[0]):.2f} × {answer.peers[0]}" if answer.peers else "")
        + f", where {answer.target} is to be reached"
        for answer in answers
        if answer.reached is False
    ]


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as a table for the terminal; the first is its head, one that begins with ``  (`` a note."""
    widths = [max(len(row[i]) for row in rows if not row[0].startswith("  (")) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


def write_results(answers: Sequence[Answer]) -> None:
    """Write ``results.json``; questions that were not asked this time keep their answers."""
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known.update({answer.question: answer.as_json() for answer in answers})
    RESULTS.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
