"""A service over fake remotes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import AuthenticationRequired
from runicorn_jupyter.proxy.capabilities import Capabilities
from runicorn_jupyter.remote.fake import FakeClock, FakeHost, Pause
from runicorn_jupyter.service.caller import Caller
from runicorn_jupyter.service.opener import Opener
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.service.remote_service import RemoteService
from runicorn_jupyter.service.settings import ServiceSettings
from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.connection import Connection

T = TypeVar("T")
ADA = Caller("ada", "http://localhost:8888", "r1")


class World:
    """A service, the remotes that it reaches, and the events that it sends."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = FakeClock()
        self.hosts: list[FakeHost] = []
        self.prepare: Callable[[FakeHost], object] = id
        self.connecting: Pause | None = None
        self.probing: list[Pause] = []
        self.error: Exception | None = None
        self.rounds = 0
        self.answers: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.service = RemoteService(
            ServiceSettings(**settings),
            Capabilities(),
            self._emit,
            make_opener=lambda settings, emit: Opener(
                settings, emit, resolve=self._resolve, connect=self._connect, monotonic=self.clock.monotonic
            ),
            remote_of=lambda connection: next(
                h for h in self.hosts if h.connection is cast("Any", connection)
            ),
            profiles=Profiles(folder / "profiles.json"),
            clock=self.clock,
        )

    def _emit(self, type: str, **fields: Any) -> None:  # noqa: A002
        self.events.append({"type": type, **fields})

    def _resolve(self, host: str, **_: Any) -> Target:
        return Target(asked=host, hostname=host, port=22, username="ada")

    async def _connect(self, target: Target, credentials: Any, **options: Any) -> Connection:
        options["on_step"]("connecting")
        if self.connecting is not None:
            await self.connecting.wait()
        if self.error is not None:
            raise self.error
        for number in range(self.rounds):
            ask = options["timeout"].patient(options["ask"])
            prompts = [m.Prompt(text=f"Code {number}:", echo=False)]
            self.answers += [
                one.get_secret_value() for one in await asyncio.to_thread(ask, "Say it.", prompts)
            ]
        host = FakeHost(self.clock, options["connection_id"])
        self.hosts.append(host)
        self.prepare(host)
        return cast("Connection", host.connection)

    async def done(self, work: Coroutine[Any, Any, T], seconds: float = 0) -> T:
        """Do something that may wait for threads, and let so much time pass until it is done."""
        task = asyncio.ensure_future(work)
        await self.clock.advance(seconds)
        async with asyncio.timeout(60):
            while not task.done():
                await self.clock.advance(0)
        return task.result()

    def begin(self, host: str = "gpu", **fields: Any) -> asyncio.Task[m.ConnectResponse]:
        """Begin to connect."""
        request = m.ConnectRequest.model_validate({"host": host, "auth_method": "agent", **fields})
        return asyncio.ensure_future(self.service.connections.connect(ADA, request))

    async def connect(self, host: str = "gpu", **fields: Any) -> m.ConnectResponse:
        """Connect."""
        return await self.done(finish(self.begin(host, **fields)))

    async def challenge(self) -> str:
        """Connect to where something is asked; give the question's id."""
        with pytest.raises(AuthenticationRequired) as raised:
            await self.connect()
        return str(raised.value.details["challenge_id"])

    async def listed(self) -> list[str]:
        """Give the hosts that are connected to."""
        return [
            each.host for each in (await self.service.connections.list_connections(ADA, None)).connections
        ]

    def types(self) -> list[str]:
        """Give the types of the events since the last time."""
        found = [event["type"] for event in self.events]
        self.events.clear()
        return found


async def finish(task: asyncio.Task[T]) -> T:
    """Wait for a task."""
    return await task
