"""What Jupyter's own ``/metrics`` tells of connections: a collector of prometheus_client.

What there is now is asked for when somebody reads ``/metrics``; what has been is counted. Nothing is
registered before the first connection is asked for: a server whose extension nobody uses says nothing of it.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from runicorn_jupyter.models import ConnectionStatus
    from runicorn_jupyter.service.sessions import Sessions

__all__ = ["Metrics"]

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends in seconds of connecting; what takes longer is in none."""
MAX_HOSTS = 200
"""Names of hosts that are told apart; further ones are `OTHER_HOST`."""
OTHER_HOST = "other"
_shown: list[Metrics] = []
"""Of this process's, those that are registered: at most one."""
_CONNECTION_STATUSES: tuple[ConnectionStatus, ...] = ("connected", "reconnecting", "disconnected")
_VIEWER_STATUSES = ("starting", "running", "reconnecting", "crashed")


class _Counted(Protocol):
    """What of a connection is counted; see `Connection`."""

    connection_id: str
    status: ConnectionStatus
    reconnects: int

    @property
    def traffic(self) -> tuple[int, int]:
        """See `Connection.traffic`."""


class Metrics:
    """Counts connections, and describes them to prometheus_client.

    Parameters
    ----------
    sessions
        The connections that are open.
    by_host
        Whether the names of hosts, as people asked for them, are told.
    quotas
        The administrator's quotas, by what is limited.
    """

    def __init__(
        self, sessions: Sessions, *, by_host: bool, quotas: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        self._sessions = sessions
        self._quotas = quotas
        self._by_host = by_host
        self._labels = ("host",) if by_host else ()
        self._watched: dict[str, tuple[_Counted, str]] = {}
        self._reconnects: Counter[str] = Counter()  # of connections that are over, as the next two, by host
        self._received: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._hosts: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._by_bucket = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._was_registered = self._is_shown = False

    def register(self) -> None:
        """Have Jupyter's ``/metrics`` show these, in place of another server's of this process; once."""
        if self._was_registered:
            return
        from prometheus_client import REGISTRY  # noqa: PLC0415 - not before the extension is used

        for other in list(_shown):
            other.close()
        REGISTRY.register(self)
        _shown.append(self)
        self._was_registered = self._is_shown = True

    def close(self) -> None:
        """Have them shown no more."""
        if self._is_shown:
            from prometheus_client import REGISTRY  # noqa: PLC0415 - as above

            REGISTRY.unregister(self)
            self._is_shown = False
        with contextlib.suppress(ValueError):  # of a module that was imported anew the list is empty
            _shown.remove(self)

    def connected(self, connection: _Counted, host: str, seconds: float) -> None:
        """Count a connection that was opened.

        Parameters
        ----------
        connection
            The connection, whose traffic is counted until it is closed.
        host
            As it was asked for.
        seconds
            How long it took, less the time that people took to answer.
        """
        self._drop_closed()
        self._watched[connection.connection_id] = connection, self._host(host)
        self._by_bucket[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def failed(self, code: str) -> None:
        """Count an answer of the API that was an error."""
        self._failures[code] += 1

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: a second import of this module, or a second server, is no error then."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield what is known now; called by prometheus_client."""
        from prometheus_client.core import (  # noqa: PLC0415 - not before the extension is used
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        self._drop_closed()
        for name, text, statuses, now in (
            ("connections", "SSH connections", _CONNECTION_STATUSES, self._connections()),
            ("viewers", "Viewers of Runicorn that connections hold", _VIEWER_STATUSES, self._viewers()),
        ):
            gauge = GaugeMetricFamily(
                f"runicorn_{name}", f"{text}, by status.", labels=["status", *self._labels]
            )
            hosts = sorted(self._hosts) if self._by_host else [""]
            for host in hosts:
                for status in statuses:
                    gauge.add_metric([status, host] if self._by_host else [status], now[status, host])
            yield gauge
        quotas = GaugeMetricFamily(
            "runicorn_quota", "What this server's administrator allows, by what is limited.", labels=["of"]
        )
        for of, limit in self._quotas.items():
            quotas.add_metric([of], limit)
        yield quotas
        for name, text, counts in self._totals():
            counter = CounterMetricFamily(f"runicorn_{name}", text, labels=self._labels)
            for host, count in sorted(counts.items()) if self._by_host else [("", counts.total())]:
                counter.add_metric([host] if self._by_host else [], count)
            yield counter
        failures = CounterMetricFamily("runicorn_failures", "Errors that the API answered.", labels=["code"])
        for code, count in sorted(self._failures.items()):
            failures.add_metric([code], count)
        yield failures
        seconds = HistogramMetricFamily(
            "runicorn_connect_seconds", "Time to connect by SSH, less that of people's answers."
        )
        seconds.add_metric([], self._buckets(), self._seconds)
        yield seconds

    def _host(self, host: str) -> str:
        """Return the label for a host, of which there are only so many."""
        if not self._by_host:
            return ""
        if host not in self._hosts and len(self._hosts) >= MAX_HOSTS:
            host = OTHER_HOST
        self._hosts.add(host)
        return host

    def _connections(self) -> Counter[tuple[str, str]]:
        return Counter((session.connection.status, self._host(session.host)) for session in self._sessions)

    def _viewers(self) -> Counter[tuple[str, str]]:
        return Counter((session.viewer_status, self._host(session.host)) for session in self._sessions)

    def _totals(self) -> Iterator[tuple[str, str, Counter[str]]]:
        reconnects, received, sent = self._reconnects.copy(), self._received.copy(), self._sent.copy()
        for connection, host in self._watched.values():
            _add(connection, host, reconnects, received, sent)
        yield "reconnects", "Times that a lost SSH connection came back.", reconnects
        yield "received_bytes", "Bytes that came from SSH servers, encrypted.", received
        yield "sent_bytes", "Bytes that went to SSH servers, encrypted.", sent

    def _drop_closed(self) -> None:
        """Keep of connections that are closed the sums alone."""
        for connection_id, (connection, host) in list(self._watched.items()):
            if connection.status == "disconnected" and self._sessions.find(connection_id) is None:
                del self._watched[connection_id]
                _add(connection, host, self._reconnects, self._received, self._sent)

    def _buckets(self) -> list[tuple[str, float]]:
        """Return the histogram's buckets, each with what is below its end."""
        ends = [*map(str, BUCKETS), "+Inf"]
        return [(end, sum(self._by_bucket[: number + 1])) for number, end in enumerate(ends)]


def _add(
    connection: _Counted, host: str, reconnects: Counter[str], received: Counter[str], sent: Counter[str]
) -> None:
    came, went = connection.traffic
    reconnects[host] += connection.reconnects
    received[host] += came
    sent[host] += went
