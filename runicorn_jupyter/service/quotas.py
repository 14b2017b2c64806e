"""Quotas: what one server, and one of the people who share it, may take of what belongs to all."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runicorn_jupyter.errors import QuotaReached, TooManyConnections
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runicorn_jupyter.service.session import Session
    from runicorn_jupyter.service.sessions import Sessions
    from runicorn_jupyter.service.settings import ServiceSettings

__all__ = ["Quotas"]


class Quotas:
    """Refuses what goes beyond the administrator's quotas; each that is 0 refuses nothing.

    Parameters
    ----------
    settings
        The administrator's settings.
    sessions
        The connections that are open.
    monotonic
        Returns the time in seconds; never goes back.
    """

    def __init__(self, settings: ServiceSettings, sessions: Sessions, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._sessions = sessions
        self._opening: list[str] = []
        self._starting: list[Session] = []
        logins = settings.max_logins_per_minute
        self._logins = TokenBucket(logins / 60, logins, monotonic) if logins else None

    @contextmanager
    def connection(self, user: str) -> Iterator[None]:
        """Count a connection that is being opened, until it is among those that are open.

        Parameters
        ----------
        user
            Who opens it; empty where Jupyter knows one user only.

        Raises
        ------
        TooManyConnections
            If there are as many as there may be, of all or of this user.
        QuotaReached
            If as many were asked for in the last minute as may be.
        """
        self._require_connection(user)
        if self._logins is not None and (wait := self._logins.take()):
            raise QuotaReached(
                f"This server logs in {self._settings.max_logins_per_minute} times a minute at most;"
                f" try again in {math.ceil(wait)} seconds.",
                quota="max_logins_per_minute",
                limit=self._settings.max_logins_per_minute,
                retry_after_seconds=math.ceil(wait),
            )
        self._opening.append(user)
        try:
            yield
        finally:
            self._opening.remove(user)

    def _require_connection(self, user: str) -> None:
        users = [*(session.user for session in self._sessions), *self._opening]
        for quota, limit, count, whose in (
            ("max_connections", self._settings.max_connections, len(users), "this server allows"),
            (
                "max_connections_per_user",
                self._settings.max_connections_per_user,
                users.count(user),
                "this server allows each person",
            ),
        ):
            if limit and count >= limit:
                raise TooManyConnections(
                    f"{limit} connections are open, the most that {whose}; disconnect one first.",
                    quota=quota,
                    limit=limit,
                )

    @contextmanager
    def viewer(self, session: Session) -> Iterator[None]:
        """Count a viewer that is being started, until its session holds it.

        Parameters
        ----------
        session
            Its session, whose present viewer does not count.

        Raises
        ------
        QuotaReached
            If the other sessions hold as many as there may be.
        """
        if not self.has_room_for_viewer(session):
            limit = self._settings.max_viewers
            raise QuotaReached(
                f"{limit} viewers are open, the most that this server allows; stop one first.",
                quota="max_viewers",
                limit=limit,
            )
        self._starting.append(session)
        try:
            yield
        finally:
            self._starting.remove(session)

    def has_room_for_viewer(self, session: Session) -> bool:
        """Return whether a session may have a viewer, by those of the others."""
        limit = self._settings.max_viewers
        others = [each for each in self._sessions if each is not session]
        return not limit or limit > sum(each.holds_viewer or each in self._starting for each in others)
