"""Which Python of a remote a private environment is made with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runicorn_jupyter.models import Environment

__all__ = ["best_pythons"]

OLDEST = (3, 8)
TESTED = ((3, 10), (3, 13))
"""Versions for which all that runicorn needs is to be had as wheels; older ones get an older runicorn."""
_RANK = {"system": 0, "pyenv": 1, "conda": 2, "venv": 3}
"""What stays longest goes first: people delete environments of their own more often than the system does."""


def best_pythons(environments: Iterable[Environment]) -> list[Environment]:
    """Return the environments whose Python may make another, the best first.

    Parameters
    ----------
    environments
        The probe's list.
    """
    found = []
    for each in environments:
        version = re.match(r"(\d{1,3})\.(\d{1,3})", each.python_version or "")
        number = (int(version[1]), int(version[2])) if version else (0, 0)
        if each.problem is None and not each.private and number >= OLDEST:
            is_tested = TESTED[0] <= number <= TESTED[1]
            found.append(((not is_tested, -number[0], -number[1], _RANK[each.type]), each))
    return [each for _, each in sorted(found, key=lambda one: one[0])]
