"""A fake viewer: its process, and how a holder sees it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr

from runicorn_jupyter.payload.guard import Ticket
from runicorn_jupyter.payload.versions import STATE_VERSION
from runicorn_jupyter.remote.control import ANSWER_SECONDS
from runicorn_jupyter.remote.fake.line import EPOCH
from runicorn_jupyter.remote.viewer_state import ViewerStateFile

if TYPE_CHECKING:
    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.remote.fake.line import FakeConnection
    from runicorn_jupyter.remote.memory_budget import MemoryShare

__all__ = ["FakeControl", "FakeLifeline", "FakeProcess", "FakeViewer"]

Answers = dict[str, Callable[[dict[str, Any]], Any]]


class FakeProcess:
    """A viewer's process on the fake remote.

    Attributes
    ----------
    holders
        Who holds it.
    abandoned
        Holders that are dead, and not dropped yet.
    renewed
        How often somebody renewed it.
    """

    def __init__(
        self, connection: FakeConnection, environment: Environment, root: str | None, pid: int
    ) -> None:
        self.environment = environment
        self.root = root
        self.pid = pid
        self.port = 20000 + pid
        self.alive = True
        self.stopped = False
        self.holders: set[FakeViewer] = set()
        self.abandoned: set[FakeViewer] = set()
        self.renewed = 0
        self.log = [f"viewer {pid} has started"]
        self._connection = connection

    def stop(self) -> None:
        """Stop it as SIGSTOP does: it is there, and answers nothing."""
        self.stopped = True
        self._connection.change()

    def cont(self) -> None:
        """Let it go on."""
        self.stopped = False
        self._connection.change()

    def kill(self) -> None:
        """End it at once."""
        self.alive = False
        self._connection.change()

    async def answers(self, losses: int | None = None) -> None:
        """Wait until it answers; raise what a real stream raises if it never will."""

        def does() -> bool:
            if not self.alive:
                raise ConnectionRefusedError("the fake viewer is gone")
            return not self.stopped

        await self._connection.once(does, losses)

    async def ends(self, losses: int | None = None) -> None:
        """Wait until it is gone; raise `ConnectionLost` if nobody will know."""
        await self._connection.once(lambda: not self.alive, losses)

    def state(self) -> ViewerStateFile:
        """Give its state file."""
        prefix = self.environment.prefix
        return ViewerStateFile(
            version=STATE_VERSION,
            host="fake",
            boot="fake",
            pid=self.pid,
            start_time="1",
            port=self.port,
            secret=SecretStr("s" * 32),
            prefix=prefix,
            root=self.root,
            asked_root=self.root,
            runicorn_version=self.environment.runicorn_version,
            folder="/fake",
            key="0" * 24,
        )


class FakeViewer:
    """One holder's view of a process on the fake remote."""

    def __init__(
        self, connection: FakeConnection, answers: Answers, process: FakeProcess, *, adopted: bool
    ) -> None:
        self.process = process
        self.adopted = adopted
        self.remote_root: str | None = process.root
        self.runicorn_version: str | None = process.environment.runicorn_version
        self.started_at = EPOCH + timedelta(seconds=process.pid)
        self.uptime_seconds = 0.0
        self._connection = connection
        self._answers = answers
        process.holders.add(self)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    @property
    def port(self) -> int:
        """The port."""
        return self.process.port

    def ticket(self, method: str, target: str) -> Ticket:
        """Make a ticket."""
        return Ticket("s" * 32, self.port, method, target)

    async def open_control(self, timeout: float) -> FakeControl:  # noqa: ASYNC109 - of later exchanges
        """Open a stream for exchanges."""
        await self._connection.step("open_control")
        if not self.process.alive:
            raise ConnectionRefusedError("the fake viewer is gone")
        return FakeControl(self._connection, self._answers, self.process, timeout)

    async def open_lifeline(self) -> FakeLifeline:
        """Open a stream to renew on."""
        await self._connection.step("open_lifeline")
        if not self.process.alive:
            raise ConnectionRefusedError("the fake viewer is gone")
        return FakeLifeline(self._connection, self.process)

    async def check(self) -> Literal["running", "crashed", "hung"]:
        """Look whether it answers, and whether it is there."""
        try:
            await self._exchange("check")
        except (ConnectionRefusedError, TimeoutError):
            return "hung" if self.process.alive else "crashed"
        return "running"

    async def reattach(self) -> Literal["running", "crashed", "hung"]:
        """Look whether it answers, and whether it is there."""
        try:
            await self._exchange("reattach")
        except (ConnectionRefusedError, TimeoutError):
            return "hung" if self.process.alive else "crashed"
        return "running"

    async def logs(self, lines: int) -> tuple[list[str], int]:
        """Read its log."""
        await self._connection.step("logs")
        return self.process.log[-lines:], len(self.process.log)

    async def stop(self, cleanup: bool) -> bool:
        """Leave; it ends unless others hold it."""
        await self._connection.step("stop")
        self.process.holders -= {self, *self.process.abandoned}
        if not self.process.holders:
            self.process.kill()
        return not self.process.alive

    async def kill(self) -> None:
        """End it, also if others hold it."""
        await self._connection.step("kill")
        self.process.kill()

    async def release(self) -> None:
        """Leave it to its lease."""
        await self._connection.step("release")
        self.process.holders.discard(self)

    def abandon(self) -> None:
        """Count as a dead holder: the next that leaves drops it."""
        self.process.abandoned.add(self)

    async def _exchange(self, name: str) -> None:
        await self._connection.step(name)
        async with self._connection.clock.timeout(ANSWER_SECONDS):
            await self.process.answers()


class FakeLifeline:
    """The stream that a holder renews on.

    Attributes
    ----------
    closed
        Whether it was closed here.
    """

    def __init__(self, connection: FakeConnection, process: FakeProcess) -> None:
        self.closed = False
        self._connection = connection
        self._losses = connection.losses
        self._process = process

    async def renew(self) -> None:
        """Renew the lease, as soon as the process answers."""
        self._connection.calls.append("renew")
        await self._process.answers(self._losses)
        self._process.renewed += 1

    async def ended(self) -> None:
        """Wait until the process is gone."""
        await self._process.ends(self._losses)

    def close(self) -> None:
        """Close it."""
        self.closed = True


class FakeControl:
    """A stream to a fake viewer; its answers are the host's.

    Attributes
    ----------
    closed
        Whether it was closed here.
    """

    def __init__(
        self, connection: FakeConnection, answers: Answers, process: FakeProcess, timeout: float
    ) -> None:
        self.closed = False
        self._connection = connection
        self._losses = connection.losses
        self._answers = answers
        self._process = process
        self._timeout = timeout

    async def __aenter__(self) -> FakeControl:
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self.closed = True

    async def ask(
        self,
        action: str,
        *,
        max_bytes: int = 0,
        max_values: int = 0,
        memory: MemoryShare | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """Answer by `FakeHost.answers`; wait while the process is stopped."""
        async with self._connection.clock.timeout(self._timeout):
            await self._process.answers(self._losses)
            answer: dict[str, Any] = await _awaited(self._answers[action](body))
        return answer

    async def follow(self, action: str, **body: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Answer by `FakeHost.answers`: by the lines of an asynchronous generator, or by a single one."""
        async with self._connection.clock.timeout(self._timeout):
            await self._process.answers(self._losses)
            answer: Any = await _awaited(self._answers[action](body))
        has_lines = inspect.isasyncgen(answer)
        if not has_lines:
            yield answer
            return
        async for line in answer:
            yield line


async def _awaited(value: Any) -> Any:
    while inspect.isawaitable(value):
        value = await value
    return value
