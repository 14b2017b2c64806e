"""Intervals at which a dead connection is noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target

UNANSWERED = 2
"""Unanswered keepalives that mean a dead connection, where the ssh config asks for none itself."""


@dataclass(frozen=True)
class Keepalive:
    """Interval and number of keepalive messages.

    Parameters
    ----------
    seconds
        The interval; the first keepalive is sent after two thirds of it without a sign of life, each further
        one a third later.
    unanswered
        How many in a row may stay without any sign of life.
    """

    seconds: float
    unanswered: int = UNANSWERED

    @classmethod
    def of(cls, target: Target, seconds: float) -> Keepalive:
        """Return what the host's ``ServerAliveInterval`` and ``ServerAliveCountMax`` make of an interval.

        A shorter ``ServerAliveInterval`` counts. As in ssh, ``ServerAliveCountMax`` means something only
        where there is an interval.
        """
        if not target.server_alive_interval:
            return cls(seconds)
        return cls(min(seconds, target.server_alive_interval), max(1, target.server_alive_count_max))

    @property
    def silence_seconds(self) -> float:
        """Seconds of silence after which a connection counts as dead."""
        return self.seconds * (2 + self.unanswered) / 3
