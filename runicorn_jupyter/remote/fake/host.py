"""A fake remote."""

from __future__ import annotations

import contextlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.models import Environment, ServerInfo
from runicorn_jupyter.remote.fake.line import FakeConnection
from runicorn_jupyter.remote.fake.viewer import FakeProcess, FakeViewer
from runicorn_jupyter.remote.machine import MachineStream
from runicorn_jupyter.remote.probe import PROBE_SECONDS, Probe
from runicorn_jupyter.streams.memory import MemoryStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from runicorn_jupyter.remote.fake.clock import FakeClock
    from runicorn_jupyter.remote.fake.line import Pause
    from runicorn_jupyter.remote.host_client import StartParameters
    from runicorn_jupyter.remote.setup.conversation import SetupParameters
    from runicorn_jupyter.remote.setup.standalone import Platform
    from runicorn_jupyter.remote.viewer_state import ViewerStateFile

__all__ = ["FakeHost"]


class FakeHost:
    """A remote on which viewers run that are told how they fare.

    Parameters
    ----------
    clock
        By which everything waits.
    connection_id
        Of the connection to it.

    Attributes
    ----------
    connection
        Leads to it.
    processes
        All viewers that ever ran.
    environments, platform, home
        What a probe finds.
    answers
        What control streams answer to each action: a function of the body, or a coroutine function.
    machines
        The streams of those that look at the machine, closed ones included.
    failures
        What the next such step raises.
    calls
        The steps that were taken.
    """

    def __init__(self, clock: FakeClock, connection_id: str = "conn_00000001") -> None:
        self.clock = clock
        self.connection = FakeConnection(clock, connection_id)
        self.processes: list[FakeProcess] = []
        self.environments = [self.environment()]
        self.platform: Platform | None = None
        self.home = ""
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.machines: list[MemoryStream] = []
        self.failures = self.connection.failures
        self.calls = self.connection.calls

    @staticmethod
    def environment(name: str = "torch") -> Environment:
        """Give an environment as a probe lists it."""
        prefix = PurePosixPath("/envs", name)
        return Environment(
            name=name,
            type="venv",
            python_version="3.12",
            python_path=str(prefix / "bin" / "python"),
            prefix=str(prefix),
            runicorn_installed=True,
            runicorn_version="0.7.2",
            storage_root="/data",
        )

    @property
    def viewer(self) -> FakeProcess:
        """The process that was started last."""
        return self.processes[-1]

    @property
    def running(self) -> list[FakeProcess]:
        """The processes that are alive."""
        return [process for process in self.processes if process.alive]

    def pause(self, step: str) -> Pause:
        """Hold the next such step in its middle: a start's process is there, and not yet attached to."""
        return self.connection.pause(step)

    # -- what a HostClient does

    async def probe(
        self,
        timeout: float = PROBE_SECONDS,  # noqa: ASYNC109 - of the command there
        *,
        ask_shell: bool = False,
        wanted: str = "",
    ) -> Probe:
        """Find the environments and the viewers that run."""
        async with self.clock.timeout(timeout):
            await self.connection.step("probe")
        return Probe(
            server=ServerInfo(hostname="fake", os="Linux", python_version="3.12"),
            environments=list(self.environments),
            viewers=[process.state() for process in self.running],
            platform=self.platform,
            home=self.home,
        )

    async def start_viewer(self, parameters: StartParameters) -> FakeViewer:
        """Adopt the viewer that answers, or start one."""
        environment, root = parameters.environment, parameters.root
        tell = parameters.on_step or (lambda _step: None)
        for process in self.running:
            same = (process.environment.prefix, process.root) == (environment.prefix, root)
            if same and not process.stopped:
                tell("adopting")
                await self.connection.step("start")
                return FakeViewer(self.connection, self.answers, process, adopted=True)
        tell("starting")
        self.calls.append(f"boot {environment.name}")
        if "boot" in self.failures:
            raise self.failures.pop("boot")
        process = FakeProcess(self.connection, environment, root, pid=100 + len(self.processes))
        self.processes.append(process)
        tell("attaching")
        await self.connection.step("start")
        return FakeViewer(self.connection, self.answers, process, adopted=False)

    async def run_setup(
        self, parameters: SetupParameters, on_step: Callable[[str, str], None]
    ) -> dict[str, Any]:
        """Add a private environment to what a probe finds, or remove it."""
        on_step("waiting_for_others", "")
        await self.connection.step(parameters.action)
        if parameters.action == "create" and parameters.platform is not None:
            on_step("bringing_python", "")
        private = next((each for each in self.environments if each.private), None)
        self.environments = [each for each in self.environments if not each.private]
        if parameters.action == "remove":
            return {"bytes": 1}
        made = private or self.environment("runicorn").model_copy(update={"private": True})
        self.environments.append(made)
        return {"prefix": made.prefix, "made": private is None}

    @contextlib.asynccontextmanager
    async def watch_machine(self, root: str) -> AsyncIterator[MachineStream]:
        """Give what a test feeds to the stream, the last of `machines`."""
        await self.connection.step("machine")
        stream = MemoryStream()
        self.machines.append(stream)
        try:
            yield MachineStream(stream)
        finally:
            stream.close()

    async def start_unheld(self, parameters: StartParameters) -> ViewerStateFile:
        """Start a viewer that nobody holds."""
        viewer = await self.start_viewer(parameters)
        viewer.process.holders.clear()
        return viewer.process.state()
