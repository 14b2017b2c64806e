"""Saved connections, and what was last opened on each host: a JSON file of the user's, never a secret."""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jupyter_core.paths import jupyter_data_dir
from pydantic import BaseModel, ConfigDict, Field

from runicorn_jupyter.models import Profile

MAX_REMEMBERED = 500
"""Hosts whose last choice is kept; the oldest go first."""


class LastChoice(BaseModel):
    """What was last opened on a host."""

    env_name: str
    remote_root: str | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow")

    version: Literal[1] = 1
    profiles: list[Profile] = Field(default_factory=list)
    last: dict[str, LastChoice] = Field(default_factory=dict)


class Profiles:
    """The file; read afresh at each call, since several servers may share it.

    Parameters
    ----------
    path
        Default: ``runicorn/profiles.json`` in Jupyter's data folder.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(jupyter_data_dir()) / "runicorn" / "profiles.json"

    def list(self) -> builtins.list[Profile]:
        """List the saved connections, by name."""
        return sorted(self._read().profiles, key=lambda profile: profile.name.casefold())

    def save(self, profile: Profile) -> None:
        """Save a connection, replacing the one of its name."""
        with self._changing() as document:
            document.profiles = [each for each in document.profiles if each.name != profile.name]
            document.profiles.append(profile)

    def delete(self, name: str) -> bool:
        """Delete the connection of this name; tell whether there was one."""
        with self._changing() as document:
            kept = [each for each in document.profiles if each.name != name]
            found = len(kept) < len(document.profiles)
            document.profiles = kept
        return found

    def last(self, host: str) -> LastChoice | None:
        """Tell what was last opened on ``user@host:port``."""
        return self._read().last.get(host)

    def remember(self, host: str, choice: LastChoice) -> None:
        """Remember what was opened on ``user@host:port``."""
        with self._changing() as document:
            document.last.pop(host, None)
            document.last[host] = choice
            while len(document.last) > MAX_REMEMBERED:
                del document.last[next(iter(document.last))]

    def _read(self) -> _Document:
        try:
            return _Document.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _Document()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[_Document]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = self._read()
            yield document
            descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=".profiles-")
            temporary = Path(name)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(document.model_dump_json(indent=2))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
