"""Client of a viewer on the remote for one holder of its lease: start or adopt, renew, check, leave."""

from __future__ import annotations

import contextlib
import secrets
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal

from runicorn_jupyter.errors import RemoteError, SshUnavailable, ViewerStartFailed
from runicorn_jupyter.payload.guard import Ticket
from runicorn_jupyter.remote.bootstrap import boot, process_action, read_log
from runicorn_jupyter.remote.control import ANSWER_SECONDS, Control, NotTheViewer
from runicorn_jupyter.remote.lease_stream import Lifeline
from runicorn_jupyter.remote.stale_holders import client_name, dead_holders, live
from runicorn_jupyter.remote.viewer_state import ViewerStateFile
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import SecretStr

    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["LOOPBACK", "SshViewerClient"]

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 4
"""Grace period between a shutdown request and SIGTERM, in seconds."""
SOON_SECONDS = 2.0
ATTEMPTS = 3
LOG_LINES = 50
"""Of what a viewer that does not stay printed, for the error."""


class AttachResult(Enum):
    """How an attempt to claim a viewer ended."""

    ATTACHED = auto()
    """The viewer has proven itself, and this holder has claimed it."""
    GONE = auto()
    """The viewer does not listen at its port any more, or is ending."""
    SILENT = auto()
    """Its port accepts streams, and no answer came in time."""
    UNREACHED = auto()
    """Nothing that proves to be the viewer listens at its port."""
    MOVED = auto()
    """A person has moved it to another storage root by its own page."""


class SshViewerClient:
    """Client of one viewer, for one holder of its lease; made by ``start``.

    Attributes
    ----------
    adopted
        Whether it ran before.
    started_at
        By this machine's clock.
    remote_root
        The storage root that runicorn uses.
    uptime_seconds
        Uptime in seconds, as of the last answer.
    """

    def __init__(self, connection: Connection, environment: Environment, lease_seconds: float) -> None:
        self.env_name = environment.name
        self.adopted = False
        self.uptime_seconds = 0.0
        self.started_at = datetime.now(UTC)
        self.remote_root: str | None = None
        self.runicorn_version: str | None = None
        self._connection = connection
        self._environment = environment
        self._lease = lease_seconds
        self._name = secrets.token_hex(16)
        self._others = 0
        self._state: ViewerStateFile | None = None
        live[self._name] = self

    @property
    def _running(self) -> ViewerStateFile:
        if self._state is None:
            raise RuntimeError("the viewer was not started")
        return self._state

    @property
    def pid(self) -> int:
        """The process id on the remote."""
        return self._running.pid

    @property
    def port(self) -> int:
        """The port of the remote's 127.0.0.1."""
        return self._running.port

    @property
    def secret(self) -> SecretStr:
        """What tickets are made with; it is never sent."""
        return self._running.secret

    def ticket(self, method: str, target: str) -> Ticket:
        """Make what lets one request to the viewer pass, and what its answer has to prove."""
        return Ticket(self.secret.get_secret_value(), self.port, method, target)

    @classmethod
    async def start(
        cls,
        connection: Connection,
        environment: Environment,
        root: str | None,
        *,
        lease_seconds: float,
        on_step: Callable[[str], None] | None = None,
        running: Sequence[ViewerStateFile] = (),
        variables: Mapping[str, str] | None = None,
    ) -> SshViewerClient:
        """Adopt the viewer of this environment and root, or start one.

        Parameters
        ----------
        connection
            Which leads to the remote.
        environment
            Of the probe's list.
        root
            Storage root, absolute or ``~/…``; ``None`` leaves the choice to runicorn.
        lease_seconds
            It ends itself when it has not been renewed for so long.
        on_step
            Told what happens now, in a word or two.
        running
            What a probe found; one of them that fits is adopted without another command.
        variables
            Of the environment of one that is started, beyond what commands get.

        Raises
        ------
        InvalidParameters
            If the root is no folder there.
        RunicornNotInstalled
            If the environment cannot import runicorn.
        ViewerStartFailed
            If it ended or never listened; ``details.log`` holds its last lines.
        EnvironmentNotFound
            If the interpreter is no longer there.
        SshUnavailable
            If the remote runs no command or forwards no connection.
        ConnectionLost
            If the connection is down.
        """
        viewer = cls(connection, environment, lease_seconds)
        tell = on_step or (lambda _step: None)
        for state in running:
            if viewer._fits(state, root):
                tell("adopting")
                if await viewer._attach(state.model_copy(update={"adopted": True})) is AttachResult.ATTACHED:
                    return viewer
        unfit: list[int] = []
        for _ in range(ATTEMPTS):
            tell("starting")
            state = await boot(
                connection, environment, root, lease_seconds, ignored=unfit, variables=variables
            )
            tell("attaching")
            outcome = await viewer._attach(state)
            if outcome is AttachResult.ATTACHED:
                return viewer
            if outcome is not AttachResult.GONE:
                # Somebody's, perhaps; it is left alone, and one beside it serves us.
                unfit.append(state.pid)
        log: list[str] = []
        with contextlib.suppress(RemoteError):  # that the viewer did not start is what has to be said
            log, _ = await read_log(connection, state, LOG_LINES)
        hint = "; see its log" if log else ""
        raise ViewerStartFailed(
            f"The viewer ended again and again while it was being started{hint}.", log=log
        )

    @classmethod
    async def start_unheld(
        cls,
        connection: Connection,
        environment: Environment,
        root: str | None,
        *,
        lease_seconds: float,
        variables: Mapping[str, str] | None = None,
    ) -> ViewerStateFile:
        """Start a viewer, or find the one that runs; who claims it by `start` has a minute for that.

        Raises
        ------
        RemoteError
            As `start` has them.
        """
        return await boot(connection, environment, root, lease_seconds, variables=variables)

    def _fits(self, state: ViewerStateFile, root: str | None) -> bool:
        env = self._environment
        same = (state.prefix, state.runicorn_version) == (env.prefix, env.runicorn_version)
        return same and root in (state.root, state.asked_root)

    async def _attach(self, state: ViewerStateFile, *, starting: bool = True) -> AttachResult:
        """Claim a viewer that proves to be the one of this state.

        Commands may run in another network than sshd forwards to (a container as the login shell, a gateway):
        a viewer that lives there and is not reached is tried by a relay, which runs where it does.
        """
        outcome = await self._claim_once(state, starting)
        if outcome is not AttachResult.UNREACHED:
            return outcome
        if not self._connection.forwards or await process_action(self._connection, state, "check") != [
            "alive"
        ]:
            return AttachResult.GONE
        self._connection.use_relay(True)
        try:
            outcome = await self._claim_once(state, starting)
        finally:
            if outcome is AttachResult.UNREACHED:
                self._connection.use_relay(False)
        return AttachResult.GONE if outcome is AttachResult.UNREACHED else outcome

    async def _claim_once(self, state: ViewerStateFile, starting: bool) -> AttachResult:
        try:
            stream = await self._connection.open_tunnel(LOOPBACK, state.port)
            async with Control(stream, state.port, state.secret, ANSWER_SECONDS) as control:
                if state.adopted:
                    await control.ask("info")  # what hangs must not find the claim below when it wakes
                info = await control.ask("renew", **self._claim())
                if info.get("ending") is True:
                    return AttachResult.GONE
                if starting and state.adopted and info.get("root") != state.root:
                    await control.ask("leave", holder=self._name, stop=False, cleanup=False)
                    return AttachResult.MOVED
                dead = dead_holders(_holders(info))
                if dead:
                    info = await control.ask("drop", holders=dead)
        except TimeoutError:
            return AttachResult.SILENT
        except (ConnectionRefusedError, NotTheViewer):
            return AttachResult.UNREACHED
        except SshUnavailable:
            self._state = state
            if not state.adopted:
                await self.stop(cleanup=True)
            raise
        self._state, self.adopted = state, state.adopted
        self._note(info)
        return AttachResult.ATTACHED

    def _note(self, info: dict[str, Any]) -> None:
        uptime, root, version = info.get("uptime_seconds"), info.get("root"), info.get("runicorn_version")
        if isinstance(uptime, int | float):
            self.uptime_seconds = max(0.0, min(float(uptime), 1e9))
            self.started_at = datetime.now(UTC) - timedelta(seconds=self.uptime_seconds)
        self.remote_root = root[:4096] if isinstance(root, str) else None
        self.runicorn_version = plain_text(version)[:100] if isinstance(version, str) else None
        self._others = len(set(_holders(info)) - {self._name})

    async def _ask(self, action: str, **body: Any) -> dict[str, Any]:
        """Exchange once, with a viewer that proves itself: ports are used again by others."""
        # What takes a third of the lease comes too late to be waited for.
        timeout = min(ANSWER_SECONDS, max(SOON_SECONDS, self._lease / 3))
        async with await self.open_control(timeout) as control:
            return await control.ask(action, **body)

    async def open_control(self, timeout: float | None) -> Control:  # noqa: ASYNC109 - of later exchanges
        """Open a stream for exchanges with the viewer.

        Parameters
        ----------
        timeout
            Seconds for each exchange on it; None waits for as long as there is no answer.

        Raises
        ------
        ConnectionRefusedError
            If nothing listens there.
        ConnectionLost
            If the connection is down.
        """
        state = self._running
        stream = await self._connection.open_tunnel(LOOPBACK, state.port)
        return Control(stream, state.port, state.secret, timeout)

    async def open_lifeline(self) -> Lifeline:
        """Open a stream to renew the lease on, and to learn of the viewer's end by.

        Raises
        ------
        ConnectionRefusedError
            If nothing listens there.
        ConnectionLost
            If the connection is down.
        """
        return Lifeline(await self.open_control(None), self._claim(), self._note_count)

    def _claim(self) -> dict[str, Any]:
        return {"holder": self._name, "lease_seconds": self._lease, "client": client_name()}

    def _note_count(self, holders: int) -> None:
        self._others = holders - 1

    async def check(self) -> Literal["running", "crashed", "hung"]:
        """Tell how the viewer is; ``crashed`` only if its process is gone.

        Raises
        ------
        ConnectionLost
            If the connection is down.
        """
        try:
            self._note(await self._ask("info"))
        except (ConnectionRefusedError, NotTheViewer, TimeoutError):
            return "hung" if await self._is_alive() else "crashed"
        return "running"

    async def reattach(self) -> Literal["running", "crashed", "hung"]:
        """After a reconnect: tell how the same viewer is, and renew its lease.

        One that is about to end counts as ``crashed``.
        """
        outcome = await self._attach(self._running.model_copy(update={"adopted": True}), starting=False)
        if outcome is AttachResult.SILENT:
            return "hung" if await self._is_alive() else "crashed"
        return "running" if outcome is AttachResult.ATTACHED else "crashed"

    async def logs(self, lines: int) -> tuple[list[str], int]:
        """Read the end of the viewer's log, which is there after a crash as well.

        Parameters
        ----------
        lines
            How many at most.

        Returns
        -------
        tuple
            The lines, oldest first, as plain text; and how many the log has.
        """
        return await read_log(self._connection, self._running, lines)

    async def stop(self, cleanup: bool) -> bool:
        """Leave; the viewer ends unless others hold it, and then this returns when its process is gone.

        Parameters
        ----------
        cleanup
            Also remove its log and state.

        Returns
        -------
        bool
            Whether it has ended.
        """
        try:
            info = await self._ask("leave", holder=self._name, stop=True, cleanup=cleanup)
        except (ConnectionRefusedError, NotTheViewer):
            grace = 0
        except (TimeoutError, SshUnavailable):
            # It cannot be told. What others hold is not ours to kill.
            if self._others:
                return False
            grace = 0
        else:
            if info.get("ending") is not True and not await self._leave_without_stale_holders(info, cleanup):
                return False
            grace = STOP_SECONDS
        finally:
            live.pop(self._name, None)  # only now, lest another who leaves takes this holder for a dead one
        ended = await process_action(self._connection, self._running, "end", grace=grace, cleanup=cleanup)
        return ended == ["gone"]

    async def kill(self) -> None:
        """End the process, also if others hold it, and remove its log and state.

        Raises
        ------
        ViewerStartFailed
            If it is still there, as a process is that waits for a dead disk.
        ConnectionLost
            If the connection is down.
        """
        ended = await process_action(self._connection, self._running, "end", cleanup=True)
        live.pop(self._name, None)
        if ended != ["gone"]:
            raise ViewerStartFailed("The viewer's process cannot be ended; its server may be in trouble.")

    async def _leave_without_stale_holders(self, info: dict[str, Any], cleanup: bool) -> bool:
        """Leave once more, without those holders whose process is gone; tell whether the viewer ends then."""
        dead = dead_holders(_holders(info))
        if not dead:
            return False
        try:
            await self._ask("drop", holders=dead)
            info = await self._ask("leave", holder=self._name, stop=True, cleanup=cleanup)
        except OSError:  # it has ended, by another who left, or hangs
            return False
        return info.get("ending") is True

    async def _is_alive(self) -> bool:
        return await process_action(self._connection, self._running, "check") == ["alive"]

    def abandon(self) -> None:
        """Count as a dead holder from now on: the next of this process that leaves the viewer drops it."""
        live.pop(self._name, None)

    async def release(self) -> None:
        """Leave the viewer to what remains of its lease."""
        self.abandon()
        try:
            await self._ask("leave", holder=self._name, stop=False, cleanup=False)
        except (OSError, NotTheViewer):
            return


def _holders(info: dict[str, Any]) -> dict[str, Any]:
    holders = info.get("holders")
    return holders if isinstance(holders, dict) else {}
