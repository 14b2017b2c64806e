"""What our reader of the ssh config makes of a host, as lines of the doctor's report."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from runicorn_jupyter.doctor.here import agent_of
from runicorn_jupyter.doctor.report import Check
from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.hostkeys.known_hosts import KnownHosts

__all__ = ["describe_target"]


def describe_target(target: Target) -> Iterator[Check]:
    """Say where a host's settings lead; blocks for as long as an agent takes to answer.

    Parameters
    ----------
    target
        The host as the ssh config resolves it.
    """
    section = f"ssh config for {target.asked}"

    def found(name: str, text: str) -> Check:
        return Check(section, name, "ok", text)

    yield found("leads to", f"{target.username}@{target.hostname} port {target.port}")
    if target.proxy_jump:
        yield found("ProxyJump", " → ".join(f"{hop.asked} ({hop.hostname})" for hop in target.proxy_jump))
    for hop in (*target.proxy_jump, target):
        if hop.proxy_command is not None:
            yield found("ProxyCommand", f"{_program(hop.proxy_command)} (its arguments are not shown)")
    keys = [path for path in target.identity_files if path.exists()]
    yield found("keys", ", ".join(map(str, keys)) or "no file of IdentityFile is there")
    if target.identity_agent == "none":
        yield found("agent", "switched off (IdentityAgent none)")
    elif target.identity_agent is not None:
        yield agent_of(section, target.identity_agent)
    yield _known_hosts(section, target)
    yield found("ControlPath", target.control_path or "none that is used")
    if target.preferred_authentications is not None:
        yield found("ways to log in", ", ".join(target.preferred_authentications))
    for note in dict.fromkeys(note for hop in (*target.proxy_jump, target) for note in hop.notes):
        yield found("note", note)


def _program(command: str) -> str:
    """Return the name of a command line's program; what follows it may hold secrets."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    words = words[1:] if words[:1] == ["exec"] else words
    return Path(words[0]).name if words else "nothing"


def _known_hosts(section: str, target: Target) -> Check:
    try:
        count = len(KnownHosts.for_target(target).list([target.known_hosts_name]))
    except (RemoteError, OSError) as error:
        mend = "Make the file readable, or name another by UserKnownHostsFile."
        return Check(section, "known_hosts", "problem", str(error), mend)
    paths = ", ".join(map(str, target.user_known_hosts)) or "no file of the user's"
    return Check(
        section, "known_hosts", "ok", f"{count} {'key' if count == 1 else 'keys'} on record ({paths})"
    )
