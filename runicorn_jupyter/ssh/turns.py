"""Lets a few connections at a time log in to one host when many have lost it at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target

__all__ = ["AT_ONCE", "Turns"]

AT_ONCE = 4
"""Attempts on one host. OpenSSH's server turns some of those away that have not logged in while more than ten
are (``MaxStartups``), whoever they are of. More than one, so that one that hangs holds up no other."""


class Turns:
    """The turns of all connections of a server; used on one event loop only."""

    def __init__(self) -> None:
        self._hosts: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()

    def at(self, target: Target) -> asyncio.Semaphore:
        """Return what an attempt holds while it lasts: that of the first host on the way, whose sshd it is.

        Parameters
        ----------
        target
            The resolved host.
        """
        first = target.proxy_jump[0] if target.proxy_jump else target
        # Kept by those who hold it or wait for it.
        return self._hosts.setdefault((first.hostname, first.port), asyncio.Semaphore(AT_ONCE))
