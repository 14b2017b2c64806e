"""The service over fake remotes: connecting with all that can come between, lists of runs, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import (
    AuthenticationRequired,
    ConnectionNotFound,
    ConnectionTimeout,
    InvalidParameters,
    NotFound,
    SshUnavailable,
    TooManyConnections,
)
from runicorn_jupyter.remote.fake import FakeHost, Pause
from runicorn_jupyter.service.caller import Caller
from runicorn_jupyter.service.connections import STOP_SECONDS
from runicorn_jupyter.service.profile_store import Profiles
from runicorn_jupyter.service.runs import HELD_SECONDS, LOOK_SECONDS, LOOKS_AT_ONCE, LOOKS_PER_SECOND
from tests.unit.service.world import ADA, World, finish

BOB = Caller("bob", "http://localhost:8888")


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(tmp_path)


def answer(challenge_id: str, *responses: str) -> m.ChallengeAnswerRequest:
    return m.ChallengeAnswerRequest.model_validate({"challenge_id": challenge_id, "responses": responses})


# -- connecting


async def test_a_connection_is_listed_and_told_when_its_remote_has_been_looked_at(world: World) -> None:
    found = await world.connect()
    assert (found.host, found.username, found.status) == ("gpu", "ada", "connected")
    assert found.server_info.hostname == "fake"
    assert await world.listed() == ["gpu"]
    assert world.types() == ["progress", "environments", "connection"]
    other = await world.connect("gpu2")
    assert other.connection_id != found.connection_id
    assert await world.listed() == ["gpu", "gpu2"]


async def test_what_fails_leaves_nothing_and_makes_room(tmp_path: Path) -> None:
    world = World(tmp_path, max_connections=1)
    world.error = SshUnavailable("Refused.")
    with pytest.raises(SshUnavailable):
        await world.connect()
    world.error = None

    def refuse(host: FakeHost) -> None:
        host.failures["probe"] = ConnectionTimeout("The commands there do not end.")

    world.prepare = refuse
    with pytest.raises(ConnectionTimeout):
        await world.connect()
    assert world.hosts[0].connection.status == "disconnected"
    assert world.types()[-1] == "closed"
    assert await world.listed() == []
    world.prepare = id
    await world.connect()
    with pytest.raises(TooManyConnections):
        await world.connect()


async def test_one_that_is_being_opened_takes_room(tmp_path: Path) -> None:
    world = World(tmp_path, max_connections=1)
    world.connecting = Pause()
    first = world.begin()
    await world.connecting.reached.wait()
    with pytest.raises(TooManyConnections):
        await world.connect()
    world.connecting.go()
    await world.done(finish(first))
    assert await world.listed() == ["gpu"]


async def test_what_is_left_of_the_time_is_for_looking_around(world: World) -> None:
    world.connecting = Pause()
    world.prepare = lambda host: host.pause("probe")
    connecting = world.begin(timeout=30)
    await world.connecting.reached.wait()
    await world.clock.advance(25)
    world.connecting.go()
    await world.clock.advance(4)
    assert not connecting.done()
    with pytest.raises(TimeoutError):
        await world.done(finish(connecting), 2)
    assert world.hosts[0].connection.status == "disconnected"


# -- questions


async def test_a_question_ends_the_request_and_its_answer_connects(world: World) -> None:
    world.rounds = 2
    first = await world.challenge()
    assert [event["challenge_id"] for event in world.events if event["type"] == "challenge"] == [first]
    asked = await world.service.connections.get_challenge(ADA, m.ChallengeQuery(challenge_id=first))
    assert [prompt.text for prompt in asked.prompts] == ["Code 0:"]
    with pytest.raises(AuthenticationRequired) as raised:
        await world.done(world.service.connections.answer_challenge(ADA, answer(first, "one")))
    second = raised.value.details["challenge_id"]
    assert second != first
    with pytest.raises(NotFound):
        await world.service.connections.get_challenge(ADA, m.ChallengeQuery(challenge_id=first))
    found = await world.done(world.service.connections.answer_challenge(ADA, answer(second, "two")))
    assert (found.status, world.answers, await world.listed()) == ("connected", ["one", "two"], ["gpu"])


async def test_nobody_else_answers_and_as_much_as_was_asked(world: World) -> None:
    world.rounds = 1
    asked = await world.challenge()
    with pytest.raises(NotFound):
        await world.service.connections.answer_challenge(BOB, answer(asked, "mine"))
    with pytest.raises(NotFound):
        await world.service.connections.drop_challenge(BOB, m.ChallengeQuery(challenge_id=asked))
    with pytest.raises(InvalidParameters):
        await world.service.connections.answer_challenge(ADA, answer(asked, "one", "two"))
    await world.done(world.service.connections.answer_challenge(ADA, answer(asked, "one")))
    assert await world.listed() == ["gpu"]


async def test_who_declines_gets_no_connection_and_makes_room(tmp_path: Path) -> None:
    world = World(tmp_path, max_connections=1)
    world.rounds = 1
    asked = await world.challenge()
    await world.service.connections.drop_challenge(ADA, m.ChallengeQuery(challenge_id=asked))
    await world.clock.advance(0)
    assert (await world.listed(), world.hosts) == ([], [])
    world.rounds = 0
    await world.connect()


async def test_the_time_of_a_person_does_not_count(world: World) -> None:
    world.rounds = 1
    asked = await world.challenge()
    await world.clock.advance(100)  # more than the 30 s of the request
    found = await world.done(world.service.connections.answer_challenge(ADA, answer(asked, "one")))
    assert found.status == "connected"


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("remembers", [False, True])
async def test_what_was_opened_last_is_started_only_where_nobody_was_asked(
    tmp_path: Path, asked: bool, remembers: bool
) -> None:
    world = World(tmp_path, start_remembered=remembers)
    Profiles(tmp_path / "profiles.json").remember(
        host="gpu", username="ada", env_name="torch", remote_root="/data"
    )
    world.rounds = int(asked)
    if asked:
        challenge = await world.challenge()
        await world.done(world.service.connections.answer_challenge(ADA, answer(challenge, "one")))
    else:
        await world.connect()
    for _ in range(200):
        await world.clock.advance(0)
        if world.hosts[0].processes:
            break
    assert bool(world.hosts[0].processes) == (remembers and not asked)
    await world.service.close()


# -- cancelled in the middle


async def while_connecting(world: World) -> asyncio.Task[Any]:
    world.connecting = Pause()
    task = world.begin()
    await world.connecting.reached.wait()
    return task


async def while_looking_around(world: World) -> asyncio.Task[Any]:
    world.prepare = lambda host: world.probing.append(host.pause("probe"))
    task = world.begin()
    async with asyncio.timeout(60):
        while not world.probing:
            await asyncio.sleep(0)
        await world.probing[0].reached.wait()
    return task


async def while_the_answer_is_tried(world: World) -> asyncio.Task[Any]:
    world.rounds = 1
    asked = await world.challenge()
    world.prepare = lambda host: world.probing.append(host.pause("probe"))
    task = asyncio.ensure_future(world.service.connections.answer_challenge(ADA, answer(asked, "one")))
    async with asyncio.timeout(60):
        while not world.probing:
            await asyncio.sleep(0)
        await world.probing[0].reached.wait()
    return task


@pytest.mark.parametrize("state", [while_connecting, while_looking_around], ids=lambda s: s.__name__)
async def test_a_client_that_hangs_up_leaves_nothing(tmp_path: Path, state: Callable[[World], Any]) -> None:
    world = World(tmp_path, max_connections=1)
    task = await state(world)
    task.cancel()
    await asyncio.wait([task])
    await world.clock.advance(0)
    assert await world.listed() == []
    assert [host.connection.status for host in world.hosts] in ([], ["disconnected"])
    world.connecting, world.prepare = None, id
    await world.connect()


@pytest.mark.parametrize(
    "state", [while_connecting, while_looking_around, while_the_answer_is_tried], ids=lambda s: s.__name__
)
async def test_what_is_still_being_opened_when_jupyter_stops_is_not_kept(
    world: World, state: Callable[[World], Any]
) -> None:
    task = await state(world)
    await world.service.close()
    if world.connecting is not None:
        world.connecting.go()
    for pause in world.probing:
        pause.go()
    with pytest.raises(SshUnavailable, match="stopping"):
        await world.done(finish(task))
    assert await world.listed() == []
    assert [host.connection.status for host in world.hosts] == ["disconnected"]


# -- runs


def runs_of(host: FakeHost, *ids: str) -> None:
    """Have a viewer say that it has these runs, and nothing more."""

    async def say(body: dict[str, Any]) -> dict[str, Any]:
        if body["wait_seconds"] and body["version"]:
            await host.clock.sleep(body["wait_seconds"])
        runs = [] if body["version"] else [{"id": each, "status": "running", "created": 1} for each in ids]
        return {
            "epoch": "e", "version": 1, "reset": not body["version"], "more": False, "runs": runs,
            "removed": [], "complete": True,
        }  # fmt: skip

    host.answers["runs"] = say


async def with_viewer(world: World, host: str, *ids: str) -> str:
    """Connect, start a viewer, and give the connection's id."""
    world.prepare = lambda fake: runs_of(fake, *ids)
    connection_id = (await world.connect(host)).connection_id
    request = m.ViewerStartRequest(connection_id=connection_id, env_name="torch")
    await world.done(world.service.viewers.start_viewer(ADA, request))
    return connection_id


def query(**fields: Any) -> m.RunsQuery:
    return m.RunsQuery.model_validate(fields)


async def test_the_runs_of_all_viewers_and_a_hanging_one_delays_the_list_once(world: World) -> None:
    await with_viewer(world, "gpu1", "a")
    hangs = await with_viewer(world, "gpu2", "b")
    both = await world.done(world.service.runs.list_runs(ADA, query()))
    assert sorted(run.run_id for run in both.runs) == ["a", "b"]
    world.hosts[1].viewer.stop()
    asking = asyncio.ensure_future(world.service.runs.list_runs(ADA, query()))
    await world.clock.advance(LOOK_SECONDS - 0.1)
    assert not asking.done()
    late = await world.done(finish(asking), 0.2)
    errors = {server.connection_id: server.error and server.error.code for server in late.servers}
    assert errors.pop(hangs) == "viewer_not_responding"
    assert list(errors.values()) == [None]
    assert len(late.runs) == 2
    before = world.clock.now
    await world.done(world.service.runs.list_runs(ADA, query()))
    assert world.clock.now == before  # no more than once
    await world.service.close()


async def test_curves_of_a_viewer_that_fails_leave_the_others(world: World) -> None:
    good, cut = [await with_viewer(world, host, "a") for host in ("gpu1", "gpu2")]
    asked: list[Any] = []

    def metrics(body: dict[str, Any]) -> dict[str, Any]:
        asked.append(body["runs"])
        curve = {"steps": [1], "times": [5], "metrics": {"loss": [0.5]}, "total": 1, "version": "e-1"}
        return {"runs": [curve if run["id"] == "a" else {"missing": True} for run in body["runs"]]}

    world.hosts[0].answers["metrics"] = metrics
    world.hosts[1].connection.drop()
    runs = [{"connection_id": at, "run_id": run} for at, run in ((cut, "a"), (good, "b"), (good, "a"))]
    request = m.RunsCurvesRequest.model_validate({"runs": runs, "names": ["loss"]})
    answer = await world.done(world.service.runs.read_curves(ADA, request))
    assert [curve.error and curve.error.code for curve in answer.runs] == [
        "connection_lost",
        "not_found",
        None,
    ]
    assert [curve.connection_id for curve in answer.runs] == [cut, good, good]
    assert (answer.runs[2].steps, answer.runs[2].metrics) == ([1], {"loss": [0.5]})
    assert asked == [[{"id": "b"}, {"id": "a"}]]  # one question to each viewer
    await world.service.close()


async def test_whoever_asks_for_the_list_without_a_pause_is_held_back(world: World) -> None:
    await with_viewer(world, "gpu1", *(f"run{number}" for number in range(3)))
    for _ in range(LOOKS_AT_ONCE):
        await world.done(world.service.runs.list_runs(ADA, query()))
    asking = asyncio.ensure_future(world.service.runs.list_runs(ADA, query()))
    await world.clock.advance(HELD_SECONDS / 2)
    assert not asking.done()
    page = await world.done(finish(asking), HELD_SECONDS)
    assert len(page.runs) == 3
    await world.clock.advance(LOOKS_AT_ONCE / LOOKS_PER_SECOND)
    before = world.clock.now
    first = await world.done(world.service.runs.list_runs(ADA, query(limit=1)))
    for _ in range(LOOKS_AT_ONCE):  # the pages that follow ask no viewer
        await world.done(world.service.runs.list_runs(ADA, query(limit=1, cursor=first.next_cursor)))
    assert world.clock.now == before
    await world.service.close()


def looks_at(host: FakeHost) -> list[dict[str, Any]]:
    """Take note, from now on, of the questions that this viewer is to answer at once."""
    say, looks = host.answers["runs"], []

    def noted(body: dict[str, Any]) -> Any:
        if not body["wait_seconds"]:
            looks.append(body)
        return say(body)

    host.answers["runs"] = noted
    return looks


async def test_who_waits_for_changes_has_only_those_asked_that_do_not_tell(world: World) -> None:
    for number in range(5):
        await with_viewer(world, f"gpu{number}", "a")
    looks = [looks_at(host) for host in world.hosts]
    version = (await world.done(world.service.runs.list_runs(ADA, query()))).version
    assert [len(each) for each in looks] == [1] * 5

    async def asked(wait: float) -> list[str | None]:
        for each in looks:
            each.clear()
        asking = query(changed_since=version, wait=wait)
        answer = await world.done(world.service.runs.list_runs(ADA, asking), LOOK_SECONDS + wait)
        return [server.error and server.error.code for server in answer.servers]

    assert await asked(1) == [None] * 5
    assert [len(each) for each in looks] == [0] * 5
    assert await asked(0) == [None] * 5
    assert [len(each) for each in looks] == [1] * 5
    world.hosts[1].viewer.stop()
    await world.clock.advance(15)  # the README's promise
    assert await asked(1) == [None, "viewer_not_responding", None, None, None]
    world.hosts[1].viewer.cont()
    await world.clock.advance(1)
    assert [len(each) for each in looks] == [0, 1, 0, 0, 0]
    await world.service.close()


async def test_a_change_is_waited_for_as_long_as_is_said(world: World) -> None:
    connection_id = await with_viewer(world, "gpu1", "a")
    version = (await world.done(world.service.runs.list_runs(ADA, query()))).version
    waiting = query(changed_since=version, wait=20)
    asking = asyncio.ensure_future(world.service.runs.list_runs(ADA, waiting))
    await world.clock.advance(19)
    assert not asking.done()
    nothing = await world.done(finish(asking), 2)
    assert (nothing.runs, nothing.removed, nothing.version) == ([], [], version)
    asking = asyncio.ensure_future(world.service.runs.list_runs(ADA, waiting))
    await world.clock.advance(1)
    await world.done(
        world.service.viewers.stop_viewer(ADA, m.ViewerStopRequest(connection_id=connection_id, cleanup=True))
    )
    gone = await world.done(finish(asking))
    assert [key.run_id for key in gone.removed] == ["a"]
    assert gone.servers == []


# -- the end


async def test_disconnecting_says_whether_the_remote_was_told(world: World) -> None:
    first = await with_viewer(world, "gpu1")
    second = await with_viewer(world, "gpu2")
    world.hosts[1].connection.drop()
    told, untold = [
        (
            await world.done(world.service.connections.disconnect(ADA, m.DisconnectQuery(connection_id=each)))
        ).message
        for each in (first, second)
    ]
    assert (told, "could not be reached" in untold) == ("Disconnected from gpu1.", True)
    assert not world.hosts[0].running
    assert await world.listed() == []
    with pytest.raises(ConnectionNotFound):
        await world.service.connections.disconnect(ADA, m.DisconnectQuery(connection_id=first))
    assert world.types().count("closed") == 2


async def test_the_end_waits_for_each_connection_and_not_longer_than_it_may(world: World) -> None:
    await with_viewer(world, "gpu1")
    await with_viewer(world, "gpu2")
    pause = world.hosts[1].pause("stop")
    closing = asyncio.ensure_future(world.service.close())
    await pause.reached.wait()
    await world.clock.advance(STOP_SECONDS - 0.1)
    assert not closing.done()
    assert not world.hosts[0].running
    await world.done(finish(closing), 0.2)
    await world.clock.advance(0)
    assert [host.connection.status for host in world.hosts] == ["disconnected", "disconnected"]
    assert await world.listed() == []
