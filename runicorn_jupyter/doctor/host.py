"""Tries, step by step, what connecting to a host and looking at it does; nobody is asked for a secret."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NoReturn

from runicorn_jupyter.doctor.report import Check
from runicorn_jupyter.errors import AuthenticationRequired, RemoteError
from runicorn_jupyter.models import Environment, Prompt
from runicorn_jupyter.remote.bundle import SHELL
from runicorn_jupyter.remote.host_client import SshHost
from runicorn_jupyter.remote.machine import OddMachine, describe_parts
from runicorn_jupyter.remote.probe import PROBE_SECONDS, Probe
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.channels.ready import READY
from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.settings import SshSettings
from runicorn_jupyter.ssh.stages import Stage, stages_of

__all__ = ["examine_host"]

SHELL_SECONDS, MACHINE_SECONDS = 15.0, 20.0
MAX_NAMED = 8
"""Environments that are named."""

Tell = Callable[[Check], object]

_STAGES: dict[Stage, tuple[str, str, str]] = {
    "master": ("master", "over the connection of your own ssh (ControlPath)", ""),
    "name": (
        "name resolves",
        "to",
        "Check the spelling and HostName in the ssh config; a VPN may be needed for the name.",
    ),
    "tcp": (
        "TCP opens",
        "to",
        "Check Port in the ssh config, the VPN and firewalls; ask whether sshd runs there.",
    ),
    "banner": (
        "banner",
        "",
        "Check what listens there, or what the ProxyCommand prints; `ssh -v HOST` shows the same.",
    ),
    "host_key": (
        "host key known",
        "",
        "Connect once in JupyterLab, by %runicorn_connect or ssh: compare the fingerprint, then accept it.",
    ),
    "authentication": (
        "authentication",
        "as",
        "Try `ssh -v HOST` here; name the key by IdentityFile, or add it to the agent (`ssh-add`).",
    ),
}
"""Each stage's name, what goes before its finding, and what to do where it fails."""
_MEND = {
    "host_key_changed": "Ask who runs that host; then `ssh-keygen -R HOST` forgets the old key.",
    "host_not_allowed": "Ask the administrator of this Jupyter (allowed_hosts, config_commands).",
}
_AFTERWARDS = ("shell", "environments", "storage root", "machine")


class _PersonAsked(AuthenticationRequired):
    """The server, or a key, asks a person, and the doctor answers nothing."""


def _ask(_instruction: str, prompts: Sequence[Prompt]) -> NoReturn:
    """Note what is asked for, in place of an answer."""
    texts = " ".join(prompt.text.strip() for prompt in prompts)
    raise _PersonAsked(f"a person is asked: {texts or 'nothing but to go on'}")


async def examine_host(target: Target, settings: SshSettings, seconds: float, tell: Tell) -> None:
    """Connect to a host and look at it, and tell each step.

    Parameters
    ----------
    target
        The host as the ssh config resolves it.
    settings
        The administrator's.
    seconds
        For connecting, all hops together.
    tell
        Called with each check as soon as it is known.
    """
    hops = tuple(replace(hop, update_host_keys=False) for hop in target.proxy_jump)
    target = replace(target, update_host_keys=False, proxy_jump=hops)  # looking learns nothing
    stages = _Stages(target, tell)
    try:
        connection = await Connection.open(
            target,
            Credentials(),
            timeout=Deadline(seconds, person_seconds=seconds),
            settings=replace(settings, reconnect_for_seconds=0.0),
            ask=_ask,
            passed=stages.pass_,
            connection_id="doctor",
        )
    except (RemoteError, OSError) as error:
        _raise_if_cancelled(error)
        stages.fail(error)
        for name in _AFTERWARDS:
            tell(Check(f"On {target.asked}", name, "not tried", ""))
        return
    try:
        await _examine_remote(connection, f"On {target.asked}", tell)
    finally:
        await connection.close()


class _Stages:
    """Tells the stages of connecting in their order, as they are passed or not reached."""

    def __init__(self, target: Target, tell: Tell) -> None:
        hops = (*target.proxy_jump, target)
        self._section = f"Connecting to {target.asked}"
        self._tell = tell
        self._is_single = len(hops) == 1
        self._left = [(hop, stage) for hop in hops for stage in stages_of(hop, is_first=hop is hops[0])]

    def pass_(self, hop: Target, stage: Stage, found: str) -> None:
        """Tell a stage that was passed; with a master, forget those that it stands for."""
        if stage == "master":
            last = max(at for at, (each, _) in enumerate(self._left) if each is hop)
            del self._left[: last + 1]
        else:
            self._left.remove((hop, stage))
        _, before, _ = _STAGES[stage]
        self._tell(Check(self._section, self._name(hop, stage), "ok", f"{before} {found}".strip()))

    def fail(self, error: RemoteError | OSError) -> None:
        """Tell the stage at which it ended, and those that were not reached."""
        (hop, stage), *rest = self._left
        name = self._name(hop, stage)
        if isinstance(error, _PersonAsked):
            mend = (
                "JupyterLab and %runicorn_connect ask you that, the doctor does not. If a key should have let"
                " you in without, it was not taken: `ssh -v HOST` shows what was offered."
            )
            self._tell(Check(self._section, name, "not tried", error.message, mend))
        else:
            code = error.code if isinstance(error, RemoteError) else ""
            text = error.message if isinstance(error, RemoteError) else f"failed here: {error.strerror}"
            mend = _MEND.get(code) or _STAGES[stage][2]
            self._tell(Check(self._section, name, "problem", text, mend, code))
        for each, later in rest:
            self._tell(Check(self._section, self._name(each, later), "not tried", ""))

    def _name(self, hop: Target, stage: Stage) -> str:
        name = _STAGES[stage][0]
        return name if self._is_single else f"{hop.asked}: {name}"


async def _examine_remote(connection: Connection, section: str, tell: Tell) -> None:
    """Run what the extension runs on a remote, and tell what it says."""
    left = list(_AFTERWARDS)
    host = SshHost(connection)
    try:
        with _told(section, left, tell):
            await connection.run(SHELL, ready=READY, timeout=SHELL_SECONDS)
            tell(Check(section, left.pop(0), "ok", "a POSIX shell runs our commands"))
        if left[0] == "environments":
            with _told(section, left, tell):
                found = await host.probe(PROBE_SECONDS)
                for check in _environments(section, found):
                    tell(check)
                del left[:2]
            with _told(section, left, tell):
                tell(Check(section, "machine", "ok", await _machine(host)))
                left.clear()
    finally:
        for name in left:
            tell(Check(section, name, "not tried", ""))


def _raise_if_cancelled(error: Exception) -> None:
    """Raise CancelledError where this task was cancelled: what fails by that is no finding."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


@contextlib.contextmanager
def _told(section: str, left: list[str], tell: Tell) -> Iterator[None]:
    """Tell a failure as a problem of the first step that is left, and go on."""
    try:
        yield
    except (RemoteError, OddMachine, OSError, TimeoutError) as error:
        _raise_if_cancelled(error)
        code = error.code if isinstance(error, RemoteError) else ""
        text = str(error) or "no answer in time"
        mend = "`ssh HOST true` has to print nothing and end at once; docs/errors.md says more."
        tell(Check(section, left.pop(0), "problem", text, mend, code))


def _environments(section: str, found: Probe) -> Iterator[Check]:
    """Say which environments have runicorn, and where they keep the runs."""
    usable = [each for each in found.environments if each.runicorn_installed]
    named = ", ".join(f"{each.name} (runicorn {each.runicorn_version or '?'})" for each in usable[:MAX_NAMED])
    more = f" and {len(usable) - MAX_NAMED} more" if len(usable) > MAX_NAMED else ""
    notes = "".join(f"; {note}" for note in found.notes)
    if not usable:
        yield Check(
            section, "environments", "problem", f"none of {len(found.environments)} has runicorn{notes}",
            "Set it up from JupyterLab, by %runicorn_setup, or by `pip install runicorn` on that host.",
            "runicorn_not_installed",
        )  # fmt: skip
        yield Check(section, "storage root", "not tried", "")
        return
    yield Check(
        section, "environments", "ok", f"{len(usable)} of {len(found.environments)}: {named}{more}{notes}"
    )
    yield Check(section, "storage root", "ok", _roots(usable, found))


def _roots(usable: Sequence[Environment], found: Probe) -> str:
    roots = {each.storage_root: each.storage_root_from for each in usable if each.storage_root}
    named = ", ".join(f"{_below_home(root, found)} (by {by})" for root, by in list(roots.items())[:MAX_NAMED])
    looks_like = f"; {len(found.roots)} folders look like one" if found.roots else ""
    return (named or "none is named, runicorn uses its default") + looks_like


def _below_home(path: str, found: Probe) -> str:
    """Write a remote path without the remote home."""
    return f"~{path.removeprefix(found.home)}" if found.home and path.startswith(f"{found.home}/") else path


async def _machine(host: SshHost) -> str:
    """Look at the machine once; raises what `SshHost.watch_machine` does, TimeoutError too."""
    async with asyncio.timeout(MACHINE_SECONDS), host.watch_machine("") as said:
        while not {"machine", "accelerators"} <= said.texts.looked:
            if not await said.read():
                raise OddMachine("it ended before it had told all")
    cpu, memory, _, gpus = describe_parts(said.texts.texts, ())
    total = "memory unknown" if memory.total is None else f"{memory.total / 2**30:.0f} GiB"
    models = ", ".join(sorted({gpu.name or "GPU" for gpu in gpus}))
    return f"{cpu.count or '?'} CPUs, {total}, {len(gpus)} GPUs" + (f" ({models})" if models else "")
