"""One picture of what the benchmarks measured, for the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.harness import RESULTS
from benchmarks.world import INTERACTIVE

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "benchmarks.svg"
OURS_COLOUR, PEER_COLOUR = "#2f7ed8", "#9aa5b1"

# (question, peer, what to write)
_BARS = (
    ("connect + start + first answer", "ssh -L + runicorn viewer", "a viewer, cold\nvs. ssh -L by hand"),
    (
        "connect + start, against upstream's remote API",
        "runicorn 0.7.2's own",
        "a viewer, cold\nvs. runicorn's remote API",
    ),
    ("connect + adopt + first answer", "ssh -L to a running one", "a viewer that runs\nvs. ssh -L"),
    ("one small answer, p50", INTERACTIVE, "one small answer\nvs. ssh -L"),
    ("download of 64 MiB, 8 streams", "jupyter-server-proxy", "8 downloads\nvs. jupyter-server-proxy"),
    ("download of 64 MiB, 8 streams", "ssh -L", "8 downloads\nvs. ssh -L"),
    (
        "run list usable, slow line (50 ms, 20 Mbit/s), first visit",
        "ssh -L",
        "page over 50 ms, 20 Mbit/s\nvs. ssh -L",
    ),
    ("the same, second visit", "ssh -L, first visit", "the same, second visit\nvs. ssh -L, first"),
    ("open 100 connections, 8 at once", "100 × ssh -N", "100 connections\nvs. 100 × ssh -N"),
)
# (title, unit, where questions begin, where they end, of what the number between is, logarithmic)
_CURVES = (
    ("The list of runs", "list of ", " runs", "runs"),
    ("Downloads at once", "download of 8 MiB, ", " at once", "streams"),
    ("Opening one of so many connections", "open one of ", " connections", "connections"),
)


def times_as_fast(answer: dict[str, Any], peer: str) -> float:
    """Return how many times as fast we are, or as much, whichever way is better."""
    ratio: float = answer["ratio"][peer]
    return ratio if answer["better"] == "higher" else 1 / ratio


def points(results: dict[str, Any], start: str, end: str) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of the questions that differ in a number only, by who was measured."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for question, answer in results.items():
        number = question.removeprefix(start).removesuffix(end).replace(",", "")
        if question.startswith(start) and question.endswith(end) and number.isdecimal():
            for name, value in {"ours": answer["ours"], **answer["peers"]}.items():
                curves.setdefault(name, []).append((int(number), value))
    return {name: sorted(curve) for name, curve in curves.items()}


def draw(results: dict[str, Any], path: Path = PICTURE) -> None:
    """Draw what was measured into an SVG file.

    Parameters
    ----------
    results
        As ``results.json`` has them; what was not asked is left out.
    path
        Where to.
    """
    with rc_context({"svg.hashsalt": "runicorn-jupyter", "svg.fonttype": "none", "font.size": 9}):
        figure = _figure(results)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def _figure(results: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    grid = figure.add_gridspec(len(_CURVES), 2, width_ratios=(1.25, 1))
    _draw_bars(figure.add_subplot(grid[:, 0]), results)
    for number, (title, start, end, unit) in enumerate(_CURVES):
        axes = figure.add_subplot(grid[number, 1])
        answer = next((one for name, one in results.items() if name.startswith(start)), None)
        for name, curve in points(results, start, end).items():
            colour = OURS_COLOUR if name == "ours" else PEER_COLOUR
            axes.plot(*zip(*curve, strict=True), marker="o", color=colour, label=name)
        axes.set(xscale="log", ylim=(0, None), title=title, xlabel=unit)
        axes.set_ylabel(answer["unit"] if answer else "")
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_bars(axes: Any, results: dict[str, Any]) -> None:
    bars = [(text, times_as_fast(results[name], peer)) for name, peer, text in _BARS if name in results]
    names, values = [text for text, _ in bars], [value for _, value in bars]
    axes.barh(names, values, color=[OURS_COLOUR if value >= 1 else "#d8702f" for value in values])
    axes.axvline(1, color=PEER_COLOUR, linewidth=1)
    for number, value in enumerate(values):
        axes.text(value, number, f" {value:.2g} ×", va="center")
    axes.set(
        xscale="log", title="How many times as fast as the peer", xlim=(None, 3 * max(values, default=1))
    )
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Draw what ``results.json`` has."""
    draw(json.loads(RESULTS.read_text(encoding="utf-8")))
    print(f"drawn: {PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE}")


if __name__ == "__main__":
    main()
