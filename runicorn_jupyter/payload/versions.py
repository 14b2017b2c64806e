"""The versions that decide whether a running viewer can be adopted. Python >= 3.8."""

import os
import re
import sys
from typing import Iterable, Optional

__all__ = ["STATE_VERSION", "installed_version", "version_in"]

STATE_VERSION = 6
"""Version of the state file and of the control protocol: a viewer of another version is not adopted."""


def installed_version() -> Optional[str]:
    """Return the version of the runicorn that would be imported, by its dist-info; None if it has none."""
    return version_in(sys.path)


def version_in(places: Iterable[str]) -> Optional[str]:
    """Return the version of the first runicorn that is in one of some folders for packages."""
    for place in places:
        try:
            names = os.listdir(place)
        except OSError:
            continue
        versions = [n[9:-10] for n in names if n.startswith("runicorn-") and n.endswith(".dist-info")]
        if versions:
            return max(versions, key=lambda version: [int(n) for n in re.findall(r"\d+", version)])
    return None
