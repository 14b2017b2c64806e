"""A time limit that stands still while a person is asked, or acts on what a server said."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from runicorn_jupyter.models import Prompt
    from runicorn_jupyter.ssh.auth.ask import Ask, Responses

__all__ = ["PERSON_SECONDS", "Deadline"]

PERSON_SECONDS = 300.0
"""A person has so long for what a server waits for, from its first words on (docs/contract.md)."""


class Deadline:
    """A time limit in seconds that is paused while a person answers, or acts on what a server said.

    Used on one event loop; only what `patient` returns is called in a worker thread.

    Parameters
    ----------
    seconds
        How long the work may take.
    monotonic
        Returns the time in seconds.
    person_seconds
        How long a person has in all for what a server's words ask for.

    Attributes
    ----------
    has_asked
        Whether a person was asked anything.
    """

    def __init__(
        self,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        person_seconds: float = PERSON_SECONDS,
    ) -> None:
        self.seconds = seconds
        self.person_seconds = person_seconds
        self.has_asked = False
        self._monotonic = monotonic
        self._asking = 0
        self._is_persons = False
        self._work_left, self._person_left = self.seconds, self.person_seconds
        self._since = monotonic()
        self._limits: set[asyncio.Timeout] = set()

    @property
    def left(self) -> float:
        """Seconds left for the work, at least 0."""
        self._charge()
        return max(0.0, self._work_left)

    @property
    def is_persons(self) -> bool:
        """Whether the time that passes is that of a person who acts on what a server said."""
        return self._is_persons

    @contextlib.asynccontextmanager
    async def limit(self) -> AsyncIterator[asyncio.Timeout]:
        """Limit the time of the block.

        Raises
        ------
        TimeoutError
            If the time is over.
        """
        async with asyncio.timeout(self._allowed()) as limit:
            self._limits.add(limit)
            try:
                yield limit
            finally:
                self._limits.discard(limit)

    def patient(self, ask: Ask) -> Ask:
        """Wrap an `Ask` so that the time it takes does not count."""
        loop = asyncio.get_running_loop()

        def patient(instruction: str, prompts: Sequence[Prompt]) -> Responses:
            loop.call_soon_threadsafe(self._stop)
            try:
                return ask(instruction, prompts)
            finally:
                loop.call_soon_threadsafe(self._go_on)

        return patient

    def wait_for_person(self) -> None:
        """Let the time count as the person's from now on, until `resume`; `person_seconds` in all."""
        self._charge()
        if not self._is_persons:
            self._is_persons = True
            self._reschedule()

    def resume(self) -> None:
        """Let the time count as the work's again."""
        self._charge()
        if self._is_persons:
            self._is_persons = False
            self._reschedule()

    def _stop(self) -> None:
        self._charge()
        self._asking += 1
        self.has_asked = True
        self._reschedule()

    def _go_on(self) -> None:
        self._charge()
        self._asking -= 1
        self._reschedule()

    def _charge(self) -> None:
        """Take the time that has passed from what it belongs to."""
        now = self._monotonic()
        passed, self._since = now - self._since, now
        if self._asking:
            return
        if self._is_persons:
            self._person_left -= passed
        else:
            self._work_left -= passed

    def _allowed(self) -> float | None:
        """Return how long what is going on may still take, in seconds; None without end."""
        self._charge()
        if self._asking:
            return None
        return max(0.0, self._person_left if self._is_persons else self._work_left)

    def _reschedule(self) -> None:
        allowed = self._allowed()
        when = None if allowed is None else asyncio.get_running_loop().time() + allowed
        for limit in self._limits:
            # One that has expired is about to end what it bounds.
            with contextlib.suppress(RuntimeError):
                limit.reschedule(when)
