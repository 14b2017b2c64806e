"""Metrics of several runs in one chart, which JupyterLab and VS Code draw without asking the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from runicorn_jupyter.notebook.results import plain, text_table

__all__ = ["RunPlot", "points_each"]

MIME_TYPE = "application/vnd.vegalite.v5+json"
"""JupyterLab 4, Notebook 7 and VS Code draw Vega-Lite 5."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
"""A name that says the version; nothing is fetched from there."""

_ROWS = 5000
"""Rows of one chart at most, as Altair has it too: they end up in the notebook's file."""


def points_each(count: int) -> int:
    """Say how many steps of each run one chart has room for.

    Parameters
    ----------
    count
        How many runs.
    """
    return max(2, min(1000, _ROWS // max(1, count)))


class RunPlot:
    """Metrics of runs over their steps, one chart a metric, one line a run.

    Attributes
    ----------
    chart
        The Altair chart, to go on with: ``plot.chart.properties(width=900)``.
    data
        What it shows: a DataFrame with ``run``, ``metric``, ``step`` and ``value``.

    Parameters
    ----------
    series
        For each run its label and its metrics, as ``client.run_metrics()`` gives them.
    """

    def __init__(self, series: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        rows = [
            (plain(label), plain(name), step, value)
            for label, metrics in series
            for name, values in metrics["metrics"].items()
            for step, value in zip(metrics["steps"], values, strict=True)
            if value is not None
        ]
        self.data = pd.DataFrame(rows, columns=["run", "metric", "step", "value"])
        charts = [
            _lines(part, str(name), f"zoom_{number}")
            for number, (name, part) in enumerate(self.data.groupby("metric"))
        ]
        self.chart = charts[0] if len(charts) == 1 else alt.vconcat(*charts)

    def __repr__(self) -> str:
        last = self.data.sort_values("step", kind="stable").groupby(["metric", "run"], sort=False).last()
        rows = [[*key, f"{row.step:g}", f"{row.value:.6g}"] for key, row in last.iterrows()]
        return text_table(["Metric", "Run", "Last step", "Last value"], rows)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        # Altair's own way to show a chart fetches scripts from a CDN; its newest version says Vega-Lite 6,
        # which differs in nothing that is in this chart. JupyterLab would prefer HTML, so there is none.
        return {MIME_TYPE: {**self.chart.to_dict(), "$schema": _SCHEMA}, "text/plain": repr(self)}


def _lines(data: Any, metric: str, zoom: str) -> Any:
    # Without a name Altair calls the data by its hash, which looks like a secret to who searches the file.
    named = alt.InlineData(values=data[["run", "step", "value"]].to_dict("records"), name=metric)
    return (
        alt.Chart(named, width=640, height=280, title=metric)
        .mark_line()
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.Color("run:N", title="run"),
            tooltip=["run:N", "step:Q", "value:Q"],
        )
        .interactive(name=zoom)
    )
