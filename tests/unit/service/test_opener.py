"""Opening a connection, step by step: what each step is given, how it fails, and what is left then."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import ConnectionTimeout, Forbidden, HostKeyUnknown, InvalidParameters
from runicorn_jupyter.service.opener import Opened, Opener
from runicorn_jupyter.service.settings import ServiceSettings
from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.connection import Connection, SshSettings
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.server_message import ServerMessage

ABOUT = {"connection_id": "conn_00000001", "request_id": "r1", "host": "gpu"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtleWtleWtleWtleWtleWtleWtleWtleWtleWtleWtleWtl"


class Remote:
    """Stands below the opener: resolves and connects as a test says."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.now = 0.0
        self.resolving = asyncio.Event()
        self.connecting = asyncio.Event()
        self.resolved = threading.Event()
        self.resolved.set()
        self.connected = asyncio.Event()
        self.connected.set()
        self.error: BaseException | None = None
        self.given: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.ended = 0
        self.known_hosts: Path | None = None

    def emit(self, type: str, **fields: Any) -> None:  # noqa: A002
        self.events.append({"type": type, **fields})

    def monotonic(self) -> float:
        return self.now

    def resolve(self, host: str, **options: Any) -> Target:
        self.given |= {"resolve": options}
        self.loop.call_soon_threadsafe(self.resolving.set)
        self.resolved.wait(60)
        if isinstance(self.error, InvalidParameters):
            raise self.error
        files = () if self.known_hosts is None else (self.known_hosts,)
        return Target(asked=host, hostname="10.0.0.1", port=22, username="ada", user_known_hosts=files)

    async def connect(self, target: Target, credentials: Any, **options: Any) -> Connection:
        self.given |= {"target": target, "credentials": credentials, **options}
        options["on_step"]("connecting")
        self.connecting.set()
        try:
            await self.connected.wait()
        finally:
            self.ended += 1
        if self.error is not None:
            raise self.error
        return cast("Connection", object())


@pytest.fixture
async def remote() -> Remote:
    return Remote()


@pytest.fixture
def opener(remote: Remote) -> Opener:
    return made(remote)


def made(remote: Remote, **settings: Any) -> Opener:
    return Opener(
        ServiceSettings(**settings),
        remote.emit,
        resolve=remote.resolve,
        connect=remote.connect,
        monotonic=remote.monotonic,
    )


def request(**fields: Any) -> m.ConnectRequest:
    return m.ConnectRequest.model_validate({"host": "gpu", "auth_method": "agent", **fields})


def nobody(*_: Any) -> Any:
    raise AssertionError("nobody is to be asked")


async def start(remote: Remote, opener: Opener, **fields: Any) -> asyncio.Task[Opened]:
    return asyncio.create_task(opener.open(request(**fields), ABOUT, nobody, ServerMessage()))


async def test_each_step_is_given_what_the_request_says(remote: Remote, opener: Opener) -> None:
    opened = await opener.open(
        request(username="ada", port=2222, auth_method="password", password="p", timeout=40),
        ABOUT,
        nobody,
        ServerMessage(),
    )
    assert remote.given["resolve"] == {"username": "ada", "port": 2222, "run_commands": True, "timeout": 40}
    assert remote.given["target"].hostname == "10.0.0.1"
    assert remote.given["credentials"].password.get_secret_value() == "p"
    assert (remote.given["connection_id"], remote.given["ask"]) == ("conn_00000001", nobody)
    assert remote.given["timeout"] is opened.deadline
    assert (opened.host, opened.deadline.seconds) == ("gpu", 40)
    assert remote.events == [{"type": "progress", "step": "connecting", **ABOUT}]


async def test_the_time_for_all_steps_is_one(remote: Remote, opener: Opener) -> None:
    remote.resolved.clear()
    opening = await start(remote, opener, timeout=40)
    await remote.resolving.wait()
    remote.now += 15
    remote.connected.clear()
    remote.resolved.set()
    await remote.connecting.wait()
    deadline: Deadline = remote.given["timeout"]
    assert deadline.left == 25
    remote.now += 10
    remote.connected.set()
    assert (await opening).deadline.left == 15


async def test_a_key_that_is_none_is_said_before_anything_is_resolved(remote: Remote, opener: Opener) -> None:
    with pytest.raises(InvalidParameters):
        await opener.open(
            request(auth_method="key", private_key_path="/nowhere/at/all"), ABOUT, nobody, ServerMessage()
        )
    assert remote.given == {}


@pytest.mark.parametrize(
    "error",
    [InvalidParameters("no such host"), ConnectionTimeout("too long"), RuntimeError("unforeseen")],
    ids=["resolving", "connecting", "unforeseen"],
)
async def test_what_a_step_raises_is_raised(remote: Remote, opener: Opener, error: Exception) -> None:
    remote.error = error
    with pytest.raises(type(error)):
        await opener.open(request(), ABOUT, nobody, ServerMessage())
    assert remote.ended == (not isinstance(error, InvalidParameters))


async def test_a_key_can_be_accepted_once_it_was_offered_and_no_other(
    remote: Remote, opener: Opener, tmp_path: Path
) -> None:
    remote.known_hosts = tmp_path / "known_hosts"
    accept = m.KnownHostAccept(host="gpu", port=22, public_key=KEY)
    with pytest.raises(InvalidParameters, match="connect first"):
        await opener.accept_host_key(accept)
    offered = {
        "host": "gpu",
        "port": 22,
        "key_type": "ssh-ed25519",
        "fingerprint_sha256": "SHA256:x",
        "public_key": KEY,
    }
    remote.error = HostKeyUnknown("unknown", host_key=offered)
    with pytest.raises(HostKeyUnknown):
        await opener.open(request(), ABOUT, nobody, ServerMessage())
    with pytest.raises(InvalidParameters, match="connect first"):
        await opener.accept_host_key(accept.model_copy(update={"host": "other"}))
    remote.error = None
    await opener.accept_host_key(accept)
    assert remote.known_hosts.read_text() == f"10.0.0.1 {KEY}\n"
    assert [one.host for one in await opener.list_known_hosts()] == ["10.0.0.1"]
    assert await opener.forget_host_keys(m.KnownHostRemove(host="gpu", port=22)) == 1
    assert remote.known_hosts.read_text() == ""
    strict = made(remote, connection=SshSettings(host_key_policy="strict"))
    with pytest.raises(Forbidden):
        await strict.accept_host_key(accept)


@pytest.mark.parametrize("step", ["resolving", "connecting"])
async def test_cancelled_in_the_middle_of_a_step_it_ends(remote: Remote, opener: Opener, step: str) -> None:
    if step == "resolving":
        remote.resolved.clear()
    remote.connected.clear()
    opening = await start(remote, opener)
    await getattr(remote, step).wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    remote.resolved.set()
    assert remote.connecting.is_set() == (step == "connecting") == bool(remote.ended)
