"""``make bench``: ask every question, or those that are named; print a table, write the results."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import picture
from benchmarks.harness import Answer, missed, table, write_results
from benchmarks.world import World

QUESTIONS = [
    "connecting",
    "detecting",
    "small_answers",
    "downloads",
    "ciphers",
    "latency",
    "stalled",
    "hostile",
    "slow_line",
    "many",
    "reconnects",
    "hub",
    "growth",
    "runs",
    "steps",
    "watched",
    "what_changed",
    "setup",
    "machines",
    "curves",
    "weight",
    "lab_start",
    "load_ext",
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 1 where a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"of {', '.join(QUESTIONS)}")
    options = parser.parse_args(arguments)
    unknown = set(options.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the world orderly
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory(prefix="runicorn-bench-") as folder, World(Path(folder)) as world:
        for name in options.questions or QUESTIONS:
            start = time.monotonic()
            print(f"{name} …", end=" ", flush=True)
            new = importlib.import_module(f"benchmarks.{name}").run(world)
            write_results(new)  # at once: what is interrupted later has still answered this
            answers += new
            print(f"{time.monotonic() - start:.0f} s", flush=True)
    print(f"\n{table(answers)}\n")
    if not options.questions:
        picture.main()
    short = missed(answers)
    if short:
        print("Missed:", *short, sep="\n  ")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
