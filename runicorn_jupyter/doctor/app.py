"""The command ``jupyter runicorn doctor``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp, base_aliases, base_flags
from traitlets import Bool

from runicorn_jupyter._version import __version__
from runicorn_jupyter.client.runtime_files import running_servers
from runicorn_jupyter.doctor.here import CHECKS
from runicorn_jupyter.doctor.host import examine_host
from runicorn_jupyter.doctor.report import Check, Redactor, Report, secrets_of
from runicorn_jupyter.doctor.target import describe_target
from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.extension import RunicornJupyter
from runicorn_jupyter.ssh.config import resolver
from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.threads import run_in_thread
from runicorn_jupyter.strict import Amount, sentence

__all__ = ["DoctorApp"]

LOCAL_SECONDS = 30.0
"""For each group of checks on this machine: a server that does not answer takes the longest."""
FLAGS: dict[Any, Any] = {
    "debug": base_flags["debug"],
    "json": ({"DoctorApp": {"json": True}}, "Print JSON instead of Markdown."),
}
ALIASES: dict[Any, Any] = {**base_aliases, "seconds": "DoctorApp.seconds"}
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended."""


class DoctorApp(JupyterApp):
    """Says what is there and what hinders, without a secret, for a person or an issue."""

    name = "jupyter-runicorn-doctor"
    version = __version__
    description = """Say what is there, and with a host try step by step what connecting to it does.

    Nobody is asked for a password, and nothing is changed but that accept-new takes an unknown host key,
    where it is set. The report holds no secret: no token, key, passphrase or home folder; names of hosts and
    users are in it. Exit status 1 says that there is a problem.
    """
    examples = """
jupyter runicorn doctor                 # this machine: Jupyter, ssh, agent, proxies, folders
jupyter runicorn doctor gpu1            # the same, then each step to gpu1, as your ssh config has it
jupyter runicorn doctor me@gpu1 --json  # for a program
"""
    config_file_name = "jupyter_server_config"
    json = Bool(False, config=True, help="Print JSON instead of Markdown.")
    seconds = Amount(30, positive=True, max=600, config=True, help="Seconds for connecting to the host.")
    flags = FLAGS
    aliases = ALIASES
    _unread = ""

    def _log_level_default(self) -> int:
        return logging.CRITICAL  # what is wrong stands in the report

    def load_config_file(self, suppress_errors: bool = True) -> None:  # type: ignore[override]
        """Read the settings of the Jupyter server, and note it if that fails."""
        self.raise_config_file_errors = True
        self._load(super().load_config_file)

    def _settings(self) -> RunicornJupyter:
        """Read the extension's settings as the server does: from the server's files and its own."""
        settings = RunicornJupyter(raise_config_file_errors=True)
        self._load(settings.load_config_file)
        settings.update_config(self.config)
        return settings

    def _load(self, load: Callable[..., None]) -> None:
        try:
            load(suppress_errors=False)
        except Exception as error:  # noqa: BLE001 - a configuration file is a program, which raises what it likes
            self._unread = f"a configuration file could not be loaded: {error}"

    def start(self) -> None:
        """Print the report; end with status 0 if it names no problem."""
        super().start()
        if len(self.extra_args) > 1:
            sys.exit("Name one host, or none: jupyter runicorn doctor [HOST]")
        host = self.extra_args[0] if self.extra_args else None
        logging.getLogger("runicorn_jupyter").parent = self.log
        servers = running_servers()
        secrets = [each for server in servers for each in (server.token, server.credential) if each]
        redact = Redactor([*secrets, *secrets_of(os.environ)], Path.home())
        title = "jupyter runicorn doctor" + (f" {host}" if host else "")
        report = Report(title, redact, None if self.json else _print)
        status, note = INTERRUPTED, "Interrupted"
        try:
            asyncio.run(self._examine(report, host))
            status, note = int(not report.is_well), ""
        except KeyboardInterrupt:
            self.log.debug("interrupted")
        if self.json:
            _print(report.to_json(note))
        else:
            report.end(note)
        self.exit(status)

    async def _examine(self, report: Report, host: str | None) -> None:
        for section, look in CHECKS:
            await _bounded(report, section, look)
        settings = self._settings()
        report.add(_describe_settings(self._unread or sentence(settings.wrong.items())))
        if host is None:
            return
        target = await self._resolve(report, host, run_commands=settings.config_commands)
        if target is not None:
            await _bounded(report, f"ssh config for {host}", lambda: describe_target(target))
            await examine_host(target, settings.ssh_settings(), self.seconds, report.add)

    async def _resolve(self, report: Report, host: str, *, run_commands: bool) -> Target | None:
        """Read the ssh config for a host; tell what hinders it."""
        try:
            return await run_in_thread(
                resolver.resolve, host, run_commands=run_commands, timeout=self.seconds
            )
        except RemoteError as error:
            mend = "Correct what the message names; `ssh -G HOST` says the same."
            report.add(
                Check(f"ssh config for {host}", "ssh config", "problem", error.message, mend, error.code)
            )
            return None


def _describe_settings(wrong: str) -> Check:
    if not wrong:
        return Check("Settings", "RunicornJupyter", "ok", "can be read")
    mend = "Correct it in the file or the section that it names; until then nothing is connected."
    return Check("Settings", "RunicornJupyter", "problem", wrong, mend, "misconfigured")


async def _bounded(report: Report, section: str, look: Callable[[], Iterable[Check]]) -> None:
    """Add what a function that blocks finds, or that it found nothing in time."""
    try:
        async with asyncio.timeout(LOCAL_SECONDS):
            checks = await run_in_thread(lambda: list(look()))
    except (OSError, TimeoutError) as error:
        text = str(error) or f"no answer within {LOCAL_SECONDS:g} seconds"
        checks = [
            Check(section, "looking", "problem", text, "Try the programs that the line is about by hand.")
        ]
    for check in checks:
        report.add(check)


def _print(line: str) -> None:
    """Write a line to standard output, at once and in whatever the terminal can show."""
    stream: Any = sys.stdout
    try:
        stream.write(f"{line}\n")
    except UnicodeEncodeError:
        stream.write(f"{line}\n".encode(stream.encoding, "replace").decode(stream.encoding))
    stream.flush()
