"""How long a viewer lives: who holds it, and when it ends. Pure; runs on the remote (Python >= 3.8).

A *holder* is one connection of one Jupyter. It joins and renews for a number of seconds, and
leaves. The viewer ends when its last holder leaves and wants it stopped, or when nobody's time is left.

Time is counted in ticks of the living process, each of at most ``MAX_TICK_SECONDS``: a process
that was stopped, or a machine that slept, does not find itself expired on waking. And it takes
two ticks in a row without time left to expire, so that a renewal that waited in a socket is
seen first.
"""

from typing import Dict, Iterable, List, Optional

__all__ = ["MAX_HOLDERS", "MAX_TICK_SECONDS", "Holder", "Lease", "TooManyHolders"]

MAX_TICK_SECONDS = 2.0
MAX_HOLDERS = 512
"""More than any one person's connections; bounds what a holder's mistake can cost."""


class TooManyHolders(Exception):
    """``MAX_HOLDERS`` are here already."""


class Holder:
    """One connection's claim.

    Parameters
    ----------
    remaining
        Seconds until it lapses if it is not renewed.
    client
        What the holder says of itself, for it to recognise its dead siblings by; may be None.
    """

    def __init__(self, remaining: float, client: Optional[str]) -> None:
        self.remaining = remaining
        self.client = client
        self.left = False


class Lease:
    """The claims on one viewer.

    Parameters
    ----------
    unclaimed_seconds
        How long the viewer waits for its first holder.
    """

    def __init__(self, unclaimed_seconds: float) -> None:
        self.unclaimed = unclaimed_seconds
        self._holders: Dict[str, Holder] = {}
        self._lapsed = False

    def renew(self, name: str, seconds: float, client: Optional[str] = None) -> None:
        """Join, or prolong the claim of a holder that is here.

        Parameters
        ----------
        name
            The holder's own random name.
        seconds
            The claim lasts this long from now.
        client
            See ``Holder``.

        Raises
        ------
        TooManyHolders
            If a new holder does not fit.
        """
        if name not in self._holders and len(self._holders) >= MAX_HOLDERS:
            raise TooManyHolders
        holder = self._holders.setdefault(name, Holder(seconds, client))
        holder.remaining, holder.client, holder.left = seconds, client, False
        self.unclaimed = 0.0
        self._lapsed = False

    def leave(self, name: str, stop: bool) -> bool:
        """End a holder's claim, and tell whether the viewer is to end now.

        Parameters
        ----------
        name
            The holder; one that is not here may say so as well.
        stop
            False leaves the viewer, unrenewed, until the time of that claim is over.

        Returns
        -------
        bool
            True when this wants it stopped and no other holder is here.
        """
        if not stop:
            if name in self._holders:
                self._holders[name].left = True
            return False
        self._holders.pop(name, None)
        return not self.present()

    def drop(self, names: Iterable[str]) -> None:
        """Forget holders that somebody knows to be dead; their time no longer counts.

        The viewer waits for its next holder as long as the longest of them had left.
        """
        for name in names:
            holder = self._holders.pop(name, None)
            if holder is not None:
                self.unclaimed = max(self.unclaimed, holder.remaining)

    def present(self) -> List[str]:
        """Return the names of the holders that have time left and have not left."""
        return [name for name, holder in self._holders.items() if holder.remaining > 0 and not holder.left]

    def holders(self) -> Dict[str, Holder]:
        """Return all holders that have time left, by name."""
        return {name: holder for name, holder in self._holders.items() if holder.remaining > 0}

    @property
    def remaining(self) -> float:
        """Seconds until the viewer ends if nobody renews."""
        return max([self.unclaimed, *(holder.remaining for holder in self._holders.values())])

    def tick(self, elapsed: float) -> bool:
        """Count time, and tell whether the lease has expired.

        Parameters
        ----------
        elapsed
            Seconds since the last tick, by a monotonic clock; counted as at most
            ``MAX_TICK_SECONDS`` and never as less than nothing.
        """
        step = min(max(elapsed, 0.0), MAX_TICK_SECONDS)
        self.unclaimed = max(0.0, self.unclaimed - step)
        for holder in self._holders.values():
            holder.remaining -= step
        self._holders = self.holders()
        if self.remaining > 0:
            self._lapsed = False
            return False
        expired, self._lapsed = self._lapsed, True
        return expired
