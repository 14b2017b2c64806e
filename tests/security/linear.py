"""Whether a function's cost grows no faster than what it is given: steps are counted, and C's work is timed.

Steps are lines of Python that run, the same on every machine. What one line makes C do (a regular expression,
a copy) is CPU time of the thread, the least of several; that of an input is compared with that of its quarter
and with a plain loop over its bytes, so how fast the machine is, and what else it does, plays no part.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import FrameType
from typing import Any

GROWTH = 4
"""How much larger the second input is than the first."""

MAX_GROWTH = 8
"""Work may grow so much: a linear function's grows by 4, a quadratic one's by 16."""

STEPS_PER_BYTE = 30
"""The most lines for a byte of input."""

ROUNDS, MAX_ROUNDS = 3, 40
"""How often at least and at most: what else the machine does only adds to a time, so the least counts."""


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage: what that takes, and what it runs, depends on all that the process has."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def count_steps(work: Callable[[], object]) -> int:
    """Count the lines of Python that a piece of work runs."""
    steps = 0

    def trace(_frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return trace

    before = sys.gettrace()
    with no_collection():
        sys.settrace(trace)
        try:
            work()
        finally:
            sys.settrace(before)
    return steps


def cpu_seconds(work: Callable[[], object], enough: float = float("inf"), rounds: int = ROUNDS) -> float:
    """Give the CPU time of this thread for a piece of work: the least of several rounds.

    Parameters
    ----------
    work
        What to do.
    enough
        A piece of work is repeated more often until it took no longer than this, unless it is a long one.
    rounds
        How often at least; 1 is enough for what only has to be below its bound.
    """
    least = float("inf")
    with no_collection():
        for number in range(MAX_ROUNDS):
            before = time.thread_time()
            work()
            least = min(least, time.thread_time() - before)
            if number + 1 >= rounds and (least <= enough or (number + 1 >= ROUNDS and least > 0.1)):
                break
    return least


@cache
def loop_seconds(length: int) -> float:
    """Give the CPU time of a plain loop over so many bytes."""

    def loop(data: bytes) -> None:
        for _ in data:
            pass

    return cpu_seconds(partial(loop, bytes(length)))


def check_linear(
    work: Callable[[bytes], object], unit: bytes, size: int, *, begin: bytes = b"", end: bytes = b""
) -> None:
    """Fail if the cost of a function grows faster than its input, up to its own limit.

    Parameters
    ----------
    work
        Takes the input; an error of its own counts as an answer.
    unit
        What the input is made of, again and again.
    size
        The largest input that it is given, in bytes.
    begin, end
        What stands around that.
    """

    def make(length: int) -> bytes:
        return begin + unit * max(1, (length - len(begin) - len(end)) // len(unit)) + end

    small = min(size // GROWTH, 512)
    counted = [count_steps(partial(work, make(length))) for length in (small, small * GROWTH)]
    assert counted[1] <= MAX_GROWTH * counted[0] + 200, f"steps: {counted}"
    assert counted[1] <= STEPS_PER_BYTE * small * GROWTH + 1000, f"steps: {counted}"
    # From below, so that what grows too fast is found before it takes minutes.
    sizes = [size]
    while sizes[0] > 4096:
        sizes.insert(0, sizes[0] // GROWTH)
    before = float("inf")
    for length in sizes:
        data = make(length)
        bound = MAX_GROWTH * before + 4 * loop_seconds(len(data))
        # The least of several is what the next size is compared with; the last has to be below its bound, and
        # is measured again where it is not: what else the machine does only adds to a time.
        took = cpu_seconds(partial(work, data), bound, ROUNDS if length < size else 1)
        if took > bound:
            took = min(took, cpu_seconds(partial(work, data), bound, ROUNDS))
        assert took <= bound, f"CPU seconds for {length} bytes: {took}, for a quarter: {before}"
        before = took
