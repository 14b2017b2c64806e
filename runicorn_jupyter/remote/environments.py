"""From what lies on the remote to the list of its environments: names, versions, order, roots. Pure."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import EnvironmentNotFound
from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.models import Environment, EnvironmentType, StorageRootSource
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Distribution", "Found", "find", "list_environments"]

# In the order of the list. What the place of an environment makes it, and the type that the API says.
_KINDS: dict[str, tuple[int, EnvironmentType]] = {
    "base": (0, "conda"),
    "conda": (0, "conda"),
    "venv": (1, "venv"),
    "private": (1, "venv"),
    "project": (2, "venv"),
    "pyenv": (3, "pyenv"),
    "asdf": (3, "pyenv"),
    "mise": (3, "pyenv"),
    "uv": (3, "pyenv"),
    "module": (4, "system"),
    "system": (4, "system"),
    "named": (4, "system"),
}
_LOCAL_NAMES = {".venv", "venv", "env", ".env"}
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


MAX_VERSION = 100
"""Characters of a version: as many as a viewer's state may have."""
MAX_NAME = 512
"""Characters of an environment's name, but for the number that tells two of that length apart."""
MAX_FOLDER = 255
"""Characters of a folder in a name: as many bytes as file systems allow."""
MAX_MINORS = 16
"""Versions of Python that one prefix is taken to have."""
MAX_PATH = 4096
"""Characters of a storage root: Linux's PATH_MAX, and as many as a viewer's state may have."""
MAX_VARIABLES_BYTES = 65536
"""Of a ``conda-meta/state`` file; probe.sh reads no more."""


@dataclass(frozen=True)
class Distribution:
    """A ``runicorn-….dist-info`` folder.

    Attributes
    ----------
    path
        Below the prefix of its environment, or the home.
    present
        Whether the package is there too, or is pointed to by an editable installation.
    """

    path: str
    present: bool

    @property
    def version(self) -> str:
        """The version in its name."""
        name = posixpath.basename(self.path).removeprefix("runicorn-").removesuffix(".dist-info")
        return plain_text(name, limit=MAX_VERSION)

    @property
    def minor(self) -> str | None:
        """The Python it is for, as in ``3.11``; None in Debian's folder for all."""
        found = re.search(r"/py[a-z]+(\d+\.\d+)/", f"/{self.path}")
        return found[1] if found else None


@dataclass
class Found:
    """A prefix with a Python, as the probe saw it.

    Attributes
    ----------
    kind
        One of ``base conda venv private project pyenv asdf mise uv module system named``.
    path, prefix
        Where it was found, and the same without symbolic links.
    python
        Its interpreter below the prefix; empty if it is a dangling link.
    version
        As its own files have it.
    base
        ``home`` of pyvenv.cfg: the folder of the interpreter that it was made with.
    inherits
        Whether it sees the packages of its base too.
    minors
        Of the ``lib/pythonX.Y`` folders in it.
    distributions
        Of runicorn, in it.
    variables
        What activation would set (conda).
    size
        Bytes of disk that it takes, if that stands in it (private).
    """

    kind: str
    path: str
    prefix: str
    python: str
    version: str = ""
    base: str = ""
    inherits: bool = False
    minors: tuple[str, ...] = ()
    distributions: list[Distribution] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    size: int | None = None

    @property
    def minor(self) -> str | None:
        """Its Python's version, as in ``3.11``."""
        found = _VERSION.match(self.version)
        if found:
            return f"{found[1]}.{found[2]}"
        return self.minors[-1] if self.minors else None


def list_environments(
    found: Iterable[Found],
    *,
    home: str,
    user_site: Sequence[Distribution] = (),
    config: Mapping[str, Any] | None = None,
    runicorn_dir: str = "",
    python3: tuple[str, str] = ("", ""),
) -> list[Environment]:
    """Make the API's list of environments.

    Parameters
    ----------
    found
        What the probe found, in any order; one prefix may be there more than once.
    home
        The home folder of the remote user.
    user_site
        runicorn in ``~/.local``, which all but isolated virtualenvs see first.
    config
        That user's runicorn ``config.json``.
    runicorn_dir
        The variable ``RUNICORN_DIR`` of the session.
    python3
        Prefix and full version of ``python3`` on the PATH.

    Returns
    -------
    list
        Conda, virtualenvs, project-local, pyenv, system; by name within. Names are unique.
    """
    everything = list(found)
    unique: dict[tuple[str, str | None], Found] = {}
    for one in sorted(everything, key=lambda one: (_group(one, home), one.path)):
        # Several Pythons of a system share its prefix.
        unique.setdefault((one.prefix, one.minor if one.kind == "system" else None), one)
    listed = {one.prefix for one in unique.values() if one.kind != "named"}
    unique = {key: one for key, one in unique.items() if one.kind != "named" or one.prefix not in listed}
    named = [(_group(one, home), _name(one, home), one.prefix, one) for one in unique.values()]
    names = _Names()
    installed = _Installed(everything, user_site)
    result = []
    for _, name, prefix, one in sorted(named, key=lambda each: each[:3]):
        version = installed.version(one)
        root, chosen_by = _storage_root(one, home, config or {}, runicorn_dir)
        if version is None:
            root, chosen_by = None, "default"
        result.append(
            Environment(
                name=names.unique(name, prefix),
                type=_KINDS[one.kind][1],
                python_version=_python_version(one, python3),
                python_path=posixpath.join(prefix, one.python or "bin/python"),
                prefix=prefix,
                runicorn_installed=version is not None,
                runicorn_version=version,
                storage_root=root,
                storage_root_from=chosen_by,
                problem=None if one.python else plain_text(f"{prefix}/bin/python: No such file or directory"),
                private=one.kind == "private",
                size_bytes=one.size,
            )
        )
    return result


def find(environments: Iterable[Environment], env_name: str) -> Environment:
    """Find an environment by what people call it.

    Parameters
    ----------
    environments
        The list.
    env_name
        A name of it, a ``prefix`` or ``python_path`` of it, or the beginning of just one name; where
        several have one name, also the name and its place, as in ``base (~/miniconda3)``.

    Raises
    ------
    EnvironmentNotFound
        If there is none, or if more than one name begins so.
    """
    known = list(environments)
    for attribute in ("name", "prefix", "python_path"):
        wanted = env_name if attribute == "name" else posixpath.normpath(env_name)
        for one in known:
            if getattr(one, attribute) == wanted:
                return one
    opened = max(env_name.rfind(" (/"), env_name.rfind(" (~/"))
    if opened > 0 and env_name.endswith(")"):
        there = [
            one for one in known if _is_at(one, env_name[:opened], env_name[opened + 2 : -1].rstrip("/"))
        ]
        if len(there) == 1:
            return there[0]
    begun = [one for one in known if env_name and one.name.startswith(env_name)]
    if len(begun) == 1:
        return begun[0]
    asked = plain_text(env_name, limit=200)
    if begun:
        raise EnvironmentNotFound(
            f"Several environments of the remote begin with “{asked}”; write out its name."
        )
    raise EnvironmentNotFound(
        f"The remote has no environment “{asked}”; detect environments again if it is new.",
    )


def _is_at(one: Environment, name: str, place: str) -> bool:
    own, _, _ = one.name.partition(" @")
    return own == name and (one.prefix == place or (place[0] == "~" and one.prefix.endswith(place[1:])))


def _is_local(one: Found, home: str) -> bool:
    parent, name = posixpath.split(one.path)
    return one.kind == "project" or (
        one.kind == "venv" and name in _LOCAL_NAMES and parent not in (home, "/", "/opt")
    )


def _group(one: Found, home: str) -> int:
    return _KINDS["project" if _is_local(one, home) else one.kind][0]


def _folder(path: str) -> str:
    """Return the last folder of a path, as it is shown."""
    return plain_text(posixpath.basename(path), limit=MAX_FOLDER)


def _within(parent: str, folder: str) -> str:
    """Name a folder by what it is in too; never as a path, which leads to what is at that place."""
    name = _folder(parent)
    return f"{name}/{folder}" if name else folder


def _name(one: Found, home: str) -> str:
    folder = _folder(one.path) or "?"
    if one.kind == "base":
        return "base"
    if _is_local(one, home):
        return _within(posixpath.dirname(one.path), folder)
    if posixpath.dirname(one.path).endswith("/.pixi/envs"):
        project = posixpath.dirname(posixpath.dirname(posixpath.dirname(one.path)))
        return folder if project == home else _within(project, folder)
    by_kind = {
        "module": _module_name(one.path, folder),
        "system": f"system:{(one.minor or '3')[:MAX_VERSION]}",
        **{tool: f"{tool}:{_folder(one.prefix)}" for tool in ("pyenv", "asdf", "mise", "uv")},
    }
    return by_kind.get(one.kind, folder)


def _module_name(path: str, folder: str) -> str:
    """Return what people call an installation of EasyBuild's or Spack's, or an environment of Spack's."""
    parent = posixpath.dirname(path)
    if path.endswith("/.spack-env/view"):
        return _folder(posixpath.dirname(parent))
    return _within(parent, folder) if folder[:1].isdigit() else folder


class _Names:
    """Gives each environment a name of its own, of bounded length, in time linear in their number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, Iterator[int]] = {}

    def unique(self, name: str, prefix: str) -> str:
        """Return the name; of two that are the same, the later one says where it is.

        Where that is not enough, since both are too long to be shown whole, the later one has a number.
        """
        if name in self._taken:
            name = f"{name} @{plain_text(prefix)}"[:MAX_NAME]
        if name in self._taken:
            numbers = self._numbers.setdefault(name, count(2))
            name = next(each for n in numbers if (each := f"{name} ({n})") not in self._taken)
        self._taken.add(name)
        return name


def _python_version(one: Found, python3: tuple[str, str]) -> str | None:
    if not one.python:
        return None
    if one.kind == "system" and one.prefix == python3[0] and python3[1].startswith(f"{one.minor}."):
        return python3[1]
    # pyenv keeps each version in a folder that is named by it.
    own = one.version or (posixpath.basename(one.prefix) if _KINDS[one.kind][1] == "pyenv" else "")
    found = _VERSION.match(own[:MAX_VERSION])
    if found:
        return ".".join(part for part in found.groups() if part is not None)
    return one.minor


def _order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


class _Installed:
    """Which runicorn each environment would import; each record is looked at once, however many share it."""

    def __init__(self, everything: Sequence[Found], user_site: Sequence[Distribution]) -> None:
        self._user_site = self._newest(user_site)
        by_prefix: dict[str, list[Distribution]] = {}
        for one in everything:
            by_prefix.setdefault(one.prefix, []).extend(one.distributions)
        self._of_prefix = {prefix: self._newest(found) for prefix, found in by_prefix.items()}

    @staticmethod
    def _newest(found: Iterable[Distribution]) -> dict[str | None, str]:
        """Return the newest version that is there, by the minor version of Python that it is for."""
        newest: dict[str | None, str] = {}
        for each in found:
            if each.present:
                minor, version = each.minor, each.version
                if minor not in newest or _order(version) > _order(newest[minor]):
                    newest[minor] = version
        return newest

    def version(self, one: Found) -> str | None:
        """Return the version of the runicorn that its Python would import, by the order of ``sys.path``."""
        if not one.python:
            return None
        isolated = one.kind in ("venv", "private", "project") and not one.inherits
        if not isolated and one.minor in self._user_site:
            return self._user_site[one.minor]
        minors = (None, one.minor, *one.minors[:MAX_MINORS])
        places = [self._newest(one.distributions)]
        if one.inherits:
            places.append(self._of_prefix.get(posixpath.dirname(one.base), {}))
        for place in places:
            present = [place[minor] for minor in minors if minor in place]
            if present:
                return max(present, key=_order)
        return None


def _storage_root(
    one: Found, home: str, config: Mapping[str, Any], runicorn_dir: str
) -> tuple[str | None, StorageRootSource]:
    """Return the root that runicorn is configured to use there (0.5 to 0.7: ``sdk.py``), and what says so."""
    chosen_by: StorageRootSource
    for chosen, chosen_by in (
        (one.variables.get("RUNICORN_DIR"), "RUNICORN_DIR"),
        (runicorn_dir, "RUNICORN_DIR"),
        (config.get("user_root_dir"), "config"),
    ):
        if isinstance(chosen, str) and chosen:
            if chosen == "~" or chosen.startswith("~/"):
                chosen = home + chosen[1:]  # noqa: PLW2901
            root = posixpath.normpath(posixpath.join(home, chosen))
            return (root, chosen_by) if len(root) <= MAX_PATH else (None, "default")
    return None, "default"


def conda_variables(text: str) -> dict[str, str]:
    """Return ``RUNICORN_DIR`` of a ``conda-meta/state`` file (``conda env config vars``), if it is set."""
    try:
        values = read_json_object(text, max_size=MAX_VARIABLES_BYTES).get("env_vars")
    except InvalidJson:
        return {}
    # One of them counts here; the others may be anything.
    root = values.get("RUNICORN_DIR") if isinstance(values, dict) else None
    return {"RUNICORN_DIR": root} if isinstance(root, str) else {}
