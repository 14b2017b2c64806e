"""Evaluates an ssh config for a host without OpenSSH's client.

Gives what ``ssh -G`` prints, for the options that connecting needs. Names are not
canonicalised, and Match criteria that need the running ssh do not match; each says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.child_process import run
from runicorn_jupyter.ssh.config.openssh import Settings
from runicorn_jupyter.ssh.config.parser import MAX_DEPTH, ConfigFile, Line
from runicorn_jupyter.ssh.config.patterns import matches, matches_list
from runicorn_jupyter.ssh.config.tokens import (
    ExpansionError,
    connection_tokens,
    expand,
    expand_percent,
    local_user,
)

__all__ = ["evaluate"]

log = logging.getLogger(__name__)

_FLAGS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_STRICT = {"yes": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_STRICT |= {"ask": "ask", "accept-new": "accept-new"}
_YES_NO_ASK = {"yes": "true", "true": "true", "no": "false", "false": "false", "ask": "ask"}
_FIRST_WORD = frozenset(
    {"hostname", "user", "hostkeyalias", "preferredauthentications", "bindaddress", "bindinterface"}
    | {"identityagent", "revokedhostkeys", "numberofpasswordprompts", "serveralivecountmax", "tag"}
    | {"addressfamily", "pubkeyauthentication", "pkcs11provider", "controlpath", "gssapiserveridentity"}
)
_FLAG_OPTIONS = frozenset({"identitiesonly", "hashknownhosts", "proxyusefdpass"}) | {
    *("passwordauthentication", "kbdinteractiveauthentication"),
    *("checkhostip", "nohostauthenticationforlocalhost"),
    *("gssapiauthentication", "gssapidelegatecredentials"),
}
_MASTER = {"yes": "true", "true": "true", "no": "false", "false": "false"}
_MASTER |= {"auto": "auto", "ask": "ask", "autoask": "autoask"}
_TABLES = {
    "controlmaster": _MASTER,
    "stricthostkeychecking": _STRICT,
    "updatehostkeys": _YES_NO_ASK,
    "verifyhostkeydns": _YES_NO_ASK,
}
_TIMES = frozenset({"connecttimeout", "serveraliveinterval"})
_LISTS = frozenset({"userknownhostsfile", "globalknownhostsfile", "setenv"})
_ACCUMULATE = frozenset({"identityfile", "certificatefile"})
_COMMANDS = frozenset({"proxycommand", "knownhostscommand"})
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# As readconf.c has them.
_OLD_NAMES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "tisauthentication": "kbdinteractiveauthentication",
    "dsaauthentication": "pubkeyauthentication",
}
_DEFAULT_IDENTITIES = ("rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk", "xmss", "dsa")
_DEFAULT_FILE = ["~/.ssh/known_hosts"]
_MATCH_SECONDS = 20.0


def evaluate(
    files: Sequence[ConfigFile],
    host: str,
    *,
    username: str | None,
    port: int | None,
    home: Path,
    run_commands: bool,
) -> Settings:
    """Evaluate the settings of a host.

    Parameters
    ----------
    files
        The user's and the system's config.
    host
        As it was asked for.
    username, port
        Values of the request; None leaves them to the config.
    home
        The home folder, for ``~``.
    run_commands
        Whether ``Match exec`` may run.

    Raises
    ------
    SshUnavailable
        ssh would refuse the config.
    """
    state = _Evaluation(host, username, port, home, run_commands)
    for file in files:
        state.process(file)
    hostname = state.current_host()
    if state.wants_final_pass:
        state.begin_final_pass(hostname)
        for file in files:
            state.process(file)
    return state.fill_defaults(hostname)


class _Evaluation:
    def __init__(
        self, host: str, username: str | None, port: int | None, home: Path, run_commands: bool
    ) -> None:
        self._asked = host
        self._host = host
        self._home = home
        self._run_commands = run_commands
        self._final = False
        self.wants_final_pass = False
        self._values: Settings = {}
        if username is not None:
            self._values["user"] = [username]
        if port is not None:
            self._values["port"] = [str(port)]

    def process(self, file: ConfigFile, active: bool = True, never: bool = False, depth: int = 0) -> None:
        """Apply the lines of a file; its Host and Match blocks end with it."""
        if depth > MAX_DEPTH:
            raise SshUnavailable("Your ssh config includes itself: too many nested Include lines.")
        for line in file.lines:
            try:
                if line.keyword == "host":
                    active = not never and self._host_matches(line.arguments)
                elif line.keyword == "match":
                    active = self._match(line) and not never
                elif line.keyword == "include":
                    for included in line.includes:
                        self.process(included, active, never or not active, depth + 1)
                elif active:
                    self._set(line)
            except (ValueError, ExpansionError) as exc:
                name = str(file.path).replace(f"{self._home}/", "~/", 1)
                raise SshUnavailable(
                    f"ssh refuses your ssh config: {name} line {line.number}: {exc}."
                ) from exc

    def current_host(self) -> str:
        """Return the host name that the lines so far give."""
        if self._final:
            return self._host
        name = self._values.get("hostname")
        return expand_percent(name[0], {"h": self._asked}) if name else self._asked

    def begin_final_pass(self, hostname: str) -> None:
        self._final = True
        self._host = hostname
        self._values["hostname"] = [hostname]

    def fill_defaults(self, hostname: str) -> Settings:
        """Fill in ssh's defaults."""
        values = self._values
        values["host"] = [self._asked]
        values["hostname"] = [hostname.lower()]
        values.setdefault("user", [local_user()])
        values.setdefault("port", ["22"])
        values.setdefault("identityfile", [f"~/.ssh/id_{kind}" for kind in _DEFAULT_IDENTITIES])
        dns = values.get("verifyhostkeydns", ["false"])
        learns = dns == ["false"] and values.get("userknownhostsfile", _DEFAULT_FILE) == _DEFAULT_FILE
        values.setdefault("updatehostkeys", ["true" if learns else "false"])
        values.setdefault(
            "userknownhostsfile",
            [str(self._home / ".ssh" / name) for name in ("known_hosts", "known_hosts2")],
        )
        values.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"])
        if values.get("proxyjump") == ["none"]:
            del values["proxyjump"]
        if values.get("controlpath", ["none"]) != ["none"]:
            values["controlpath"] = [self._control_path(values)]
        if "hostkeyalias" in values:
            values["hostkeyalias"] = [values["hostkeyalias"][0].lower()]
        return values

    def _control_path(self, values: Settings) -> str:
        tokens = connection_tokens(
            asked=self._asked,
            hostname=values["hostname"][0],
            port=int(values["port"][0]),
            username=values["user"][0],
            alias=values.get("hostkeyalias", [None])[0],
            jump=values.get("proxyjump", [None])[0],
            home=self._home,
        )
        try:
            return expand(values["controlpath"][0], tokens, self._home)
        except ExpansionError as exc:
            raise SshUnavailable(f"ssh refuses your ssh config: ControlPath: {exc}.") from exc

    def _host_matches(self, patterns: Sequence[str]) -> bool:
        found = False
        for pattern in patterns:
            if not pattern:
                raise ValueError("an empty Host pattern")
            if matches(self._host, pattern.removeprefix("!")):
                if pattern.startswith("!"):
                    return False
                found = True
        return found

    def _match(self, line: Line) -> bool:
        result = True
        criteria = list(_criteria(line.arguments))
        if not criteria:
            raise ValueError("one or more attributes required for Match")
        for name, negated, argument in criteria:
            if name == "exec" and not result:
                continue  # ssh does not run it either
            result = self._criterion(name, negated, argument) and result
        return result

    def _criterion(self, name: str, negated: bool, argument: str) -> bool:
        if name == "all":
            return not negated
        if name in ("final", "canonical"):
            self.wants_final_pass |= name == "final" and not self._final
            return self._final != negated
        if name == "exec":
            return self._run_commands and self._run(argument) != negated
        subject = {
            "host": self.current_host(),
            "originalhost": self._asked,
            "user": self._values.get("user", [local_user()])[0],
            "localuser": local_user(),
            "tagged": self._values.get("tag", [""])[0],
            "command": "",  # `ssh HOST` has none, and asks for a shell
            "sessiontype": "shell",
        }.get(name)
        if subject is None:
            log.warning("ssh config: 'Match %s' is not understood without OpenSSH: not matched", name)
            return False
        if name in ("tagged", "command") and not subject:
            return (argument == "") != negated
        if name in ("host", "originalhost"):
            subject, argument = subject.lower(), argument.lower()
        return matches_list(subject, argument) != negated

    def _run(self, command: str) -> bool:
        try:
            tokens = connection_tokens(
                asked=self._asked,
                hostname=self.current_host(),
                port=int(self._values.get("port", ["22"])[0]),
                username=self._values.get("user", [local_user()])[0],
                alias=self._values.get("hostkeyalias", [None])[0],
                jump=None,
                home=self._home,
            )
            return run(expand_percent(command, tokens), timeout=_MATCH_SECONDS).status == 0
        except TimeoutError as exc:
            raise ValueError("the command of 'Match exec' took too long") from exc

    def _set(self, line: Line) -> None:
        name, arguments = _OLD_NAMES.get(line.keyword, line.keyword), line.arguments
        if name in _COMMANDS:
            self._set_command(name, line.rest.lstrip(" \t=") or "none")
        elif name == "proxyjump":
            self._set_jump(line.rest)
        elif not arguments or not arguments[0]:
            raise ValueError("missing argument")
        elif name in _ACCUMULATE:
            if arguments[0] not in self._values.setdefault(name, []):
                self._values[name].append(arguments[0])
        elif name == "sendenv":
            for pattern in arguments:
                self._send(pattern)
        elif name in _LISTS:
            self._values.setdefault(name, list(arguments))
        else:
            value = _value(name, arguments[0])
            if value is not None:
                self._values.setdefault(name, [value])

    def _send(self, pattern: str) -> None:
        """Add a pattern of SendEnv; one with a minus takes those away that it matches."""
        known = self._values.setdefault("sendenv", [])
        if pattern.startswith("-"):
            known[:] = [one for one in known if not matches(one, pattern[1:])]
        elif pattern not in known:
            known.append(pattern)

    def _set_command(self, name: str, command: str) -> None:
        if name != "proxycommand" or "proxyjump" not in self._values:
            self._values.setdefault(name, [command])

    def _set_jump(self, rest: str) -> None:
        hops = rest.partition("#")[0].strip(" \t\r\n=")
        if "proxycommand" in self._values or "proxyjump" in self._values:
            return
        if hops.lower() == "none":
            self._values["proxyjump"] = ["none"]
            return
        if not all(
            re.fullmatch(r"(ssh://)?([^@]+@)?(\[[^\]]+\]|[^:@/]+)(:\d+)?/?", hop) for hop in hops.split(",")
        ):
            raise ValueError("invalid ProxyJump")
        self._values["proxyjump"] = [hops]


def _value(name: str, text: str) -> str | None:
    """Return a value as ``ssh -G`` prints it; None for an option that connecting does not use."""
    if name == "refuseconnection":
        raise ValueError(text)
    if name == "port":
        if not text.isdigit() or not 0 < int(text) <= 65535:
            raise ValueError("bad port number")
        return str(int(text))
    if name in _TIMES:
        return _seconds(text)
    table = _FLAGS if name in _FLAG_OPTIONS else _TABLES.get(name)
    if table is not None:
        if text.lower() not in table:
            raise ValueError(f"unsupported option {text!r}")
        return table[text.lower()]
    return text if name in _FIRST_WORD else None


def _seconds(text: str) -> str:
    """Convert a time such as ``1h30m`` to seconds (``convtime``)."""
    if text == "none":
        return text
    if not re.fullmatch(r"\d+(?:[smhdwSMHDW]\d+)*[smhdwSMHDW]?", text):
        raise ValueError("invalid time value")
    parts = re.findall(r"(\d+)([smhdwSMHDW]?)", text)
    return str(sum(int(number) * _UNITS[unit.lower()] for number, unit in parts))


def _criteria(arguments: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
    """Take a Match line apart: name, negated, argument."""
    words = list(arguments)
    while words:
        word = words.pop(0)
        negated = word.startswith("!")
        name, equals, argument = word.removeprefix("!").partition("=")
        name = name.lower()
        if name not in ("all", "final", "canonical") and not equals:
            if not words:
                raise ValueError(f"missing argument for Match {name}")
            argument = words.pop(0)
        yield name, negated, argument
