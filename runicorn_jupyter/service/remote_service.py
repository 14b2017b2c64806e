"""RemoteService: the services of all resources of ``/api/remote``, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runicorn_jupyter.remote.clock import SystemClock
from runicorn_jupyter.remote.host_client import SshHost
from runicorn_jupyter.service.connections import ConnectionService
from runicorn_jupyter.service.environments import EnvironmentService
from runicorn_jupyter.service.event_budget import EventBudget
from runicorn_jupyter.service.hosts import HostService
from runicorn_jupyter.service.machines import MachineService
from runicorn_jupyter.service.metrics import Metrics
from runicorn_jupyter.service.opener import Opener
from runicorn_jupyter.service.prewarm import ViewerPrewarmer
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.service.profiles import ProfileService
from runicorn_jupyter.service.quotas import Quotas
from runicorn_jupyter.service.run_index import RunIndex
from runicorn_jupyter.service.runs import RunService
from runicorn_jupyter.service.sessions import Sessions
from runicorn_jupyter.service.setup import EnvironmentSetup
from runicorn_jupyter.service.viewers import ViewerService

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.proxy.capabilities import Capabilities
    from runicorn_jupyter.remote.clock import Clock
    from runicorn_jupyter.remote.host_client import HostClient
    from runicorn_jupyter.service.caller import Emit
    from runicorn_jupyter.service.settings import ServiceSettings
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["RemoteService"]


class RemoteService:
    """Does the work of each route, by resource.

    A method of a resource has the name of its route's operation. It takes the `Caller` and the route's
    request model, and returns the route's response model or raises a `RemoteError`.

    Parameters
    ----------
    settings
        The administrator's settings.
    capabilities
        The proxy's table of viewers.
    emit
        Sends an event to the front ends.
    show
        Opens a URL on this machine's screen; None where a front end does that, or there is no screen.
    make_opener
        Makes what opens SSH connections.
    remote_of
        Makes the client of the host at the other end of a connection.
    profiles
        The saved connections; default: those in the user's data folder.
    clock
        Times and timeouts; default: the machine's clock.

    Attributes
    ----------
    connections, environments, viewers, runs, machines, hosts, profiles
        The operations on each resource.
    metrics
        What is counted for Jupyter's ``/metrics``.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        capabilities: Capabilities,
        emit: Emit,
        show: Callable[[str], object] | None = None,
        *,
        make_opener: Callable[[ServiceSettings, Emit], Opener] = Opener,
        remote_of: Callable[[Connection], HostClient] = SshHost,
        profiles: Profiles | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        profiles = profiles or Profiles()
        self._emit = emit = EventBudget(emit, monotonic=clock.monotonic, sleep=clock.sleep)
        self._prewarmer = ViewerPrewarmer(profiles, settings.viewer_lease_seconds)
        self._index = RunIndex(lambda: emit("runs"))
        opener = make_opener(settings, emit)
        sessions = Sessions()
        quotas = Quotas(settings, sessions, clock.monotonic)
        self.metrics = Metrics(sessions, by_host=settings.metrics_by_host, quotas=settings.quotas)
        self.connections = ConnectionService(
            settings,
            sessions,
            opener,
            capabilities=capabilities,
            emit=emit,
            index=self._index,
            prewarmer=self._prewarmer,
            quotas=quotas,
            remote_of=remote_of,
            metrics=self.metrics,
            clock=clock,
        )
        self._setup = EnvironmentSetup(emit)
        self.environments = EnvironmentService(sessions, self._setup)
        self.viewers = ViewerService(sessions, quotas, profiles, emit, show)
        self.runs = RunService(sessions, self._index, clock)
        self.machines = MachineService(sessions, lambda: emit("machines"), clock)
        self.hosts = HostService(opener)
        self.profiles = ProfileService(profiles, emit)

    async def close(self) -> None:
        """End all viewers and connections, and send the events that were held back."""
        self.metrics.close()
        self._prewarmer.close()
        self._index.close()
        self._setup.close()
        await self.machines.close()
        await self.connections.close()
        await self._emit.close()
