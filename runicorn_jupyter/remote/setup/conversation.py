"""Makes or removes the private environment by one command, and sends the wheels that it asks for."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import (
    ConnectionTimeout,
    DiskFull,
    EnvironmentInUse,
    EnvironmentNotFound,
    EnvironmentSetupFailed,
    PackagesUnreachable,
    PythonNotFound,
    RemoteError,
)
from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.remote.bundle import COMMAND, python_input
from runicorn_jupyter.remote.setup.bring import bring_python, find_brought
from runicorn_jupyter.remote.setup.look import look
from runicorn_jupyter.remote.setup.tags import Target
from runicorn_jupyter.remote.setup.wheels import download
from runicorn_jupyter.ssh.channels.ready import READY
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.remote.setup.sent_file import SentFile
    from runicorn_jupyter.remote.setup.standalone import Platform
    from runicorn_jupyter.ssh.connection import Connection, Conversation

__all__ = ["NEEDED_BYTES", "SetupParameters", "run_setup"]

SETUP_SECONDS = 1800.0
"""For all of it: a slow line and a slow file server take many minutes."""
LOCK_SECONDS = 900.0
NEEDED_BYTES = 160_000_000
"""Of disk while it is made: packages and wheels of runicorn 0.7 take 110 MB and 30 MB."""
MAX_LINE_BYTES = 2**18
MAX_LOOP_BYTES = 65536
"""What is parsed on the event loop at most."""
MAX_LINES = 100_000
_ERRORS: dict[str, type[RemoteError]] = {
    each.code: each
    for each in (
        DiskFull, EnvironmentInUse, EnvironmentNotFound, EnvironmentSetupFailed, PackagesUnreachable,
        PythonNotFound,
    )
}  # fmt: skip


@dataclass(frozen=True)
class SetupParameters:
    """What is to be made or removed, and how.

    Parameters
    ----------
    action
        ``create`` or ``remove``.
    pythons
        The interpreters to try, the best first.
    runicorn_version
        None for the newest that fits.
    wheels
        Where packages come from: ``remote``, ``local`` or ``auto``.
    same_python
        Whether an environment that another Python has made is replaced.
    platform
        What a Python has to fit that is brought where none of these runs; None: none is brought.
    """

    action: str
    pythons: Sequence[Environment]
    runicorn_version: str | None = None
    wheels: str = "auto"
    same_python: bool = False
    platform: Platform | None = None

    def are_met_by(self, found: Mapping[str, Any]) -> bool:
        """Whether an environment that is there is surely what is asked for."""
        return not self.same_python and self.runicorn_version in (None, found.get("runicorn_version"))


async def run_setup(
    connection: Connection,
    parameters: SetupParameters,
    on_step: Callable[[str, str], None],
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Make or remove the private environment on a remote.

    Parameters
    ----------
    connection
        Leads there.
    parameters
        What to do.
    on_step
        Called with each step that is reached, and a text about it or nothing.
    variables
        What the person's login shell exports.

    Returns
    -------
    dict
        What the remote answers: the facts of the environment, or what was removed.

    Raises
    ------
    PythonNotFound
        If no interpreter runs, and none can be brought.
    EnvironmentInUse, EnvironmentNotFound, EnvironmentSetupFailed, DiskFull, PackagesUnreachable
        If the remote says so.
    ConnectionLost
        If the connection is lost meanwhile; the next attempt goes on with what is there.
    """
    said: list[str] = []
    try:
        async with asyncio.timeout(SETUP_SECONDS):
            if parameters.action == "create":
                found = await look(connection)
                if found is not None and parameters.are_met_by(found):
                    return {**found, "made": False}
            async for path in _pythons(connection, parameters, on_step, variables):
                answer = await _with(connection, path, parameters, on_step, variables, said)
                if answer is not None:
                    return answer
    except TimeoutError as error:
        raise ConnectionTimeout(
            f"Setting up runicorn did not end within {SETUP_SECONDS / 60:g} minutes; try again, it goes on."
        ) from error
    raise PythonNotFound(
        "The remote has no Python of at least 3.8 that runs; ask its administrator for one, or install uv's.",
        log=said,
    )


async def _pythons(
    connection: Connection,
    parameters: SetupParameters,
    on_step: Callable[[str, str], None],
    variables: Mapping[str, str] | None,
) -> AsyncIterator[str]:
    """Yield the paths of interpreters to try, and at last one that was brought, or is now."""
    for each in parameters.pythons:
        yield each.python_path
    brought = await find_brought(connection, variables)
    if brought is None and parameters.platform is not None:
        brought = await bring_python(
            connection,
            parameters.platform,
            on_step,
            variables,
            wheels=parameters.wheels,
            needed_bytes=NEEDED_BYTES,
        )
    if brought is not None:
        yield brought


async def _with(  # noqa: PLR0917 - run_setup's own
    connection: Connection,
    python_path: str,
    parameters: SetupParameters,
    on_step: Callable[[str, str], None],
    variables: Mapping[str, str] | None,
    said: list[str],
) -> dict[str, Any] | None:
    """Do it with one interpreter; None if that does not run."""
    mark = secrets.token_hex(16)
    config = {
        "marker": mark,
        "action": parameters.action,
        "lock_seconds": LOCK_SECONDS,
        "runicorn_version": parameters.runicorn_version,
        "wheels": parameters.wheels,
        "same_python": parameters.same_python,
        "needed_bytes": NEEDED_BYTES,
    }
    async with connection.converse(COMMAND, ready=READY) as talk:
        await talk.write(python_input(python_path, config, variables, entry="setup.main"))
        for _ in range(MAX_LINES):
            line = await talk.read_line(MAX_LINE_BYTES)
            if line is None:
                break
            answer = await _understand(line, mark)
            if answer is None:
                continue
            if "step" in answer:
                on_step(
                    plain_text(str(answer["step"]), limit=60),
                    plain_text(str(answer.get("text", "")), limit=200),
                )
            elif "need" in answer:
                await _send_wheels(talk, answer["need"], mark, parameters)
            elif "result" in answer and isinstance(answer["result"], dict):
                return answer["result"]
            elif "error" in answer:
                raise _error(answer)
        errors = plain_text(talk.errors().decode("utf-8", "replace"), limit=500).strip()
    said.append(f"{plain_text(python_path)}: {errors or 'ended without an answer'}")
    return None


async def _understand(line: bytes, mark: str) -> dict[str, Any] | None:
    """Read a line of ours; what a noisy program prints beside is none."""
    _, found, text = line.partition(f"{mark} ".encode())
    if not found:
        return None
    try:
        if len(text) <= MAX_LOOP_BYTES:
            return read_json_object(text, max_size=MAX_LOOP_BYTES)
        return await asyncio.to_thread(read_json_object, text, max_size=MAX_LINE_BYTES)
    except InvalidJson as error:
        raise EnvironmentSetupFailed("The remote's answer cannot be understood.") from error


def _error(answer: dict[str, Any]) -> RemoteError:
    kind = _ERRORS.get(str(answer["error"]), EnvironmentSetupFailed)
    log = answer.get("log")
    lines = (
        [plain_text(line, limit=2000) for line in log[-50:] if isinstance(line, str)]
        if isinstance(log, list)
        else []
    )
    return kind(plain_text(str(answer.get("message", "")), limit=1000) or "It failed.", log=lines)


async def _send_wheels(talk: Conversation, need: Any, mark: str, parameters: SetupParameters) -> None:
    """Download what the remote needs, and send what it does not have yet."""
    version = parameters.runicorn_version
    # The remote says what its Python is, and never what is downloaded here.
    requirements = [f"runicorn=={version}" if version else "runicorn"]
    if isinstance(need, dict) and need.get("tool") == "pip":
        requirements.append("pip")
    try:
        loading = download(requirements, Target.of(need["target"]))
    except (KeyError, TypeError, ValueError) as error:
        raise EnvironmentSetupFailed("What the remote says of its Python cannot be understood.") from error
    async with loading as wheels:
        offer = [{"name": each.path.name, "size": each.size, "sha256": each.sha256} for each in wheels]
        await talk.write(json.dumps({"wheels": offer}).encode() + b"\n")
        while (line := await talk.read_line(MAX_LINE_BYTES)) is not None:
            answer = await _understand(line, mark)
            if answer is not None and "error" in answer:
                raise _error(answer)
            if answer is not None and isinstance(answer.get("want"), list):
                await _send(talk, wheels, answer["want"])
                return


async def _send(talk: Conversation, wheels: Sequence[SentFile], begins: list[Any]) -> None:
    for wheel, begin in zip(wheels, begins, strict=True):
        if not isinstance(begin, int) or not 0 <= begin <= wheel.size:
            raise EnvironmentSetupFailed("What the remote asks for cannot be understood.")
        data = await asyncio.to_thread(wheel.path.read_bytes)
        await talk.write(memoryview(data)[begin:])
