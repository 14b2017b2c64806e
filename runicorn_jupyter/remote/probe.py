"""One command that tells all we need to know of a remote: ``probe.sh``, and what its answer means."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import ConnectionTimeout, InternalError, SshUnavailable
from runicorn_jupyter.models import Environment, ServerInfo
from runicorn_jupyter.remote.bundle import SHELL, shell_input
from runicorn_jupyter.remote.environments import Distribution, Found, conda_variables, list_environments
from runicorn_jupyter.remote.state import RunningViewer, parse_state
from runicorn_jupyter.ssh.command import Unfinished
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["PROBE_SECONDS", "Probe", "parse", "probe"]

PROBE_SECONDS = 20.0
"""How long looking takes at most, unless there is less time."""
MAX_ENVIRONMENTS = 500
MAX_DEPTH = 50
"""Of runicorn's configuration; its own has three."""
MAX_RECORDS = 20000
"""Far more than so many environments make; the rest of a longer answer is not looked at."""
MAX_OUTPUT_BYTES = 4 * 2**20
# How many fields follow each tag of probe.sh.
_FIELDS = {
    "system": 7,
    "python3": 2,
    "config": 1,
    "root": 1,
    "viewer": 2,
    "user": 0,
    "env": 8,
    "variables": 1,
    "dist": 2,
    "end": 1,
}
_SECRET = re.compile("pass|secret|token|credential|private|ssh_connections|api_?key", re.IGNORECASE)
_SAID_BYTES, _SAID_CHARACTERS = 4096, 200
_NO_COMMANDS = "The server does not run commands for this account, so nothing is known of it."


@dataclass
class Probe:
    """What a remote is found to be.

    Attributes
    ----------
    server
        Host name, system and ``python3``; all null where no command runs.
    environments
        In the order of the API.
    viewers
        Ours that run there.
    config
        That user's runicorn ``config.json`` without secrets.
    home
        That user's home; empty where no command runs.
    roots
        Folders that look like storage roots.
    notes
        Sentences on what could not be found out.
    """

    server: ServerInfo = field(default_factory=ServerInfo)
    environments: list[Environment] = field(default_factory=list)
    viewers: list[RunningViewer] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    home: str = ""
    roots: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def probe(connection: Connection, *, timeout: float = PROBE_SECONDS) -> Probe:  # noqa: ASYNC109 - of the command
    """Look at the remote.

    Parameters
    ----------
    connection
        Which leads to it.
    timeout
        Seconds; what was found until then counts, and a note says so.

    Raises
    ------
    ConnectionLost
        If the connection is down.
    ConnectionTimeout
        If nothing at all was answered until then.
    """
    mark = secrets.token_hex(16)
    stdin = shell_input("probe.sh", mark=mark, most=str(MAX_ENVIRONMENTS))
    try:
        done = await connection.run(SHELL, stdin=stdin, timeout=timeout, max_output=MAX_OUTPUT_BYTES)
    except Unfinished as unfinished:
        if mark.encode() not in unfinished.stdout:
            raise ConnectionTimeout(
                f"The server's shell did not answer within {timeout:.3g} seconds."
            ) from unfinished
        return parse(unfinished.stdout, mark)
    except SshUnavailable:
        return Probe(notes=[_NO_COMMANDS])
    except InternalError:
        return Probe(notes=["The remote's answer is too long to be true, so nothing of it is used."])
    return parse(done.stdout, mark, done.stderr)


def parse(output: bytes, mark: str, errors: bytes = b"") -> Probe:
    """Understand what ``probe.sh`` printed, however much of it came.

    Parameters
    ----------
    output
        All that the command printed, a noisy shell's own words before and after it included.
    mark
        What stands alone before the answer.
    errors
        What it printed to its standard error; where there is no answer, its last line may say why.
    """
    _, begun, answer = output.partition(f"\n{mark}\0".encode())
    if not begun:
        said = _last_line(errors) or _last_line(output)
        return Probe(notes=[f"{_NO_COMMANDS} It says: {said}" if said else _NO_COMMANDS])
    reader = _Reader()
    for tag, values in islice(_records(answer), MAX_RECORDS):
        reader.take(tag, values)
        if tag == "end":
            break
    return reader.result()


def _records(answer: bytes) -> Iterator[tuple[str, list[str]]]:
    """Yield the records that are complete; ones that are no UTF-8 have ``\\udc…`` in their place."""
    fields = answer.split(b"\0")[:-1]
    at = 0
    while at < len(fields):
        tag = fields[at].decode("utf-8", "replace")
        end = at + 1 + _FIELDS.get(tag, len(fields))
        if end > len(fields):
            return
        yield tag, [value.decode("utf-8", "surrogateescape") for value in fields[at + 1 : end]]
        at = end


def _last_line(printed: bytes) -> str:
    lines = [
        plain_text(line).strip() for line in printed[-_SAID_BYTES:].decode("utf-8", "replace").splitlines()
    ]
    return next((line[:_SAID_CHARACTERS] for line in reversed(lines) if line), "")


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


class _Reader:
    """Collects the records of one answer."""

    def __init__(self) -> None:
        self._probe = Probe()
        self._found: list[Found] = []
        self._user_site: list[Distribution] = []
        self._into: list[Distribution] = []
        self._runicorn_dir = ""
        self._python3 = ("", "")
        self._host = ("", "")
        self._os = ""
        self._states: list[tuple[str, str]] = []
        self._unreadable = 0
        self._ended = False

    def take(self, tag: str, values: list[str]) -> None:
        """Note one record."""
        if all(map(_is_text, values)):
            getattr(self, f"_take_{tag}")(*values)
        else:
            self._unreadable += 1
            self._into = []

    def _take_system(  # noqa: PLR0917 - a record's fields, in their order
        self, host: str, boot: str, system: str, release: str, pretty: str, home: str, runicorn_dir: str
    ) -> None:
        self._host = (host, boot)
        self._os = pretty or f"{system} {release}".strip()
        self._probe.home = home
        self._runicorn_dir = runicorn_dir

    def _take_python3(self, prefix: str, version: str) -> None:
        found = re.fullmatch(r"Python (\d+\.\d+(?:\.\d+)?[\w.+-]{0,20})", version.strip())
        self._python3 = (prefix, found[1]) if found else ("", "")

    def _take_config(self, text: str) -> None:
        try:
            value = json.loads(text)
            config = _as_text(value, MAX_DEPTH) if isinstance(value, dict) else {}
        except (ValueError, RecursionError):
            self._probe.notes.append("runicorn's config.json on the remote cannot be read.")
            return
        if "user_root_dir" in config:
            config["user_root_dir"] = value["user_root_dir"]  # a path is used as it is
        self._probe.config = config

    def _take_root(self, path: str) -> None:
        self._probe.roots.append(path)

    def _take_viewer(self, text: str, status: str) -> None:
        self._states.append((text, status))

    def _take_user(self) -> None:
        self._into = self._user_site

    def _take_env(  # noqa: PLR0917 - a record's fields, in their order
        self,
        kind: str,
        path: str,
        prefix: str,
        python: str,
        version: str,
        base: str,
        inherits: str,
        libs: str,
    ) -> None:
        minors = tuple(re.findall(r"lib/py[a-z]+(\d+\.\d+)", libs))
        one = Found(kind, path, prefix, python, version, base, inherits.strip().lower() == "true", minors)
        self._into = one.distributions
        if len(self._found) < MAX_ENVIRONMENTS and kind in (
            "base",
            "conda",
            "venv",
            "project",
            "pyenv",
            "asdf",
            "mise",
            "system",
        ):
            self._found.append(one)

    def _take_variables(self, text: str) -> None:
        if self._found:
            self._found[-1].variables = conda_variables(text)

    def _take_dist(self, path: str, present: str) -> None:
        self._into.append(Distribution(path, present == "yes"))

    def _take_end(self, more: str) -> None:
        self._ended = True
        if more:
            self._probe.notes.append(f"Only the first {MAX_ENVIRONMENTS} environments are listed.")

    def result(self) -> Probe:
        """Return what all of it says."""
        probe = self._probe
        probe.server = ServerInfo(
            hostname=plain_text(self._host[0]) or None,
            os=plain_text(self._os) or None,
            python_version=self._python3[1] or None,
        )
        probe.environments = list_environments(
            self._found,
            home=probe.home,
            user_site=self._user_site,
            config=probe.config,
            runicorn_dir=self._runicorn_dir,
            python3=self._python3,
        )
        running = [viewer for viewer in map(_running, self._states) if viewer is not None]
        probe.viewers = [viewer for viewer in running if (viewer.host, viewer.boot) == self._host]
        if not self._ended:
            probe.notes.append(
                "Looking for environments took too long or was cut short; what was found is listed."
            )
        if self._unreadable:
            probe.notes.append(f"{self._unreadable} paths are not UTF-8 and are left out.")
        return probe


def _running(state: tuple[str, str]) -> RunningViewer | None:
    """Return the viewer of a state file, if its process has the start time (proc(5), field 22) it names."""
    text, status = state
    fields = status.split()
    try:
        viewer = parse_state(json.loads(text))
    except (ValueError, RecursionError):
        return None
    if viewer is None or len(fields) < 20 or fields[0] in ("Z", "X") or fields[19] != viewer.start_time:
        return None
    return viewer


def _as_text(value: Any, depth: int) -> Any:
    """Return a value of JSON without secrets, every word of it plain text.

    Raises
    ------
    ValueError
        If it is nested deeper than that.
    """
    if not depth:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if not _SECRET.search(key)}
        return {plain_text(key): _as_text(one, depth - 1) for key, one in kept.items()}
    if isinstance(value, list):
        return [_as_text(one, depth - 1) for one in value]
    return plain_text(value) if isinstance(value, str) else value
