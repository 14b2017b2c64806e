"""``python -m benchmarks.compare A B``: lay the ``results.json`` of two machines side by side.

Values of two machines do not compare; what each machine found of us beside its peers does. So ratios to the
main peer stand there, and where there is no peer the values.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import columns

Results = Mapping[str, Mapping[str, Any]]
HEAD = (
    "question",
    "ours in A",
    "ours in B",
    "A, beside the peer",
    "B, beside the peer",
    "to reach",
    "A",
    "B",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 where one machine reached what the other missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    for name in ("A", "B"):
        parser.add_argument(name, type=Path, help="a results.json")
    options = parser.parse_args(arguments)
    one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (options.A, options.B))
    print(side_by_side(one, other))
    return 1 if differing(one, other) else 0


def differing(one: Results, other: Results) -> list[str]:
    """Return the questions whose target only one of two machines has reached."""
    return [
        question
        for question, answer in one.items()
        if question in other and answer["reached"] is not other[question]["reached"]
    ]


def side_by_side(one: Results, other: Results) -> str:
    """Return the answers of two machines as a table; what one was not asked is empty."""
    rows = [HEAD]
    for question in dict.fromkeys([*one, *other]):
        answers = [one.get(question), other.get(question)]
        target = next(answer["target"] for answer in answers if answer)
        rows.append(
            (
                question,
                *(f"{answer['ours']:g} {answer['unit']}" if answer else "" for answer in answers),
                *(_beside(answer) for answer in answers),
                target,
                *(_mark(answer) for answer in answers),
            )
        )
    return columns(rows)


def _beside(answer: Mapping[str, Any] | None) -> str:
    """Return the ratio to the main peer, which is the first."""
    ratio = next(iter(answer["ratio"].values()), None) if answer else None
    return f"{ratio:.2f} ×" if ratio is not None else ""


def _mark(answer: Mapping[str, Any] | None) -> str:
    return {True: "✓", False: "✗", None: ""}[answer["reached"] if answer else None]


if __name__ == "__main__":
    sys.exit(main())
