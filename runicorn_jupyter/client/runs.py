"""The client's part for runs: listing, waiting, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

from runicorn_jupyter.client.http import ServerClient

__all__ = ["RunsClient", "still_reading"]

_RUNS_A_PAGE = 2000

_WAIT_SECONDS = 50.0
"""Of one request that waits: less than proxies let a silent connection live (nginx: 60 s)."""

_COMPLETE_SECONDS = 30.0
"""How long `list_runs` waits for viewers that still take up their runs."""

Server = dict[str, Any]


def still_reading(servers: Iterable[Server]) -> list[Server]:
    """Choose the viewers that still take up their runs, so that the list will grow.

    Parameters
    ----------
    servers
        As `RunsClient.list_run_servers` gives them; one with an ``error`` is not waited for.
    """
    return [server for server in servers if not (server.get("complete", True) or server["error"])]


class RunsClient(ServerClient):
    """Calls about the runs of all viewers that the server's connections hold."""

    def list_runs(
        self,
        *,
        complete_within: float = _COMPLETE_SECONDS,
        on_progress: Callable[[list[Server]], object] | None = None,
        **filters: Any,
    ) -> list[dict[str, Any]]:
        """List the runs of all viewers, newest first.

        A viewer that has just started takes up its runs one by one; that is waited for.

        Parameters
        ----------
        complete_within
            Seconds to wait at most for viewers that still take up their runs; 0 lists what is there.
        on_progress
            Called with those viewers, as `list_run_servers` gives them, each time that there is more.
        **filters
            ``connection_id``, ``run_id``, ``status`` (several with commas between), ``path`` (or below it),
            ``project``, ``text`` (words), ``since`` (a ``datetime`` with a zone, or RFC 3339), ``where`` (a
            condition, see ``docs/comparing.md``). With ``sort``, like ``-metric.loss``, it is in that order.

        Returns
        -------
        list of dict
            As ``docs/runs.md`` shows them. A server that cannot be reached is there with what was last known.
            `list_run_servers` says which viewers are not ``complete`` even then.
        """
        query = _query_of(filters)
        answer = self._call("GET", "runs", params=query)
        if complete_within > 0 and still_reading(answer["servers"]):
            place = {name: filters[name] for name in ("connection_id",) if name in filters}
            self._wait_complete(place, answer, complete_within, on_progress)
            answer = self._call("GET", "runs", params=query)
        return self._runs_of_all_pages(query, answer)

    def read_runs(self, *, changed_since: str | None = None, **filters: Any) -> dict[str, Any]:
        """Read the runs of all viewers, or what changed of them.

        Parameters
        ----------
        changed_since
            The ``version`` of an earlier answer with the same filters: only what is new or different comes.
        **filters
            As in `list_runs`.

        Returns
        -------
        dict
            With ``runs`` of all pages, ``removed``, ``reset`` (begin again with this answer), ``version`` and
            ``servers``.
        """
        query = _query_of(filters)
        first = {} if changed_since is None else {"changed_since": changed_since}
        answer = self._call("GET", "runs", params={**query, **first})
        return {**answer, "runs": self._runs_of_all_pages(query, answer)}

    def _runs_of_all_pages(self, query: dict[str, Any], first: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the runs of a query's first answer, and of the pages after it."""
        runs, cursor = list(first["runs"]), first["next_cursor"]
        while cursor is not None:
            page = self._call("GET", "runs", params={**query, "cursor": cursor})
            runs += page["runs"]
            cursor = page["next_cursor"]
        return runs

    def _wait_complete(
        self,
        place: dict[str, Any],
        answer: dict[str, Any],
        seconds: float,
        on_progress: Callable[[list[Server]], object] | None,
    ) -> None:
        """Wait until the viewers (of one connection, if ``place`` names it) have taken up their runs."""
        end = monotonic() + seconds
        while True:
            wanted = place.get("connection_id")
            reading = [s for s in still_reading(answer["servers"]) if wanted in (None, s["connection_id"])]
            left = end - monotonic()
            if not reading or left <= 0:
                return
            if on_progress is not None:
                on_progress(reading)
            query = {**place, "limit": 1, "changed_since": answer["version"], "wait": left}
            answer = self._call("GET", "runs", params=query, seconds=left + 15)

    def list_run_servers(self) -> list[Server]:
        """List the viewers whose runs `list_runs` gives; one that is not current has an ``error``."""
        servers: list[Server] = self._call("GET", "runs", params={"limit": 1})["servers"]
        return servers

    def run_metrics(
        self,
        run: Mapping[str, Any],
        names: Sequence[str] | None = None,
        points: int = 1000,
        *,
        since_step: int | None = None,
        version: str | None = None,
        x: str = "step",
    ) -> dict[str, Any]:
        """Read metrics of a run over its steps.

        Parameters
        ----------
        run
            One of `list_runs`; its ``connection_id`` and ``run_id`` are what counts.
        names
            Which metrics; default: all.
        points
            Steps at most, 2 to 50000; more are thinned out, and peaks kept.
        since_step
            The last step of an earlier answer; only what is new comes then.
        version
            The ``version`` of that answer: with it, ``reset`` tells that what it had is not so any more.
        x
            ``relative``: ``times`` are seconds since the run's first step; else they are Unix seconds.

        Returns
        -------
        dict
            With ``steps``, ``times`` and ``metrics``: for each name a list of as many numbers, or None at
            steps without.
        """
        params = {"connection_id": run["connection_id"], "run_id": run["run_id"], "points": points}
        given = {"since_step": since_step, "version": version, "x": None if x == "step" else x}
        params.update((name, value) for name, value in given.items() if value is not None)
        if names is not None:
            params["names"] = ",".join(names)
        return self._call("GET", "runs/metrics", params=params)

    def read_curves(
        self,
        runs: Sequence[Mapping[str, Any]],
        names: Sequence[str],
        points: int = 1000,
        *,
        x: str = "step",
    ) -> list[dict[str, Any]]:
        """Read metrics of several runs by one request, or what is new of them.

        Parameters
        ----------
        runs
            One to 100 of `list_runs`; one that has the ``since_step`` and ``version`` of an earlier answer
            too is answered by what is new.
        names
            Which metrics, 1 to 64.
        points
            Steps of each run at most, 2 to 50000; more are thinned out, and peaks kept.
        x
            As in `run_metrics`.

        Returns
        -------
        list of dict
            One a run: as `run_metrics` returns, and ``error``: None, or why it could not be read.
        """
        fields = ("connection_id", "run_id", "since_step", "version")
        keys = [{name: run[name] for name in fields if name in run} for run in runs]
        body = {"runs": keys, "names": list(names), "points": points, "x": x}
        curves: list[dict[str, Any]] = self._call("POST", "runs/curves", json=body)["runs"]
        return curves

    def compare_runs(
        self,
        runs: Sequence[Mapping[str, Any]],
        *,
        baseline: int = 0,
        metrics: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Say what differs between runs: parameters, and how far metrics are from a baseline's.

        Parameters
        ----------
        runs
            Two to 200 of `list_runs`; their ``connection_id`` and ``run_id`` are what counts.
        baseline
            The place of the one that the others are held against.
        metrics
            Which metrics; default: all that any of the runs has.

        Returns
        -------
        dict
            With ``differing`` (``name`` and one of ``values`` a run), ``same`` (how many parameters are) and
            ``metrics`` (``last`` and ``best``: ``values``, ``differences`` and ``percents``, one a run).
        """
        keys = [{"connection_id": run["connection_id"], "run_id": run["run_id"]} for run in runs]
        body = {"runs": keys, "baseline": baseline, "metrics": None if metrics is None else list(metrics)}
        return self._call("POST", "runs/compare", json=body)

    def group_runs(
        self, by: Sequence[str], *, metric: str | None = None, where: str | None = None
    ) -> list[dict[str, Any]]:
        """Put the runs of all viewers with the same values together.

        Parameters
        ----------
        by
            Names of parameters, or others as in a condition; at most 8.
        metric
            The metric of which figures are wanted.
        where
            A condition that the runs have to pass.

        Returns
        -------
        list of dict
            With ``by``, ``count``, ``last`` and ``best`` (``mean``, ``std``, ``min``, ``max`` of the metric's
            last and best values, or None) and ``runs`` (their ids): a thousand at most, in the order of the
            values.
        """
        params = {"by": ",".join(by), "metric": metric, "where": where}
        given = {name: value for name, value in params.items() if value is not None}
        groups: list[dict[str, Any]] = self._call("GET", "runs/groups", params=given)["groups"]
        return groups

    def wait(self, run: str | Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """Wait until a run has ended.

        Parameters
        ----------
        run
            Its id, or one of `list_runs`.
        timeout
            Seconds; default: as long as it takes.

        Returns
        -------
        dict
            The run; its ``status`` is ``finished``, ``failed`` or ``interrupted``.

        Raises
        ------
        TimeoutError
            It has not ended in time.
        LookupError
            No viewer has this run, or no longer.
        """
        end = None if timeout is None else monotonic() + timeout
        names: Mapping[str, Any] = {"run_id": run} if isinstance(run, str) else run
        query = {name: names[name] for name in ("run_id", "connection_id") if name in names}
        answer = self._call("GET", "runs", params=query)
        found = None
        while True:
            found = answer["runs"][-1] if answer["runs"] else found
            held = found is not None and found["connection_id"] in {
                s["connection_id"] for s in answer["servers"]
            }
            lost = not answer["runs"] and (answer["removed"] or answer["reset"])
            if found is None or lost or not held:
                raise LookupError(f"No viewer that is open has the run {query['run_id']}.")
            if found["status"] != "running":
                return dict(found)
            left = _WAIT_SECONDS if end is None else min(_WAIT_SECONDS, end - monotonic())
            if left <= 0:
                raise TimeoutError(f"The run {query['run_id']} has not ended within {timeout} seconds.")
            query |= {
                "connection_id": found["connection_id"],
                "changed_since": answer["version"],
                "wait": left,
            }
            answer = self._call("GET", "runs", params=query, seconds=left + 15)


def _query_of(filters: dict[str, Any]) -> dict[str, Any]:
    """Return the query that asks for a page of the runs that pass filters."""
    since = filters.get("since")
    given = {**filters, "since": since.isoformat()} if isinstance(since, datetime) else filters
    return {**given, "limit": _RUNS_A_PAGE}
