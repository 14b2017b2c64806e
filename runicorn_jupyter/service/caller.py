"""Who asks for something, and how events reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit


class Emit(Protocol):
    """Sends one event to the front ends; the fields are those of ``api/events.yaml``."""

    def __call__(self, type: str, **fields: str | int | None) -> None:  # noqa: A002  # the schema's own word
        """Send it."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and where their browser reaches this server.

    Parameters
    ----------
    user
        The name of Jupyter's authenticated user.
    origin
        ``scheme://host[:port]`` for absolute URLs.
    request_id
        What the client sent as ``X-Request-Id``; comes back with the events of its request.
    """

    user: str
    origin: str
    request_id: str = ""

    @property
    def port(self) -> int:
        """The TCP port of `origin`, 80 or 443 where it names none."""
        parts = urlsplit(self.origin)
        return parts.port or (443 if parts.scheme == "https" else 80)
