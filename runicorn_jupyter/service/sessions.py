"""The table of open connections that the services of all resources share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runicorn_jupyter.errors import ConnectionNotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runicorn_jupyter.service.session import Session

__all__ = ["Sessions"]


class Sessions:
    """The sessions by the id of their connection, in the order in which they were opened."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._subscribers: list[Callable[[], object]] = []

    def subscribe(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` after each session that comes or goes."""
        self._subscribers.append(callback)

    def _changed(self) -> None:
        for callback in self._subscribers:
            callback()

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Iterate over a copy, so that connections may come and go meanwhile."""
        return iter(list(self._sessions.values()))

    def find(self, connection_id: str) -> Session | None:
        """Return the session of a connection, or None if there is none."""
        return self._sessions.get(connection_id)

    def get(self, connection_id: str) -> Session:
        """Return the session of a connection.

        Raises
        ------
        ConnectionNotFound
            If there is none.
        """
        session = self.find(connection_id)
        if session is None:
            raise ConnectionNotFound("There is no such connection; it may have been closed.")
        return session

    def add(self, session: Session) -> None:
        """Add a session."""
        self._sessions[session.connection_id] = session
        self._changed()

    def remove(self, connection_id: str) -> Session:
        """Remove the session of a connection and return it.

        Raises
        ------
        ConnectionNotFound
            If there is none.
        """
        session = self.get(connection_id)
        del self._sessions[connection_id]
        self._changed()
        return session

    def clear(self) -> list[Session]:
        """Remove all sessions and return them."""
        sessions, self._sessions = list(self._sessions.values()), {}
        self._changed()
        return sessions
