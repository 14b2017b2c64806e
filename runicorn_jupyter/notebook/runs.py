"""The runs of all servers as a pandas DataFrame."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from IPython.core.error import UsageError
from pandas.plotting import PlotAccessor

from runicorn_jupyter.notebook.results import html_table, plain

__all__ = ["STATUSES", "RunTable", "chosen", "param_column", "parse_since", "run_table"]

STATUSES = ["running", "finished", "failed", "interrupted"]
"""Of a run, in the order of its life."""
_AGO = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
_SHOWN_ROWS = 60
"""Rows that the table in an output shows; pandas' own default for `display.max_rows`."""

_SHOWN = ["name", "status", "host", "env_name", "path", "created_at", "duration", "step"]
"""What the table in an output shows before the metrics; the rest is there for code."""

_LINK = (
    "border:0;padding:0;background:none;font:inherit;cursor:pointer;text-decoration:underline;"
    "text-align:left;margin:0;"
    "color:var(--jp-content-link-color,#1565c0)"
)

_COORDINATES = "runicorn_viewers"
"""The key of `DataFrame.attrs` with which viewer each connection holds, for the links."""


class RunPlotting(PlotAccessor):  # type: ignore[misc]  # pandas has no types
    """``runs.plot(…)``: pandas' charts of the table, or curves of what its runs have logged."""

    def __call__(self, *args: Any, live: bool | None = None, **kwargs: Any) -> Any:
        """Draw the metrics of the table's runs, or what pandas draws.

        Parameters
        ----------
        *args
            With ``live``, the names of metrics, one chart each; else what pandas takes.
        live
            True: curves that grow as the runs log. False: the same as a still. Without it, pandas draws.
        **kwargs
            What pandas takes.
        """
        if live is None:
            return super().__call__(*args, **kwargs)
        from runicorn_jupyter.notebook.curves import plot_table  # noqa: PLC0415 - altair is slow, and an extra

        return plot_table(self._parent, [str(name) for name in args], live=live)


class RunTable(pd.DataFrame):  # type: ignore[misc]  # pandas has no types
    """Runs, one a row; in JupyterLab and Notebook 7 each name opens that run's page in its viewer."""

    @property
    def plot(self) -> RunPlotting:
        """Charts: pandas' own, and with ``live=`` the curves of the runs' metrics."""
        return RunPlotting(self)

    @property
    def _constructor(self) -> Callable[..., RunTable]:
        return RunTable  # so that a selection of rows keeps its links

    def _repr_html_(self) -> str | None:
        if not {"name", "run_id", "connection_id", "page"} <= set(self.columns):
            plain_table: str | None = super()._repr_html_()
            return plain_table
        known = [*_SHOWN, "tags", "run_id", "connection_id", "project", "remote_root", "page"]
        known += ["started_at", "ended_at"]
        names = [c for c in _SHOWN if c in self.columns] + [c for c in self.columns if c not in known]
        rows, links = [], []
        for _, row in self.head(_SHOWN_ROWS).iterrows():
            rows.append([_text(row[name]) for name in names])
            links.append(self._link(row))
        heads = [f"{name} ({_zone()})" if name == "created_at" else str(name) for name in names]
        table = html_table(heads, rows, links=links)
        more = f", the first {_SHOWN_ROWS} shown" if len(self) > _SHOWN_ROWS else ""
        return f"{table}<p>{len(self)} run{'' if len(self) == 1 else 's'}{more}</p>"

    def _link(self, row: Mapping[str, Any]) -> str | None:
        """Make the opening tag of what opens a run's page: by our front end, for a URL would be a secret."""
        viewer = self.attrs.get(_COORDINATES, {}).get(row["connection_id"])
        if viewer is None:
            return None
        arguments = html.escape(json.dumps({**viewer, "fragment": f"#!{row['page']}"}), quote=True)
        return (
            f'<button type="button" style="{_LINK}" title="Open this run\'s page" '
            f'data-commandlinker-command="runicorn:open-viewer" data-commandlinker-args="{arguments}">'
        )


def run_table(
    runs: Sequence[Mapping[str, Any]],
    connections: Iterable[Mapping[str, Any]],
    metrics: Sequence[str] | None = None,
    *,
    params: bool = False,
) -> RunTable:
    """Make the table.

    Parameters
    ----------
    runs
        As ``client.list_runs()`` gives them.
    connections
        As ``client.list_connections()`` gives them.
    metrics
        Which to make columns; default: all that any of the runs has.
    params
        Whether to make a column ``params.NAME`` of each parameter, of the type that its values have.

    Returns
    -------
    RunTable
        A row a run, in the given order. Times are in UTC, ``duration`` is a timedelta, ``step`` a nullable
        integer, each metric a column of floats: NaN where a run has none. A metric with the name of another
        column is called ``NAME (metric)``. Text that hides or reorders what it says is made visible.
    """
    frame: dict[str, Any] = {name: _strings(runs, name) for name in ("name", "status", "host", "env_name")}
    frame["status"] = pd.Categorical([run["status"] for run in runs], STATUSES)
    frame |= {name: _strings(runs, name) for name in ("path", "project")}
    frame |= {name: _times(runs, name) for name in ("created_at", "started_at", "ended_at")}
    frame["duration"] = pd.to_timedelta([run["duration_seconds"] for run in runs], unit="s")
    frame["step"] = pd.array([run["step"] for run in runs], dtype="Int64")
    tail: dict[str, Any] = {"tags": [[plain(tag) for tag in run["tags"]] for run in runs]}
    tail |= {name: _strings(runs, name) for name in ("run_id", "connection_id", "remote_root", "page")}
    found = metrics if metrics is not None else dict.fromkeys(n for run in runs for n in run["metrics"])
    for name in found:
        column = plain(name)
        values = [float(run["metrics"].get(name, "nan")) for run in runs]
        frame[f"{column} (metric)" if column in {*frame, *tail} else column] = values
    if params:
        for name in dict.fromkeys(name for run in runs for name in run["params"]):
            frame[f"params.{plain(name)}"] = param_column([run["params"].get(name) for run in runs])
    made = RunTable(frame | tail)
    made.attrs[_COORDINATES] = {
        entry["connection_id"]: {
            "host": entry["host"],
            "port": entry["port"],
            "username": entry["username"],
            "env_name": entry["viewer"]["env_name"],
            "remote_root": entry["viewer"]["remote_root"],
        }
        for entry in connections
        if entry.get("viewer")
    }
    return made


def param_column(values: Sequence[Any]) -> Any:
    """Make a column of a parameter's values, of the narrowest type that all of them have.

    Parameters
    ----------
    values
        Numbers, booleans, texts; None where there is none.

    Returns
    -------
    pandas array
        Of booleans, whole numbers or texts (NA where there is none), of floats (NaN), or of mixed objects.
    """
    kinds = {type(value) for value in values if value is not None}
    texts = {value for value in values if isinstance(value, str)}
    if kinds and kinds <= {int, float, str} and texts <= _NOT_FINITE and kinds != {int}:
        return pd.array([float("nan" if value is None else value) for value in values], dtype="float64")
    plain_values = [plain(value) if isinstance(value, str) else value for value in values]
    names = {bool: "boolean", int: "Int64", str: "string"}
    return pd.array(plain_values, dtype=names.get(kinds.pop(), "object") if len(kinds) == 1 else "object")


def chosen(runs: Sequence[Mapping[str, Any]], names: Iterable[str]) -> list[Mapping[str, Any]]:
    """Find the runs that a person means.

    Parameters
    ----------
    runs
        As ``client.list_runs()`` gives them.
    names
        An id, a name or a path each.

    Raises
    ------
    UsageError
        There is none, or there are several of that name.
    """
    result = []
    for name in names:
        found: list[Mapping[str, Any]] = []
        for key in ("run_id", "name", "path"):
            found = found or [run for run in runs if run[key] == name]
        if not found:
            raise UsageError(f"No run is called {plain(name)}; %runicorn_runs lists them all.")
        if len(found) > 1:
            ids = ", ".join(f"{plain(run['run_id'])} on {plain(run['host'])}" for run in found[:5])
            raise UsageError(f"Several runs are called {plain(name)}; say which by its id: {ids}.")
        result += found
    return result


def parse_since(text: str) -> datetime:
    """Read a time as people say it.

    Parameters
    ----------
    text
        ``30m``, ``12h``, ``7d`` or ``2w`` ago, or a date with or without a time; without a zone it is local.

    Raises
    ------
    UsageError
        It is none of these.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError) as exc:
        raise UsageError(
            f"--since takes 30m, 12h, 7d, 2w, or a date like 2026-11-24, not {plain(text)}."
        ) from exc


def _zone() -> str:
    """Name the zone of the times that a table shows: the kernel's."""
    return f"UTC{datetime.now().astimezone():%z}"


def _strings(runs: Sequence[Mapping[str, Any]], name: str) -> Any:
    texts = [None if run[name] is None else plain(run[name]) for run in runs]
    return pd.array(texts, dtype="string")


def _times(runs: Sequence[Mapping[str, Any]], name: str) -> Any:
    return pd.to_datetime([run[name] for run in runs], utc=True, format="ISO8601")


def _text(value: Any) -> str:
    """Say a cell's value in a few characters."""
    if not isinstance(value, list) and pd.isna(value):
        return "–"
    if isinstance(value, pd.Timestamp):
        return f"{value.to_pydatetime(warn=False).astimezone():%Y-%m-%d %H:%M:%S}"  # the reader's own clock
    if isinstance(value, pd.Timedelta):
        return str(value.round("s")).removeprefix("0 days ")
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
