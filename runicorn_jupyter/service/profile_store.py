"""Saved connections, and what was last opened on each host: a JSON file of the user's, never a secret.

The file is ``{"version": 1, "profiles": […], "last": […]}``. What this version does not know of an
entry is kept as it is; a file of a later version is read as far as it is understood and never written.
"""

from __future__ import annotations

import builtins
import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from jupyter_core.paths import jupyter_data_dir
from pydantic import BaseModel, ValidationError

from runicorn_jupyter.errors import InternalError, InvalidParameters
from runicorn_jupyter.json_text import InvalidJson, read_json
from runicorn_jupyter.models import LastChoice, Profile
from runicorn_jupyter.private_files import NotPrivate, own_folder, read_own, replace, write_own

__all__ = ["MAX_PROFILES", "MAX_REMEMBERED", "Profiles"]

log = logging.getLogger(__name__)

VERSION = 1
MAX_FILE_BYTES = 16 * 2**20
"""Of the file: as many entries as there can be, and each as long as it can be."""
MAX_PROFILES = 1000
"""Connections that can be saved."""
MAX_REMEMBERED = 200
"""Hosts whose last choice is kept; the oldest go first."""

_Entry = TypeVar("_Entry", bound=BaseModel)


class Profiles:
    """The file; read afresh at each call, since several servers may share it. Blocks: use a thread.

    Parameters
    ----------
    path
        Default: ``runicorn/profiles.json`` in Jupyter's data folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(jupyter_data_dir()) / "runicorn" / "profiles.json"

    def list(self) -> builtins.list[Profile]:
        """List the saved connections, by name; entries that are not understood are left out."""
        found = _entries(self._read(), "profiles", Profile)
        return sorted(found, key=lambda profile: profile.name.casefold())

    def save(self, profile: Profile) -> None:
        """Save a connection, replacing the one of its name.

        Raises
        ------
        InvalidParameters
            There are too many.
        InternalError
            The file cannot be written, or is of a later version.
        """

        def change(document: dict[str, Any]) -> None:
            others = [entry for entry in document["profiles"] if _name(entry) != profile.name]
            document["profiles"] = _with(others, [profile])

        self._change(change)

    def add(self, profiles: Iterable[Profile]) -> builtins.list[Profile]:
        """Save connections, but none under a name that is taken; return those that were saved.

        Raises
        ------
        InvalidParameters
            There are too many; none was saved then.
        InternalError
            The file cannot be written, or is of a later version.
        """
        added: builtins.list[Profile] = []

        def change(document: dict[str, Any]) -> None:
            taken = {_name(entry) for entry in document["profiles"]}
            unique = {profile.name: profile for profile in profiles}
            added.extend(profile for name, profile in unique.items() if name not in taken)
            document["profiles"] = _with(document["profiles"], added)

        self._change(change)
        return added

    def delete(self, name: str) -> bool:
        """Delete the connection of this name; tell whether there was one.

        Raises
        ------
        InternalError
            The file cannot be written, or is of a later version.
        """
        found = False

        def change(document: dict[str, Any]) -> None:
            nonlocal found
            kept = [entry for entry in document["profiles"] if _name(entry) != name]
            found = len(kept) < len(document["profiles"])
            document["profiles"] = kept

        self._change(change)
        return found

    def recent(self) -> builtins.list[LastChoice]:
        """List what was last opened on each host, the latest first."""
        return _entries(self._read(), "last", LastChoice)[::-1]

    def remember(self, *, host: str, username: str, env_name: str, remote_root: str | None) -> None:
        """Remember what was opened on a host, in place of what was opened there before.

        Parameters
        ----------
        host
            As it was asked for.
        username
            The user there.
        env_name, remote_root
            The environment and the root that were chosen.

        Raises
        ------
        InternalError
            The file cannot be written, or is of a later version.
        """
        choice = LastChoice(
            host=host,
            username=username,
            env_name=env_name,
            remote_root=remote_root,
            used_at=datetime.now(UTC),
        )

        def change(document: dict[str, Any]) -> None:
            others = [
                entry
                for entry in document["last"]
                if not isinstance(entry, dict)
                or (entry.get("host"), entry.get("username")) != (host, username)
            ]
            document["last"] = [*others, choice.model_dump(mode="json")][-MAX_REMEMBERED:]

        self._change(change)

    def _read(self) -> dict[str, Any]:
        try:
            return _parse(read_own(self._path, MAX_FILE_BYTES))
        except OSError as exc:
            raise self._unusable("read", exc) from exc

    def _unusable(self, what: str, exc: OSError) -> InternalError:
        if isinstance(exc, NotPrivate):
            log.warning("%s or its folder is not used: %s", self._path, exc)
            return InternalError(f"The file of saved connections, or its folder, is not used: {exc}.")
        log.error("%s cannot be %s: %s", self._path, what, exc)
        return InternalError(f"The file of saved connections cannot be {what}.")

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        def rewrite(old: bytes) -> bytes:
            document = _parse(old)
            if document["version"] != VERSION:
                raise InternalError(
                    "The saved connections were written by a later version of runicorn-jupyter, "
                    "which this one must not change: update it."
                )
            if old and not _is_json(old):
                # Somebody's editing went wrong: their text is theirs.
                write_own(self._path.with_suffix(".broken.json"), old)
            change(document)
            return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()

        try:
            own_folder(self._path.parent)
            replace(self._path, rewrite, own=True)
        except OSError as exc:
            raise self._unusable("written", exc) from exc


def _parse(data: bytes) -> dict[str, Any]:
    loaded: Any = {}
    if data.strip():
        try:
            loaded = read_json(data, max_size=MAX_FILE_BYTES)
        except InvalidJson as exc:
            log.warning("the file of saved connections counts as empty: %s", exc)
    document: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    document.setdefault("version", VERSION)
    for name in ("profiles", "last"):
        if not isinstance(document.get(name), list):
            document[name] = []
    return document


def _with(entries: builtins.list[Any], profiles: builtins.list[Profile]) -> builtins.list[Any]:
    everything = [*entries, *(profile.model_dump(mode="json", exclude_none=True) for profile in profiles)]
    if profiles and len(everything) > MAX_PROFILES:
        raise InvalidParameters(f"{MAX_PROFILES} connections are saved, the most there can be.")
    return everything


def _is_json(data: bytes) -> bool:
    try:
        read_json(data, max_size=MAX_FILE_BYTES)
    except InvalidJson:
        return False
    return True


def _entries(document: dict[str, Any], key: str, model: type[_Entry]) -> builtins.list[_Entry]:
    found = []
    for entry in document[key]:
        try:
            found.append(model.model_validate(entry))
        except ValidationError:
            # Not its content: a person may have put a password there.
            log.warning("a saved connection is not understood and was left out: %r", _name(entry))
    return found


def _name(entry: Any) -> Any:
    return entry.get("name") if isinstance(entry, dict) else None
