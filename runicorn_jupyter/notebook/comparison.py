"""Runs beside each other as pandas DataFrames: what differs between some, and groups of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from runicorn_jupyter.notebook.results import html_table, plain
from runicorn_jupyter.notebook.runs import param_column

__all__ = ["RunComparison", "comparison_table", "group_table"]

_FIGURES = ("count", "mean", "std", "min", "max")


class RunComparison(pd.DataFrame):  # type: ignore[misc]  # pandas has no types
    """What differs between runs: a column each, and rows by a kind (``param``, ``metric``, …) and a name."""

    @property
    def _constructor(self) -> Callable[..., RunComparison]:
        return RunComparison

    def _repr_html_(self) -> str | None:
        if self.index.nlevels != 2:
            plain_table: str | None = super()._repr_html_()
            return plain_table
        rows = [
            [*map(str, index), *map(_text, row)] for index, row in zip(self.index, self.values, strict=True)
        ]
        headers = ["", "", *map(str, self.columns)]
        return html_table(headers, rows) + "".join(f"<p>{line}</p>" for line in self._notes())

    def _notes(self) -> list[str]:
        notes = []
        if "same" in self.attrs:
            notes.append(f"{self.attrs['same']} more parameters are the same in all.")
        if self.attrs.get("left_out"):
            notes.append("Some parameters are left out of what is known of these runs, and not compared.")
        return notes


def comparison_table(labels: Sequence[str], answer: Mapping[str, Any]) -> RunComparison:
    """Make the table of a comparison.

    Parameters
    ----------
    labels
        What to call the runs.
    answer
        As ``client.compare_runs()`` gives it.

    Returns
    -------
    RunComparison
        First the parameters that differ (None where a run has none), the fingerprints of the code that was
        kept (``code``, ``snapshot``) if they differ, then of each metric the last values
        (``metric``), how far they are from the baseline's (``difference``, ``percent``), and the best ones
        (``best``) where there are any. ``attrs`` has ``same``, ``baseline`` and ``left_out``.
    """
    rows: dict[tuple[str, str], list[Any]] = {}
    for found in answer["differing"]:
        rows["param", plain(found["name"])] = [_plain(value) for value in found["values"]]
    if len(set(answer["code_snapshots"])) > 1:
        rows["code", "snapshot"] = [_plain(value) for value in answer["code_snapshots"]]
    for metric in answer["metrics"]:
        name, last, best = plain(metric["name"]), metric["last"], metric["best"]
        rows["metric", name] = [_number(value) for value in last["values"]]
        rows["difference", name] = [_number(value) for value in last["differences"]]
        rows["percent", name] = [_number(value) for value in last["percents"]]
        if any(value is not None for value in best["values"]):
            rows["best", name] = [_number(value) for value in best["values"]]
    index = pd.MultiIndex.from_arrays(
        [[kind for kind, _ in rows], [name for _, name in rows]], names=["kind", "name"]
    )
    table = RunComparison(
        list(rows.values()), index=index, columns=[plain(each) for each in labels], dtype=object
    )
    table.attrs |= {
        "same": answer["same"],
        "baseline": table.columns[answer["baseline"]],
        "left_out": any(count != 0 for count in answer["params_left_out"]),
    }
    return table


def group_table(names: Sequence[str], groups: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the table of groups.

    Parameters
    ----------
    names
        What the runs are grouped by.
    groups
        As ``client.group_runs()`` gives them.

    Returns
    -------
    pandas.DataFrame
        A group a row: a column for each name, ``runs`` (how many), and of the metric's last and best values
        ``last.mean``, ``last.std``, ``last.min``, ``last.max``, ``last.count`` and so on, NaN where there are
        none.
    """
    frame: dict[str, Any] = {
        plain(name): param_column([group["by"][name] for group in groups]) for name in names
    }
    frame["runs"] = [group["count"] for group in groups]
    for kind in ("last", "best"):
        if any(group[kind] is not None for group in groups):
            for figure in _FIGURES:
                values = [(group[kind] or {}).get(figure) for group in groups]
                frame[f"{kind}.{figure}"] = (
                    pd.array(values, dtype="Int64")
                    if figure == "count"
                    else [_number(value) for value in values]
                )
    return pd.DataFrame(frame)


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, str) else value


def _number(value: Any) -> float:
    return float("nan" if value is None else value)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
