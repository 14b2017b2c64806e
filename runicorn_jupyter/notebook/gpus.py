"""The accelerators of all machines as a pandas DataFrame."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from runicorn_jupyter.notebook.results import NO_MATH, plain

__all__ = ["GpuTable", "gpu_table", "what_is_missing"]

_GIB = 2**30
_FREE_PERCENT = 5.0
"""Of memory and of time; more is somebody's, seen or not."""
_HEAD = ("host", "GPU", "name", "busy", "memory", "°C", "W", "used by")
_BAR = "display:inline-block;width:7em;height:.8em;vertical-align:middle;border-radius:2px"
_BUSY, _EMPTY = "var(--jp-brand-color1,#1976d2)", "var(--jp-layout-color3,#ddd)"


class GpuTable(pd.DataFrame):  # type: ignore[misc]  # pandas has no types
    """Accelerators, one a row: bars in an output, numbers for code. Memory is in bytes."""

    @property
    def _constructor(self) -> Callable[..., GpuTable]:
        return GpuTable

    def _repr_html_(self) -> str | None:
        if not {"host", "index", "used_percent", "memory_used", "users"} <= set(self.columns):
            plain_table: str | None = super()._repr_html_()
            return plain_table
        head = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in _HEAD)
        rows = "".join(_row(row) for _, row in self.iterrows())
        free = int((self["memory_used"] < self["memory_total"] * _FREE_PERCENT / 100).sum())
        text = f"{len(self)} GPU{'' if len(self) == 1 else 's'}, {free} with free memory"
        table = f'<table class="{NO_MATH}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        return f"{table}<p>{text}</p>"


def gpu_table(
    machines: Iterable[Mapping[str, Any]], runs: Mapping[tuple[str, str], Mapping[str, Any]]
) -> GpuTable:
    """Make the table.

    Parameters
    ----------
    machines
        As ``client.list_machines()`` gives them.
    runs
        The known runs by the ids of their connection and of themselves.

    Returns
    -------
    GpuTable
        A row an accelerator. ``users`` are the accounts of its processes, ``runs`` the ids of the runs that
        these belong to. What is not known is NA.
    """
    rows = [
        {
            "host": plain(machine["host"]),
            "index": gpu["index"],
            "name": gpu["name"] and plain(gpu["name"]),
            "vendor": gpu["vendor"],
            "used_percent": gpu["used_percent"],
            "memory_used": gpu["memory_used"],
            "memory_total": gpu["memory_total"],
            "temperature_c": gpu["temperature_c"],
            "power_w": gpu["power_w"],
            "users": [_who(process, runs) for process in gpu["processes"]],
            "runs": [process["run"]["run_id"] for process in gpu["processes"] if process["run"]],
            "uuid": gpu["uuid"],
            "connection_id": machine["connection_id"],
        }
        for machine in machines
        for gpu in machine["gpus"] or ()
    ]
    numbers = {"used_percent": "Float64", "temperature_c": "Float64", "power_w": "Float64"}
    types = {"index": "Int64", "memory_used": "Int64", "memory_total": "Int64", **numbers}
    columns = ["host", "index", "name", "vendor", "used_percent", "memory_used", "memory_total"]
    columns += ["temperature_c", "power_w", "users", "runs", "uuid", "connection_id"]
    return GpuTable(pd.DataFrame(rows, columns=columns).astype(types))


def what_is_missing(machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what the table does not hold, and why.

    Parameters
    ----------
    machines
        As ``client.list_machines()`` gives them.
    """
    if not machines:
        return ["Nothing is connected, so there are no GPUs; %runicorn_connect HOST connects."]
    notes = []
    for machine in machines:
        if machine["error"]:
            notes.append(machine["error"]["message"])
        elif machine["gpus"] is None:
            notes.append(f"{machine['host']} has not said yet which GPUs it has; run the cell again.")
        elif not machine["gpus"]:
            notes.append(f"{machine['host']} has no GPU that this account can see.")
    return notes


def _who(process: Mapping[str, Any], runs: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Say whose a process is: the run's name, or else the account."""
    who = "you" if process["mine"] else plain(process["user"] or "someone")
    if process["run"] is not None:
        key = (process["run"]["connection_id"], process["run"]["run_id"])
        run = runs.get(key)
        return f"{who}: {plain(run['name'] if run and run['name'] else key[1])}"
    return who


def _row(row: Mapping[str, Any]) -> str:
    used, total = row["memory_used"], row["memory_total"]
    share = None if pd.isna(used) or pd.isna(total) or not total else 100 * used / total
    memory = "–" if pd.isna(used) or pd.isna(total) else f"{used / _GIB:.1f} of {total / _GIB:.0f} GiB"
    busy = None if pd.isna(row["used_percent"]) else float(row["used_percent"])
    cells = [
        html.escape(plain(row["host"])),
        f"{row['index']}",
        html.escape(plain(row["name"])),
        _bar(busy, "–" if busy is None else f"{busy:.0f} %"),
        _bar(share, memory),
        "–" if pd.isna(row["temperature_c"]) else f"{row['temperature_c']:.0f}",
        "–" if pd.isna(row["power_w"]) else f"{row['power_w']:.0f}",
        html.escape(", ".join(dict.fromkeys(row["users"])) or _unused(share, busy)),
    ]
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"


def _unused(share: float | None, busy: float | None) -> str:
    """Say of an accelerator without processes whether it is free: a server may hide them."""
    shares = [each for each in (share, busy) if each is not None]
    if not shares:
        return "–"
    return "free" if max(shares) < _FREE_PERCENT else "in use"


def _bar(percent: float | None, text: str) -> str:
    """Draw a share; the text beside it says the same to who cannot see it."""
    if percent is None:
        return html.escape(text)
    filled = min(100.0, max(0.0, percent))
    style = f"{_BAR};background:linear-gradient(to right,{_BUSY} {filled:.0f}%,{_EMPTY} {filled:.0f}%)"
    return f'<span style="{style}"></span> {html.escape(text)}'
