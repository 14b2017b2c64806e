"""Copies the ssh config so that ssh reads ``~`` as ``$HOME``, and without commands if asked.

ssh takes ``~`` from the user database; Jupyter, and all its users' programs, from ``$HOME``.
Where the two differ (containers, hubs, tests), or where ``Match exec`` must not run, ssh is
given a rewritten copy of every file of the config, one line for each line.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runicorn_jupyter.ssh.config.openssh import Settings
from runicorn_jupyter.ssh.config.parser import SYSTEM_FOLDER, ConfigFile, ConfigReader, Line, quote

__all__ = ["ConfigView", "config_view", "read_config"]

# Options whose file names ssh expands itself before -G prints them, or that begin with ~.
_PERCENT_FILES = frozenset(
    {"identityfile", "certificatefile", "identityagent", "userknownhostsfile", "revokedhostkeys"}
    | {"controlpath"}
)
_TILDE_FILES = _PERCENT_FILES | {"globalknownhostsfile"}


@dataclass(frozen=True, slots=True)
class ConfigView:
    """A config for ``ssh -F``, with functions to translate ssh's output back.

    Attributes
    ----------
    path
        The file; None where ssh's own default files are right as they are.
    rename_paths
        Replaces the copies' paths by the original ones in ssh's messages.
    restore
        Makes what ``ssh -G`` prints with the copies what it would print without.
    """

    path: Path | None
    rename_paths: Callable[[str], str]
    restore: Callable[[Settings], Settings]


def read_config(home: Path) -> list[ConfigFile]:
    """Read the user's and then the system's config, each where it exists.

    Parameters
    ----------
    home
        The home folder, for ``~``.

    Raises
    ------
    SshUnavailable
        ssh would refuse one of them.
    """
    user = ConfigReader(home).read(home / ".ssh" / "config", check_permissions=True)
    system = ConfigReader(home, user=False).read(SYSTEM_FOLDER / "ssh_config", check_permissions=False)
    return [file for file in (user, system) if file is not None]


@contextmanager
def config_view(home: Path, run_commands: bool) -> Iterator[ConfigView]:
    """Make a config for ssh that exists until the context ends.

    Parameters
    ----------
    home
        The home folder, for ``~``.
    run_commands
        Whether ``Match exec`` may run; a block that needs it does not match otherwise.

    Raises
    ------
    SshUnavailable
        ssh would refuse the config.
    """
    if run_commands and _same_home(home):
        yield ConfigView(None, lambda text: text, lambda settings: settings)
        return
    with tempfile.TemporaryDirectory(prefix="runicorn-ssh-") as folder:
        copy = _Copy(Path(folder), home, run_commands)
        yield ConfigView(copy.write(read_config(home)), copy.rename_paths, copy.restore)


def _same_home(home: Path) -> bool:
    if sys.platform == "win32":
        return True
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir) == home
    except KeyError:
        return True  # ssh refuses to run for such a user; there is nothing to map


class _Copy:
    def __init__(self, folder: Path, home: Path, run_commands: bool) -> None:
        self._folder = folder
        self._home = home
        self._run_commands = run_commands
        self._names: dict[Path, Path] = {}
        # Leads to the same file, and tells it from one that the config names.
        self._default = f"{home}/./.ssh/known_hosts"

    def write(self, files: list[ConfigFile]) -> Path:
        """Write copies of all files, and the one that includes them as ssh reads its own two."""
        lines = [f"Include {quote(str(self._copy(file)))}" for file in files]
        defaults = [quote(_escape_percent(f"{self._default}{number}")) for number in ("", 2)]
        lines += ["Host *", f"UserKnownHostsFile {' '.join(defaults)}"]
        path = self._folder / "config"
        path.write_bytes("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
        return path

    def rename_paths(self, text: str) -> str:
        for original, copy in self._names.items():
            text = str(original).join(re.split(re.escape(str(copy)) + r"\b", text))
        return text

    def restore(self, settings: Settings) -> Settings:
        """Undo what naming the default files does: UpdateHostKeys is off by default for files with a name.

        Who switches it off is rendered as ``ask``, so that ``false`` here is the default of named files.
        """
        files = settings.get("userknownhostsfile", [""])
        if not files[0].startswith(self._default):
            return settings
        plain = files[0].replace(self._default, f"{self._home}/.ssh/known_hosts")
        settings = {**settings, "userknownhostsfile": [plain, *files[1:]]}
        values = settings.get("updatehostkeys"), settings.get("verifyhostkeydns", ["false"])
        return {**settings, "updatehostkeys": ["true"]} if values == (["false"], ["false"]) else settings

    def _copy(self, file: ConfigFile) -> Path:
        if file.path not in self._names:
            path = self._names[file.path] = self._folder / f"part{len(self._names)}"
            rendered: list[str] = []
            for line in file.lines:
                rendered += [""] * (line.number - len(rendered) - 1)
                rendered.append(self._render(line))
            path.write_bytes("\n".join([*rendered, ""]).encode("utf-8", "surrogateescape"))
            path.chmod(0o600)
        return self._names[file.path]

    def _render(self, line: Line) -> str:
        if line.keyword == "include":
            names = [quote(str(self._copy(file))) for file in line.includes]
            return f"Include {' '.join(names)}" if names else ""
        if line.keyword == "match" and not self._run_commands and _may_execute(line):
            return "Host !*"
        if line.keyword == "updatehostkeys" and line.arguments[0].lower() in ("no", "false"):
            return " ".join([line.keyword, "ask", *map(quote, line.arguments[1:])])
        if line.keyword == "userknownhostsfile" and line.arguments == ("~/.ssh/known_hosts",):
            return f"{line.keyword} {quote(_escape_percent(self._default))}"
        if line.keyword in _TILDE_FILES:
            percent = line.keyword in _PERCENT_FILES
            return " ".join([line.keyword, *(quote(self._at_home(arg, percent)) for arg in line.arguments)])
        return f"{line.keyword} {line.rest}"

    def _at_home(self, name: str, percent: bool) -> str:
        home = _escape_percent(str(self._home)) if percent else str(self._home)
        if name == "~" or name.startswith("~/"):
            name = home + name[1:]
        if percent:
            name = re.sub(r"%(.)", lambda found: home if found[1] == "d" else found[0], name)
        return name


def _may_execute(line: Line) -> bool:
    """Return whether a Match line may contain ``exec``, however quoted; may be true without one."""
    words = re.split(r"[\s=,]+", re.sub(r"[\"'\\]", "", line.rest).lower())
    return any(word.lstrip("!") == "exec" for word in words)


def _escape_percent(text: str) -> str:
    return text.replace("%", "%%")
