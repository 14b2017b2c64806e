"""Budgets of memory: what is kept of one connection, and what is kept of all, have an end that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runicorn_jupyter.errors import MemoryLimit

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["MemoryBudget", "MemoryShare"]


class MemoryBudget:
    """Counts bytes up to a limit; used on the event loop only.

    Parameters
    ----------
    limit
        Bytes that may be used at once.
    setting
        The name of the setting that says so, for the message.
    of
        What is counted, for the message.
    parent
        A wider budget, whose bytes these are too.
    """

    def __init__(self, limit: int, setting: str, of: str, parent: MemoryBudget | None = None) -> None:
        self.limit = limit
        self.used = 0
        self._setting = setting
        self._of = of
        self._parent = parent

    def share(self) -> MemoryShare:
        """Begin to use some; what is used ends with the share."""
        return MemoryShare(self)

    def use(self, count: int) -> None:
        """Use so many bytes more, of this budget and of the wider ones, or none at all.

        Raises
        ------
        MemoryLimit
            If a limit does not allow it; the message says which.
        """
        if self.used + count > self.limit:
            megabytes = f"{self.limit / 2**20:g} MB"
            raise MemoryLimit(
                f"What is kept of {self._of} has reached {megabytes}, the limit that {self._setting} sets."
            )
        if self._parent is not None:
            self._parent.use(count)
        self.used += count

    def free(self, count: int) -> None:
        """Use so many bytes less."""
        self.used -= count
        if self._parent is not None:
            self._parent.free(count)


class MemoryShare:
    """What one part uses of a budget."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.used = 0

    def __enter__(self) -> MemoryShare:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, count: int) -> None:
        """Use so many bytes more, or less if it is negative.

        Raises
        ------
        MemoryLimit
            If the budget does not allow it; then nothing has changed.
        """
        if count > 0:
            self._budget.use(count)
        else:
            self._budget.free(-count)
        self.used += count

    def close(self) -> None:
        """Use nothing any more."""
        self._budget.free(self.used)
        self.used = 0
