"""Why environments cannot run, as starting them has shown: a probe does not start them."""

from __future__ import annotations

from collections.abc import Iterable

from runicorn_jupyter import models as m

__all__ = ["EnvironmentProblems"]


class EnvironmentProblems:
    """Keeps what starts have said, over later probes, until it may have changed."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def note(self, environment: m.Environment, problem: str) -> None:
        """Keep why an environment cannot run."""
        self._said[environment.prefix] = problem

    def forget(self, environment: m.Environment) -> bool:
        """Take back what was said of an environment; return whether something was."""
        return self._said.pop(environment.prefix, None) is not None

    def clear(self) -> None:
        """Take back what was said of all."""
        self._said.clear()

    def mark(self, environments: Iterable[m.Environment]) -> list[m.Environment]:
        """Give environments, as a probe found them, the problems that are kept."""
        return [
            each.model_copy(update={"problem": self._said[each.prefix]})
            if each.prefix in self._said
            else each
            for each in environments
        ]
