"""Which wheels a remote's Python takes, by what it says of itself: as options of ``pip download``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Target"]

_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
"""The minor version of the oldest glibc 2.x that wheels are made for, by architecture; else 17."""
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_MOST = 200
"""A minor version of a C library or of Python beyond this is no answer of a Python."""
_GLIBC, _MUSL = re.compile(r"2\.(\d{1,3})"), re.compile(r"1\.(\d{1,3})")
_NO_NAME = re.compile(r"[^a-z0-9]+")
_MARKERS = (
    "implementation_name", "implementation_version", "os_name", "platform_machine", "platform_release",
    "platform_system", "platform_version", "python_full_version", "platform_python_implementation",
    "python_version", "sys_platform",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A remote's Python, as far as it decides which wheels it takes.

    Attributes
    ----------
    platforms
        The platform tags that fit, the most specific first (PEP 425, 600 and 656).
    options
        Of ``pip download``, for wheels that fit.
    markers
        Its values of environment markers (PEP 508).
    """

    platforms: tuple[str, ...]
    options: tuple[str, ...]
    markers: dict[str, str]

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Target:
        """Read what ``payload/setup/platform_tags.py`` says.

        Raises
        ------
        KeyError, TypeError, ValueError
            If that is not what a Python would say.
        """
        markers = {name: str(facts["markers"][name])[:256] for name in _MARKERS}
        platforms = _platforms(facts)
        options = [*_abi_options(facts), *(f"--platform={each}" for each in platforms)]
        return cls(tuple(platforms), tuple(options), markers)


def _platforms(facts: dict[str, Any]) -> list[str]:
    name = _NO_NAME.sub("_", str(facts["platform"])[:64].lower())
    if not name.startswith("linux_"):
        return [name]
    machine = name.removeprefix("linux_")
    machine = {"i386": "i686", "i586": "i686"}.get(machine, machine)
    tags = []
    if glibc := _minor(_GLIBC.fullmatch(str(facts.get("glibc") or ""))):
        for minor in range(glibc, _OLDEST_GLIBC.get(machine, 17) - 1, -1):
            tags.append(f"manylinux_2_{minor}_{machine}")
            if minor in _OLD_NAMES:
                tags.append(f"{_OLD_NAMES[minor]}_{machine}")
    elif musl := _minor(_MUSL.fullmatch(str(facts.get("musl") or ""))):
        tags += [f"musllinux_1_{minor}_{machine}" for minor in range(musl, -1, -1)]
    return [*tags, f"linux_{machine}"]


def _abi_options(facts: dict[str, Any]) -> list[str]:
    major, minor = (int(number) for number in facts["version"][:2])
    if not (major == 3 and 0 <= minor <= _MOST):
        raise ValueError(f"no version of Python: {major}.{minor}")
    implementation = {"cpython": "cp", "pypy": "pp"}.get(str(facts["implementation"]), "py")
    options = [
        "--only-binary=:all:",
        f"--python-version={major}.{minor}",
        f"--implementation={implementation}",
    ]
    if implementation == "cp":
        threads = "t" if "t" in str(facts["abi_flags"]) else ""
        options += [f"--abi=cp{major}{minor}{threads}", *([] if threads else ["--abi=abi3"]), "--abi=none"]
    return options


def _minor(found: re.Match[str] | None) -> int:
    """Return the minor version of a C library; 0 if there is none."""
    return min(int(found[1]), _MOST) if found else 0
