"""Resolves a host as ``ssh HOST`` does, by the user's ssh config."""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from dataclasses import replace
from pathlib import Path

from runicorn_jupyter.errors import HostNotAllowed, InvalidParameters, SshUnavailable
from runicorn_jupyter.models import HostAlias
from runicorn_jupyter.ssh.config import openssh
from runicorn_jupyter.ssh.config.evaluator import evaluate
from runicorn_jupyter.ssh.config.home_copy import config_view, read_config
from runicorn_jupyter.ssh.config.patterns import matches
from runicorn_jupyter.ssh.config.target import DEFAULT_PORT, KerberosOptions, Target
from runicorn_jupyter.ssh.config.tokens import (
    ExpansionError,
    connection_tokens,
    expand,
    expand_percent,
    local_user,
)
from runicorn_jupyter.ssh.hostkeys.known_hosts_command import KnownHostsCommand

__all__ = ["Target", "list_aliases", "resolve"]

log = logging.getLogger(__name__)

_MAX_HOPS = 16
_MAX_ALIASES = 2000
# In the order of ssh's own default for PreferredAuthentications.
_SWITCHES = {
    "pubkeyauthentication": "publickey",
    "kbdinteractiveauthentication": "keyboard-interactive",
    "passwordauthentication": "password",
}
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
# What OpenSSH (9.6 and later) refuses in a host or user name, because a ProxyCommand or
# "Match exec" may hand it to a shell: CVE-2023-51385.
_SHELL_CHARACTERS = re.compile(r"[\s\x00-\x1f\x7f'`\"$\\;&<>|(){}]")
_SHELL_CHARACTERS_USER = re.compile(r"[\x00-\x1f\x7f'`\";&<>|(){}]|\s-|\\$")


def resolve(
    host: str,
    *,
    username: str | None = None,
    port: int | None = None,
    run_commands: bool = True,
    timeout: float = 20.0,
) -> Target:
    """Resolve a host by the user's ssh config.

    Blocks: call it in a thread.

    Parameters
    ----------
    host
        A name, address or alias; ``user@host`` and ``ssh://user@host:port`` work too.
    username, port
        Values of the request, which win over the config; None if not given.
    run_commands
        Whether commands of the config may run: ``Match exec`` while resolving, and
        ``ProxyCommand`` when connecting.
    timeout
        Seconds for all of it; the config may run commands and look names up.

    Raises
    ------
    ConnectionTimeout
        It took longer.
    InvalidParameters
        The host or user name has characters that ssh refuses.
    SshUnavailable
        ssh refuses the config.
    HostNotAllowed
        The host needs a ``ProxyCommand`` and ``run_commands`` is false.
    """
    asked = host
    host, username, port = _split_destination(host, username, port)
    target = _Resolver(run_commands, timeout).chain(host, username, port, ())
    for note in dict.fromkeys(note for hop in (*target.proxy_jump, target) for note in hop.notes):
        log.warning("%s: %s", asked, note)
    return replace(target, asked=asked)


def list_aliases() -> list[HostAlias]:
    """List the aliases of the user's ssh config: Include followed, patterns left out.

    Blocks: call it in a thread. Runs no command and asks no network.

    Raises
    ------
    SshUnavailable
        ssh would refuse the config.
    """
    home = Path.home()
    files = read_config(home)
    names: dict[str, None] = {}
    for file in files:
        for line in file.walk():
            if line.keyword == "host":
                names.update((name, None) for name in line.arguments if not re.search(r"[*?!]", name))
    aliases = []
    for name in list(names)[:_MAX_ALIASES]:
        try:
            settings = evaluate(files, name, username=None, port=None, home=home, run_commands=False)
        except SshUnavailable as exc:
            log.warning("ssh config: %s is not listed: %s", name, exc.message)
            continue
        aliases.append(
            HostAlias(
                alias=name,
                hostname=settings["hostname"][0],
                username=settings["user"][0],
                port=int(settings["port"][0]),
                proxy_jump=settings.get("proxyjump", [None])[0],
                identity_file=settings.get("identityfile", [None])[0],
            )
        )
    return aliases


def _split_destination(
    host: str, username: str | None, port: int | None
) -> tuple[str, str | None, int | None]:
    """Split ``ssh``'s argument into host, user and port; the request's own values win."""
    if host.lower().startswith("ssh://"):
        host = host[6:].rstrip("/")
        found = re.fullmatch(r"(.*?)(?::(\d{1,5}))?", host)
        bracketed = re.fullmatch(r"(.*\[.*\])(?::(\d{1,5}))?", host)
        found = bracketed or found
        if found:
            host = found[1]
            port = port or (int(found[2]) if found[2] else None)
    user, at, rest = host.rpartition("@")
    if at:
        host = rest
        username = username or user
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or host.startswith("-") or _SHELL_CHARACTERS.search(host):
        raise InvalidParameters.for_field("host", "has characters that no host name has.")
    if username is not None and (
        not username or username.startswith("-") or _SHELL_CHARACTERS_USER.search(username)
    ):
        raise InvalidParameters.for_field("username", "has characters that no user name has.")
    return host, username, port


class _Resolver:
    """Resolves a host and the jump hosts before it, within one time limit."""

    def __init__(self, run_commands: bool, timeout: float) -> None:
        self._run_commands = run_commands
        self._deadline = time.monotonic() + timeout

    def chain(self, host: str, username: str | None, port: int | None, above: tuple[str, ...]) -> Target:
        """Resolve a host with its jump hosts; ``above`` are those that it is a jump host for."""
        if len(above) > _MAX_HOPS:
            raise SshUnavailable(
                f"The ssh config of {above[0]} jumps in a circle: {' → '.join(above[:6])} …."
            )
        settings, notes = self._settings(host, username, port)
        target, jump = _target(host, settings, notes)
        target = _without_commands(target, self._run_commands)
        if jump is None:
            return target
        hops: list[Target] = []
        for position, hop in enumerate(jump.split(",")):
            hop_host, hop_user, hop_port = _split_destination(
                f"ssh://{hop.removeprefix('ssh://')}", None, None
            )
            resolved = self.chain(hop_host, hop_user, hop_port, (*above, host))
            if position == 0:
                hops += resolved.proxy_jump
            # ssh reaches later hops through the earlier ones (-J), which overrides their own proxies.
            else:
                resolved = replace(resolved, proxy_command=None)
            hops.append(replace(resolved, proxy_jump=()))
        return replace(target, proxy_jump=tuple(hops))

    def _settings(
        self, host: str, username: str | None, port: int | None
    ) -> tuple[openssh.Settings, tuple[str, ...]]:
        """Return the settings by ssh, or by our evaluator without it, with notes on what that leaves out."""
        home = Path.home()
        ssh = openssh.find_ssh()
        if ssh is not None:
            try:
                with config_view(home, self._run_commands) as view:
                    settings = openssh.query(
                        ssh,
                        host,
                        username=username,
                        port=port,
                        config=view.path,
                        timeout=max(0.0, self._deadline - time.monotonic()),
                        rename_paths=view.rename_paths,
                    )
            except openssh.NoSuchLocalUser:
                log.info("ssh does not run for a user that the user database does not know")
            else:
                return view.restore(settings), ()
        settings = evaluate(
            read_config(home), host, username=username, port=port, home=home, run_commands=self._run_commands
        )
        return settings, ("OpenSSH's client was not found: the ssh config was read without it.",)


def _without_commands(target: Target, run_commands: bool) -> Target:
    """Apply the administrator's ban on commands: refuse ProxyCommand, drop KnownHostsCommand."""
    if run_commands:
        return target
    if target.proxy_command is not None:
        raise HostNotAllowed(
            f"The ssh config reaches {target.asked} by a ProxyCommand, "
            "and the administrator of this server has switched commands of ssh configs off."
        )
    if target.known_hosts_command is None:
        return target
    note = "KnownHostsCommand of the ssh config is not run: the administrator has switched commands off."
    return replace(target, known_hosts_command=None, notes=(*target.notes, note))


def tokens_of(settings: openssh.Settings, host: str) -> dict[str, str]:
    """Return the ``%`` tokens for a host's settings."""
    return connection_tokens(
        asked=host,
        hostname=_one(settings, "hostname") or host,
        port=int(_one(settings, "port") or DEFAULT_PORT),
        username=_one(settings, "user") or local_user(),
        alias=_one(settings, "hostkeyalias"),
        jump=_one(settings, "proxyjump"),
        home=Path.home(),
    )


def _one(settings: openssh.Settings, name: str) -> str | None:
    values = settings.get(name)
    return values[0] if values and values[0].lower() not in ("", "none") else None


def _target(host: str, settings: openssh.Settings, notes: tuple[str, ...]) -> tuple[Target, str | None]:
    """Turn ssh's answer into a target and its ProxyJump."""

    def one(name: str) -> str | None:
        return _one(settings, name)

    home = Path.home()
    tokens = tokens_of(settings, host)

    def files(name: str) -> tuple[Path, ...]:
        values = [value for value in settings.get(name, ()) if value and value.lower() != "none"]
        return tuple(Path(expand(part, tokens, home)) for value in values for part in _paths(name, value))

    try:
        command, told = one("proxycommand"), one("knownhostscommand")
        if command and one("proxyusefdpass") == "yes":
            raise SshUnavailable(
                f"The ssh config of {host} uses ProxyUseFDPass, which is not supported here: "
                "give it a ProxyCommand that carries the data, or a ProxyJump."
            )
        target = Target(
            asked=host,
            hostname=tokens["h"],
            port=int(tokens["p"]),
            username=tokens["r"],
            identity_files=files("identityfile"),
            identities_only=one("identitiesonly") == "yes",
            identity_agent=_agent(settings, tokens, home),
            certificate_files=files("certificatefile"),
            proxy_command=expand_percent(command, tokens) if command else None,
            user_known_hosts=files("userknownhostsfile"),
            global_known_hosts=files("globalknownhostsfile"),
            host_key_alias=one("hostkeyalias"),
            connect_timeout=float(one("connecttimeout") or 0) or None,
            address_family=_FAMILIES.get(one("addressfamily") or "any", socket.AF_UNSPEC),
            preferred_authentications=_methods(settings),
            strict_host_key_checking=_strictness(one("stricthostkeychecking")),
            hash_known_hosts=one("hashknownhosts") == "yes",
            revoked_host_keys=files("revokedhostkeys"),
            server_alive_interval=float(one("serveraliveinterval") or 0),
            server_alive_count_max=int(one("serveralivecountmax") or 3),
            number_of_password_prompts=int(one("numberofpasswordprompts") or 3),
            bind_address=one("bindaddress"),
            known_hosts_command=KnownHostsCommand(told, tuple(tokens.items())) if told else None,
            check_host_ip=one("checkhostip") == "yes",
            no_host_authentication_for_localhost=one("nohostauthenticationforlocalhost") == "yes",
            update_host_keys=one("updatehostkeys") in ("yes", "true"),
            pkcs11_provider=one("pkcs11provider"),
            kerberos=_kerberos(settings),
            control_path=_control_path(settings),
            environment=_environment(settings),
            notes=notes,
        )
        jump = one("proxyjump")
        jump = expand_percent(jump, tokens) if jump else None
    except ExpansionError as exc:
        raise SshUnavailable(f"The ssh config for {host} cannot be used: {exc}.") from exc
    return target, jump


def _control_path(settings: openssh.Settings) -> str | None:
    """Return the socket of a master to use, which ``ssh -G`` has expanded; None where ssh would use none.

    With ``yes`` and ``ask`` ssh becomes a master itself. With ``autoask`` the master asks a person about each
    session, and each tunnel would be a question.
    """
    path = _one(settings, "controlpath")
    return path if _one(settings, "controlmaster") in (None, "no", "false", "auto") else None


def _kerberos(settings: openssh.Settings) -> KerberosOptions | None:
    """Return what the config says of Kerberos; None where it is off, as it is by ssh's own default."""
    if _one(settings, "gssapiauthentication") not in ("yes", "true"):
        return None
    delegate = _one(settings, "gssapidelegatecredentials") in ("yes", "true")
    return KerberosOptions(delegate, _one(settings, "gssapiserveridentity"))


def _environment(settings: openssh.Settings) -> tuple[tuple[str, str], ...]:
    """Return the variables to send: of this process those that SendEnv names, then those of SetEnv."""
    patterns = [word for line in settings.get("sendenv", ()) for word in line.split()]
    sent = {
        name: value
        for name, value in os.environ.items()
        if any(matches(name, pattern) for pattern in patterns)
    }
    for line in settings.get("setenv", ()):
        name, equals, value = line.partition("=")
        if equals and name:
            sent[name] = value
    return tuple(sent.items())


def _paths(name: str, value: str) -> list[str]:
    """Split a line of ``ssh -G`` into paths; a word that begins no path belongs to the last one."""
    if name not in ("userknownhostsfile", "globalknownhostsfile", "revokedhostkeys"):
        return [value]
    paths: list[str] = []
    for word in value.split(" "):
        if paths and not (word.startswith(("/", "~")) or Path(word).is_absolute()):
            paths[-1] += f" {word}"
        else:
            paths.append(word)
    return paths


def _agent(settings: openssh.Settings, tokens: dict[str, str], home: Path) -> str | None:
    """Return IdentityAgent: a socket, ``none``, or None for the environment's."""
    value = settings.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    if value == "SSH_AUTH_SOCK":
        return None
    if value.startswith("$") and not value.startswith("${"):
        return os.environ.get(value[1:]) or "none"
    return value if value.lower() == "none" else expand(value, tokens, home)


def _methods(settings: openssh.Settings) -> tuple[str, ...] | None:
    """Return the authentication methods in order; None if the config sets none."""
    off = {
        method
        for option, method in _SWITCHES.items()
        if settings.get(option, ["yes"])[0].lower() in ("no", "false")
    }
    preferred = settings.get("preferredauthentications")
    if preferred is None and not off:
        return None
    by_ticket = ["gssapi-with-mic"] if _kerberos(settings) else []
    names = preferred[0].split(",") if preferred else [*by_ticket, *_SWITCHES.values()]
    return tuple(name for name in names if name not in off)


def _strictness(word: str | None) -> str:
    return {"true": "yes", "false": "no", "off": "no"}.get(word or "ask", word or "ask")
