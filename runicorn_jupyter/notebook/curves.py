"""The metrics of some runs as a chart: a still, or one that goes on growing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from IPython.core.error import UsageError

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.notebook.live_plot import LivePlot
from runicorn_jupyter.notebook.plot import RunPlot, points_each
from runicorn_jupyter.notebook.results import labels_of, plain
from runicorn_jupyter.notebook.session import NotebookSession, one_line_errors

__all__ = ["live_plot", "plot_table", "still_plot"]

_MOST_RUNS = 40
"""As many lines as the live charts can tell apart."""
_MOST_METRICS = 4
"""Of the charts that are drawn where nobody says which."""


def still_plot(
    client: RunicornRemoteClient, runs: Sequence[Mapping[str, Any]], metrics: Sequence[str] | None = None
) -> RunPlot:
    """Draw what the runs have logged by now.

    Parameters
    ----------
    client
        A client of the server that has the runs.
    runs
        As ``client.list_runs()`` gives them.
    metrics
        Which to draw; default: all.

    Raises
    ------
    UsageError
        They have logged no such metric.
    """
    points = points_each(len(runs))
    read = [client.run_metrics(run, metrics, points) for run in runs]
    plot = RunPlot(list(zip(labels_of(runs), read, strict=True)))
    if plot.data.empty:
        wanted = f" of {', '.join(metrics)}" if metrics else ""
        raise UsageError(
            f"These runs have logged no values{plain(wanted)}; %runicorn_runs shows their metrics."
        )
    return plot


def live_plot(
    client: RunicornRemoteClient,
    runs: Sequence[Mapping[str, Any]],
    metrics: str | Sequence[str] | None = None,
) -> LivePlot:
    """Draw what the runs log, and go on as they do.

    Parameters
    ----------
    client
        A client of the server that has the runs.
    runs
        As ``client.list_runs()`` gives them: forty at most.
    metrics
        Which to draw, one chart each; default: the first four that the runs have.

    Raises
    ------
    UsageError
        There are no runs, or too many, or no metric is known of them yet.
    """
    if not 0 < len(runs) <= _MOST_RUNS:
        raise UsageError(f"Live curves take 1 to {_MOST_RUNS} runs, and these are {len(runs)}; choose some.")
    wanted = [metrics] if isinstance(metrics, str) else list(metrics or ())
    if not wanted:
        wanted = sorted({name for run in runs for name in run["metrics"]})[:_MOST_METRICS]
    if not wanted:
        raise UsageError("These runs have logged no metric yet; say which to wait for: --metrics loss.")
    # What cannot be read now comes when it can.
    curves = client.read_curves(runs, wanted, points_each(len(runs) * len(wanted)))
    return LivePlot(client, runs, wanted, RunPlot(list(zip(labels_of(runs), curves, strict=True))))


def plot_table(table: Any, metrics: Sequence[str], *, live: bool) -> RunPlot | LivePlot:
    """Draw the metrics of the runs that a table has.

    Parameters
    ----------
    table
        A `RunTable`, or some rows of one.
    metrics
        Which to draw; none: as `live_plot` and `still_plot` choose.
    live
        Whether they go on growing.

    Raises
    ------
    UsageError
        They cannot be drawn; see `live_plot` and `still_plot`.
    """
    with one_line_errors():
        client = NotebookSession().client  # of this kernel's server, as the table's was
        keys = set(zip(table["connection_id"], table["run_id"], strict=True))
        runs = [run for run in client.list_runs() if (run["connection_id"], run["run_id"]) in keys]
        return (live_plot if live else still_plot)(client, runs, list(metrics) or None)
