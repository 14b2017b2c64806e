"""Curves that grow in a widget: what its page asks for, the kernel asks of the Jupyter server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import requests
import traitlets

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from runicorn_jupyter.client.events import RESYNC, Event, event_stream
from runicorn_jupyter.notebook.coalesce import CoalescedTask

__all__ = ["LiveCurves"]

_STATIC = Path(__file__).parents[1] / "static"
_EVENTS = {"run", "runs", "viewer", "connection", "closed", RESYNC}
_SHOWN = ("connection_id", "run_id", "name", "host", "env_name", "status")
_MOST_METRICS = 64
_MOST_POINTS = 50_000

_Key = tuple[str, str]


class LiveCurves(anywidget.AnyWidget):  # type: ignore[misc]  # kept from being checked: see pyproject.toml
    """Charts of runs' metrics that grow as the runs log, for every front end that shows widgets.

    The page says when somebody looks and asks for what is new; while nobody does, nothing is asked. Its
    state holds names, ids and states of runs, and no address or key.

    Parameters
    ----------
    client
        A client of the server that has the runs; others like it are made for the widget's threads.
    runs
        As ``client.list_runs()`` gives them.
    metrics
        Which to draw, one chart each.
    """

    _esm = _STATIC / "curves.js"
    _css = _STATIC / "curves.css"
    runs: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    metrics = traitlets.List(traitlets.Unicode()).tag(sync=True)
    offered = traitlets.List(traitlets.Unicode()).tag(sync=True)
    problems: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    _unsubscribe: Callable[[], None] | None = None
    _refresh: CoalescedTask | None = None

    def __init__(
        self, client: RunicornRemoteClient, runs: Sequence[Mapping[str, Any]], metrics: Sequence[str]
    ) -> None:
        self._server, self._cookies = client.server, client.session.cookies
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._version: str | None = None
        shown = [_shown(run, 0) for run in runs]
        offered = sorted({name for run in runs for name in run["metrics"]})
        super().__init__(runs=shown, metrics=list(metrics), offered=offered)
        self.on_msg(self._take)

    def __repr__(self) -> str:
        return "LiveCurves()"  # it is saved with the notebook, and ipywidgets' own shows every field

    def close(self) -> None:
        """Take the widget away, and follow its runs no more."""
        with self._lock:
            self._seen.clear()
        self._follow()
        if self._refresh is not None:
            self._refresh.stop()
            self._refresh = None
        super().close()

    def _client(self) -> RunicornRemoteClient:
        return RunicornRemoteClient.for_server(self._server, cookies=self._cookies)

    # -- what the page says --------------------------------------------------------------------------

    def _take(self, _widget: object, content: Any, _buffers: object) -> None:
        """Take a message of the page."""
        kind = content.get("kind") if isinstance(content, dict) else None
        if kind == "look":
            with self._lock:
                (self._seen.add if content.get("seen") else self._seen.discard)(str(content.get("view")))
            self._follow()
        elif kind == "read":
            # The kernel's own thread is for cells.
            threading.Thread(target=self._read, args=(content,), daemon=True, name="runicorn-curves").start()

    def _follow(self) -> None:
        """Follow the runs as long as somebody looks at a view."""
        with self._lock:
            is_seen, unsubscribe = bool(self._seen), self._unsubscribe
            if is_seen and unsubscribe is None:
                self._refresh = self._refresh or CoalescedTask(self._read_runs)
                self._unsubscribe = event_stream(self._server).subscribe(self._heard)
                self._refresh.ask()
            elif not is_seen and unsubscribe is not None:
                unsubscribe()
                self._unsubscribe = None

    def _heard(self, event: Event) -> None:
        """Take an event, on the events' thread."""
        refresh = self._refresh
        if event.get("type") in _EVENTS and refresh is not None:
            refresh.ask()

    def _read(self, asked: dict[str, Any]) -> None:
        """Read curves, and answer the page."""
        answer: dict[str, Any] = {"kind": "answer", "id": asked.get("id")}
        try:
            with self._client() as client:
                curves = client.read_curves(*self._wanted(asked))
            answer["answer"] = {"success": True, "runs": curves}
        except ApiError as exc:
            answer["error"] = {"code": exc.code, "message": exc.message}
        except requests.RequestException as exc:
            answer["error"] = {"code": "server_unreachable", "message": str(exc)}
        except (KeyError, TypeError, ValueError) as exc:
            answer["error"] = {"code": "invalid_parameters", "message": f"No question for curves: {exc!r}."}
        self.send(answer)

    def _wanted(self, asked: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str], int]:
        """Return what the page may ask for: runs of this widget."""
        own = {_key(run) for run in self.runs}
        runs = [dict(run) for run in asked["runs"]]
        if not all(_key(run) in own for run in runs):
            raise ValueError("a run that is not this widget's")
        names = [str(name) for name in asked["names"]][:_MOST_METRICS]
        return runs, names, max(2, min(int(asked["points"]), _MOST_POINTS))

    # -- what the server says ------------------------------------------------------------------------

    def _read_runs(self) -> None:
        """Read what changed of the runs, and tell the page."""
        try:
            with self._client() as client:
                answer = client.read_runs(changed_since=self._version, **self._filters())
        except requests.RequestException as exc:
            code = exc.code if isinstance(exc, ApiError) else "server_unreachable"
            self.problems = [
                {"connection": ident, "host": host, "code": code, "as_of": None}
                for ident, host in self._hosts().items()
            ]
            return
        self._version = answer["version"]
        changed = {_key(run): run for run in answer["runs"]}
        with self.hold_sync():
            self.problems = _problems(self._hosts(), answer["servers"])
            if any(_key(run) in changed for run in self.runs):
                self.runs = [
                    _shown(changed[_key(run)], run["change"] + 1) if _key(run) in changed else run
                    for run in self.runs
                ]
                own = [changed[_key(run)] for run in self.runs if _key(run) in changed]
                self.offered = sorted({*self.offered, *(name for run in own for name in run["metrics"])})

    def _filters(self) -> dict[str, str]:
        """Return what keeps the list short: the one run, or the one connection."""
        connections = {run["connection_id"] for run in self.runs}
        filters = {"connection_id": next(iter(connections))} if len(connections) == 1 else {}
        return {**filters, "run_id": self.runs[0]["run_id"]} if len(self.runs) == 1 else filters

    def _hosts(self) -> dict[str, str]:
        return {run["connection_id"]: run["host"] for run in self.runs}


def _key(run: Mapping[str, Any]) -> _Key:
    return run["connection_id"], run["run_id"]


def _shown(run: Mapping[str, Any], change: int) -> dict[str, Any]:
    """Return what the page is told of a run; a greater ``change`` is why it asks for what is new."""
    return {**{name: run[name] for name in _SHOWN}, "change": change}


def _problems(hosts: Mapping[str, str], servers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return why what is known of the runs of some connections is not current."""
    known = {server["connection_id"]: server for server in servers}
    found = []
    for ident, host in hosts.items():
        server = known.get(ident)
        error = {"code": "viewer_not_running"} if server is None else server["error"]
        if error is not None:
            as_of = None if server is None else server["as_of"]
            found.append({"connection": ident, "host": host, "code": error["code"], "as_of": as_of})
    return found
