"""The client's part for runs: listing, waiting, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from time import monotonic
from typing import Any

from runicorn_jupyter.client_http import ServerClient

__all__ = ["RunsClient"]

_RUNS_A_PAGE = 2000

_WAIT_SECONDS = 50.0
"""Of one request that waits: less than proxies let a silent connection live (nginx: 60 s)."""


class RunsClient(ServerClient):
    """Calls about the runs of all viewers that the server's connections hold."""

    def list_runs(self, **filters: Any) -> list[dict[str, Any]]:
        """List the runs of all viewers, newest first.

        Parameters
        ----------
        **filters
            ``connection_id``, ``run_id``, ``status`` (several with commas between), ``path`` (or below it),
            ``project``, ``text`` (words), ``since`` (a ``datetime`` with a zone, or RFC 3339).

        Returns
        -------
        list of dict
            As ``docs/runs.md`` shows them. A server that cannot be reached is there with what was last known.
        """
        since = filters.get("since")
        if isinstance(since, datetime):
            filters["since"] = since.isoformat()
        return [run for page in self._run_pages(filters) for run in page]

    def list_run_servers(self) -> list[dict[str, Any]]:
        """List the viewers whose runs `list_runs` gives; one that is not current has an ``error``."""
        servers: list[dict[str, Any]] = self._call("GET", "runs", params={"limit": 1})["servers"]
        return servers

    def _run_pages(self, filters: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
        cursor = None
        while True:
            answer = self._call("GET", "runs", params={**filters, "limit": _RUNS_A_PAGE, "cursor": cursor})
            yield answer["runs"]
            cursor = answer["next_cursor"]
            if cursor is None:
                return

    def get_metrics(
        self, run: Mapping[str, Any], names: Sequence[str] | None = None, points: int = 1000
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

        Returns
        -------
        dict
            With ``steps`` and ``metrics``: for each name a list of as many numbers, or None at steps without.
        """
        params = {"connection_id": run["connection_id"], "run_id": run["run_id"], "points": points}
        if names is not None:
            params["names"] = ",".join(names)
        return self._call("GET", "runs/metrics", params=params)

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
