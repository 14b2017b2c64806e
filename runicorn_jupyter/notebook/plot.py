"""Metrics of several runs in one chart, which JupyterLab and VS Code draw without asking the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from runicorn_jupyter.notebook.results import plain, text_table

__all__ = ["VEGA_LITE", "RunPlot", "points_each"]

VEGA_LITE = "application/vnd.vegalite.v5+json"
"""JupyterLab 4, Notebook 7 and VS Code draw Vega-Lite 5."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
"""A name that says the version; nothing is fetched from there."""

_POINTS = 5000
"""Points of one output at most: they end up in the notebook's file, and take some 20 bytes each."""


def points_each(count: int) -> int:
    """Say how many points of each line one output has room for.

    Parameters
    ----------
    count
        How many lines.
    """
    return max(2, min(1000, _POINTS // max(1, count)))


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
        self.chart = self.titled()

    def titled(self, subtitle: str = "") -> Any:
        """Make the Altair chart.

        Parameters
        ----------
        subtitle
            Stands below the name of each metric.
        """
        charts = [
            _lines(part, str(name), subtitle, f"zoom_{number}")
            for number, (name, part) in enumerate(self.data.groupby("metric"))
        ]
        return charts[0] if len(charts) == 1 else alt.vconcat(*charts)

    def vega_lite(self, subtitle: str = "") -> dict[str, Any]:
        """Return the chart as Vega-Lite 5.

        Parameters
        ----------
        subtitle
            Stands below the name of each metric.
        """
        # Altair's own way to show a chart fetches scripts from a CDN; its newest version says Vega-Lite 6,
        # which differs in nothing that is in this chart.
        return {**self.titled(subtitle).to_dict(), "$schema": _SCHEMA}

    def __repr__(self) -> str:
        last = self.data.sort_values("step", kind="stable").groupby(["metric", "run"], sort=False).last()
        rows = [[*key, f"{row.step:g}", f"{row.value:.6g}"] for key, row in last.iterrows()]
        return text_table(["Metric", "Run", "Last step", "Last value"], rows)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        # JupyterLab would prefer HTML, so there is none.
        return {VEGA_LITE: self.vega_lite(), "text/plain": repr(self)}


def _lines(data: Any, metric: str, subtitle: str, zoom: str) -> Any:
    runs = [
        {"run": run, "step": part["step"].tolist(), "value": [float(f"{v:.6g}") for v in part["value"]]}
        for run, part in data.groupby("run", sort=False)
    ]
    title = alt.TitleParams(metric, subtitle=subtitle) if subtitle else metric
    return (
        # Without a name Altair calls the data by its hash, which looks like a secret in the file.
        alt.Chart(alt.InlineData(values=runs, name=metric), width=640, height=280, title=title)
        .transform_flatten(["step", "value"])  # so that a run's name stands there once
        .mark_line()
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            color=alt.Color("run:N", title="run"),
            tooltip=["run:N", "step:Q", "value:Q"],
        )
        .interactive(name=zoom)
    )
