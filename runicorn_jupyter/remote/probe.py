"""One command that tells all we need to know of a remote: ``probe.sh``, and what its answer means."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from runicorn_jupyter.errors import InternalError, SshUnavailable
from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.models import Environment, ServerInfo
from runicorn_jupyter.payload.state_files import MAX_STATE_BYTES
from runicorn_jupyter.remote.bundle import SHELL, shell_input
from runicorn_jupyter.remote.environments import (
    MAX_MINORS,
    MAX_PATH,
    MAX_VARIABLES_BYTES,
    Distribution,
    Found,
    conda_variables,
    list_environments,
)
from runicorn_jupyter.remote.login_environment import (
    KILLED,
    MAX_VARIABLE_BYTES,
    known_lines,
    login_environment,
    silent_shell,
)
from runicorn_jupyter.remote.setup.standalone import Platform
from runicorn_jupyter.remote.viewer_state import ViewerStateFile, read_state
from runicorn_jupyter.ssh.channels.exec_channel import Unfinished
from runicorn_jupyter.ssh.channels.ready import READY
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["PROBE_SECONDS", "Probe", "parse", "probe"]

PROBE_SECONDS = 20.0
"""How long looking takes at most, unless there is less time."""
MAX_ENVIRONMENTS = 500
MAX_LIST_BYTES = 2**20
"""Of the list of environments as JSON, so that no answer of the API is longer however paths are escaped."""
MAX_ROOTS_BYTES = 2**16
"""Of the list of roots as JSON."""
MAX_RECORDS = 10000
"""Far more than so many environments make; the rest of a longer answer is not looked at."""
MAX_OUTPUT_BYTES = 4 * 2**20
MAX_CONFIG_BYTES = 65536
"""Of runicorn's ``config.json``; probe.sh reads no more."""
MAX_DIGITS = 18
"""Of a number of bytes."""
# The fields that follow each tag of probe.sh, by how many bytes each may have.
_LINE = 256
_FIELDS: dict[str, tuple[int, ...]] = {
    "system": (_LINE, _LINE, _LINE, _LINE, _LINE, MAX_PATH, MAX_PATH),
    "python3": (MAX_PATH, _LINE),
    "login": (_LINE, _LINE, _LINE),
    "variable": (MAX_VARIABLE_BYTES,),
    "config": (MAX_CONFIG_BYTES,),
    "root": (MAX_PATH, MAX_DIGITS),
    "viewer": (MAX_STATE_BYTES, MAX_PATH),
    "user": (),
    "env": (_LINE, MAX_PATH, MAX_PATH, MAX_PATH, _LINE, MAX_PATH, _LINE, MAX_PATH),
    "variables": (MAX_VARIABLES_BYTES,),
    "size": (MAX_DIGITS,),
    "dist": (MAX_PATH, _LINE),
    "named": (MAX_PATH,),
    "platform": (_LINE, _LINE, _LINE, _LINE, MAX_PATH),
    "end": (_LINE,),
}
# How many of a kind count; of variables and distributions: for each environment, and the home.
_MOST = {
    "system": 1,
    "python3": 1,
    "named": 1,
    "platform": 1,
    "login": 1,
    "config": 2,
    "root": 100,
    "viewer": 100,
    "variables": 1,
    "size": 1,
    "dist": 64,
}
_OF_EACH_ENVIRONMENT = {"variables", "size", "dist"}
_Item = TypeVar("_Item")
_KINDS = {
    "base",
    "conda",
    "venv",
    "private",
    "project",
    "pyenv",
    "asdf",
    "mise",
    "uv",
    "module",
    "system",
    "named",
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
        Folders that look like storage roots, each with how many runs it has; 1000 may be more.
    variables
        What that user's login shell exports beyond what commands get without it; None if it did not say. They
        may be secrets.
    notes
        Sentences on what could not be found out.
    named
        The prefix of what was looked at by its path; empty if there is none.
    platform
        What a Python would have to fit; None where there is a ``python3`` that will do.
    """

    server: ServerInfo = field(default_factory=ServerInfo)
    environments: list[Environment] = field(default_factory=list)
    viewers: list[ViewerStateFile] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    home: str = ""
    roots: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] | None = field(default=None, repr=False)
    notes: list[str] = field(default_factory=list)
    named: str = ""
    platform: Platform | None = None


async def probe(
    connection: Connection,
    *,
    timeout: float = PROBE_SECONDS,  # noqa: ASYNC109 - of the command
    variables: Mapping[str, str] | None = None,
    wanted: str = "",
) -> Probe:
    """Look at the remote.

    Parameters
    ----------
    connection
        Which leads to it.
    timeout
        Seconds; what was found until then counts, and a note says so.
    variables
        What the login shell said before; None to ask it.
    wanted
        The absolute path of an interpreter or a prefix that is looked at too.

    Raises
    ------
    ConnectionLost
        If the connection is down.
    ConnectionTimeout
        If nothing at all was answered until then: a start-up file of the login shell keeps it.
    """
    mark = secrets.token_hex(16)
    stdin = shell_input(
        "probe.sh", mark=mark, most=str(MAX_ENVIRONMENTS), known=known_lines(variables, mark), wanted=wanted
    )
    try:
        done = await connection.run(
            SHELL, stdin=stdin, ready=READY, timeout=timeout, max_output=MAX_OUTPUT_BYTES
        )
    except Unfinished as unfinished:
        if mark.encode() not in unfinished.stdout:
            raise
        return await asyncio.to_thread(parse, unfinished.stdout, mark)
    except SshUnavailable as unavailable:
        if "cause" in unavailable.details:
            return Probe(notes=[unavailable.message])
        return Probe(notes=[_NO_COMMANDS])
    except InternalError:
        return Probe(notes=["The remote's answer is too long to be true, so nothing of it is used."])
    return await asyncio.to_thread(parse, done.stdout, mark, done.stderr)


def parse(output: bytes, mark: str, errors: bytes = b"") -> Probe:
    """Understand what ``probe.sh`` printed, however much of it came.

    Time, memory and the result are linear in the size of the output, whatever it says. Call it in a thread:
    it may take some tenths of a second.

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


def _records(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the records that are complete, up to the first that is none."""
    at = 0

    def take_field() -> bytes | None:
        nonlocal at
        end = answer.find(b"\0", at)
        begin, at = at, end + 1
        return answer[begin:end] if end >= 0 else None

    while (tag := take_field()) is not None:
        name = tag.decode("ascii", "replace")
        if name not in _FIELDS:
            return
        values = []
        for _ in _FIELDS[name]:
            value = take_field()
            if value is None:
                return
            values.append(value)
        yield name, values


def _last_line(printed: bytes) -> str:
    lines = [
        plain_text(line).strip() for line in printed[-_SAID_BYTES:].decode("utf-8", "replace").splitlines()
    ]
    return next((line[:_SAID_CHARACTERS] for line in reversed(lines) if line), "")


class _Reader:
    """Collects the records of one answer."""

    def __init__(self) -> None:
        self._probe = Probe()
        self._found: list[Found] = []
        self._user_site: list[Distribution] = []
        self._into: list[Distribution] = []
        self._current: Found | None = None
        self._runicorn_dir = ""
        self._login: tuple[str, str, str] | None = None  # what of the login shell; None if it was not asked
        self._variables: list[str] = []
        self._python3 = ("", "")
        self._host = ("", "")
        self._os = ""
        self._states: list[tuple[str, str]] = []
        self._seen: Counter[str] = Counter()
        self._unreadable = 0
        self._left_out = 0
        self._ended = False

    def take(self, tag: str, values: list[bytes]) -> None:
        """Note one record, if it is text, within its bounds, and not one too many of its kind."""
        if tag in ("env", "user"):
            self._current, self._into = None, []  # what follows belongs to no other, even if this is left out
            for kind in _OF_EACH_ENVIRONMENT:
                self._seen[kind] = 0
        self._seen[tag] += 1
        too_long = any(len(value) > most for value, most in zip(values, _FIELDS[tag], strict=True))
        if too_long or self._seen[tag] > _MOST.get(tag, MAX_RECORDS):
            self._left_out += 1
            return
        try:
            texts = [value.decode("utf-8") for value in values]
        except UnicodeDecodeError:
            self._unreadable += 1
            return
        getattr(self, f"_take_{tag}")(*texts)

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

    def _take_login(self, answered: str, shell: str, status: str) -> None:
        self._login = (answered, shell, status)

    def _take_variable(self, line: str) -> None:
        self._variables.append(line)

    def _take_config(self, text: str) -> None:
        try:
            value = read_json_object(text, max_size=MAX_CONFIG_BYTES)
        except InvalidJson:
            self._probe.notes.append("runicorn's config.json on the remote cannot be read.")
            return
        config = _as_text(value)
        root, port = value.get("user_root_dir"), value.get("viewer_port")
        # A path is used as it is; what is of another type says nothing.
        config.pop("user_root_dir", None)
        config.pop("viewer_port", None)
        if isinstance(root, str):
            config["user_root_dir"] = root
        if type(port) is int and 0 < port < 65536:
            config["viewer_port"] = port
        self._probe.config = config

    def _take_root(self, path: str, runs: str) -> None:
        self._probe.roots.setdefault(path, int(runs) if runs.isascii() and runs.isdigit() else 0)

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
        minors = tuple(re.findall(r"lib/py[a-z]{1,9}(\d{1,9}\.\d{1,9})", libs)[-MAX_MINORS:])
        one = Found(kind, path, prefix, python, version, base, inherits.strip().lower() == "true", minors)
        if len(self._found) < MAX_ENVIRONMENTS and kind in _KINDS:
            self._found.append(one)
            self._current, self._into = one, one.distributions
        else:
            self._left_out += 1

    def _take_variables(self, text: str) -> None:
        if self._current is not None:
            self._current.variables = conda_variables(text)

    def _take_size(self, digits: str) -> None:
        if self._current is not None and digits.isascii() and digits.isdigit():
            self._current.size = int(digits)

    def _take_dist(self, path: str, present: str) -> None:
        self._into.append(Distribution(path, present == "yes"))

    def _take_named(self, prefix: str) -> None:
        self._probe.named = prefix

    def _take_platform(self, *facts: str) -> None:
        self._probe.platform = Platform(*facts)

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
        self._take_login_environment()
        probe.environments = list_environments(
            self._found,
            home=probe.home,
            user_site=self._user_site,
            config=probe.config,
            runicorn_dir=self._runicorn_dir,
            python3=self._python3,
        )
        listed = _within(MAX_LIST_BYTES, probe.environments, lambda one: one.model_dump_json())
        if len(listed) < len(probe.environments):
            probe.environments = listed
            probe.notes.append(f"The list is too long to be true; only the first {len(listed)} are listed.")
        roots = _within(MAX_ROOTS_BYTES, list(probe.roots.items()), json.dumps)
        self._left_out += len(probe.roots) - len(roots)
        probe.roots = dict(roots)
        running = [viewer for viewer in map(_running, self._states) if viewer is not None]
        probe.viewers = [viewer for viewer in running if (viewer.host, viewer.boot) == self._host]
        if not self._ended:
            probe.notes.append(
                "Looking for environments took too long or was cut short; what was found is listed."
            )
        if self._unreadable:
            probe.notes.append(f"{self._unreadable} paths are not UTF-8 and are left out.")
        if self._left_out:
            probe.notes.append(
                f"{self._left_out} parts of the remote's answer are too long, or too many of their kind, "
                "and are left out."
            )
        return probe

    def _take_login_environment(self) -> None:
        if self._login is None:
            return
        answered, shell, status = self._login
        if answered == "yes":
            variables, left_out = login_environment(self._variables)
            self._probe.variables = variables
            self._runicorn_dir = variables.get("RUNICORN_DIR", self._runicorn_dir)
            self._left_out += left_out
        else:
            self._probe.notes.append(silent_shell(shell, was_ended=status == KILLED))


def _within(max_bytes: int, items: list[_Item], to_json: Callable[[_Item], str]) -> list[_Item]:
    """Return as many of the first items as together have no more bytes of JSON."""
    kept = []
    for item in items:
        max_bytes -= len(to_json(item).encode())
        if max_bytes < 0:
            break
        kept.append(item)
    return kept


def _running(state: tuple[str, str]) -> ViewerStateFile | None:
    """Return the viewer of a state file, if its process has the start time (proc(5), field 22) it names."""
    text, status = state
    fields = status.split()
    viewer = read_state(text)
    if viewer is None or len(fields) < 20 or fields[0] in ("Z", "X") or fields[19] != viewer.start_time:
        return None
    return viewer


def _as_text(value: Any) -> Any:
    """Return a value of JSON, whose depth `read_json` has bounded, without secrets and as plain text."""
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if not _SECRET.search(key)}
        return {plain_text(key): _as_text(one) for key, one in kept.items()}
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    return plain_text(value) if isinstance(value, str) else value
