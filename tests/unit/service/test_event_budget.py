"""However much happens on a remote, the front ends are told only so much of it, and how much more it was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jupyter_events import EventLogger

from runicorn_jupyter.api.events import EventSink
from runicorn_jupyter.remote.fake import FakeClock
from runicorn_jupyter.service.event_budget import BURST, PER_SECOND, SUMMARY_SECONDS, EventBudget

Event = dict[str, Any]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sent() -> list[Event]:
    return []


@pytest.fixture
async def emit(clock: FakeClock, sent: list[Event]) -> EventBudget:
    return EventBudget(
        lambda type, **fields: sent.append({"type": type, **fields}),  # noqa: A006
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


def run(emit: EventBudget, number: int, connection_id: str = "c1", status: str = "started") -> None:
    emit("run", connection_id=connection_id, host="gpu1", run_id=f"r{number}", status=status)


def types(sent: list[Event]) -> list[str]:
    found = [event["type"] for event in sent]
    sent.clear()
    return found


async def test_a_flood_of_runs_is_a_few_events_and_how_many_more(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(19200):
        run(emit, number)
    assert types(sent) == ["run"] * BURST
    await clock.advance(SUMMARY_SECONDS)
    assert sent == [
        {
            "type": "more",
            "connection_id": "c1",
            "host": "gpu1",
            "of": "run",
            "status": "started",
            "count": 19200 - BURST,
            "message": f"… and {19200 - BURST} more messages about runs on gpu1.",
        }
    ]


async def test_of_runs_that_fail_one_is_told_however_many_have_begun(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(BURST + 5):
        run(emit, number)
    for number in range(BURST + 7):
        run(emit, number, status="failed")
    assert [event["status"] for event in sent] == ["started"] * BURST + ["failed"] * BURST
    sent.clear()
    await clock.advance(SUMMARY_SECONDS)
    assert [(event["status"], event["count"]) for event in sent] == [("started", 5), ("failed", 7)]


async def test_in_the_long_run_so_many_a_second(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for second in range(60):
        for number in range(300):
            run(emit, 1000 * second + number)
        await clock.advance(1)
    told = types(sent)
    assert told.count("run") == BURST + 59 * PER_SECOND
    assert told.count("more") == 60 / SUMMARY_SECONDS
    assert set(told) == {"run", "more"}


async def test_each_connection_and_each_kind_has_a_budget_of_its_own(
    emit: EventBudget, sent: list[Event]
) -> None:
    for number in range(3 * BURST):
        run(emit, number)
    sent.clear()
    run(emit, 0, "c2")
    emit("progress", connection_id="c1", host="gpu1", step="starting")
    emit("viewer", connection_id="c1", host="gpu1", status="running")
    emit("runs")
    assert types(sent) == ["run", "progress", "viewer", "runs"]


async def test_news_of_a_state_is_late_but_never_lost(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(BURST + 7):
        emit("viewer", connection_id="c1", status=f"s{number}")
        emit("challenge", connection_id="c1", challenge_id=f"{number}")
    last = sent[-1]
    assert len(sent) == BURST
    await clock.advance(SUMMARY_SECONDS)
    assert sent[BURST:] == [
        {"type": "viewer", "connection_id": "c1", "status": f"s{BURST + 6}"},
        {"type": "challenge", "connection_id": "c1", "challenge_id": f"{BURST + 6}"},
    ]
    assert last["type"] == "challenge"
    sent.clear()
    emit("viewer", connection_id="c1", status="now")
    await clock.advance(SUMMARY_SECONDS)
    assert types(sent) == ["viewer"]


async def test_what_is_late_is_superseded_by_what_comes_in_time(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(BURST + 1):
        emit("viewer", connection_id="c1", status=f"s{number}")
    sent.clear()
    await clock.advance(2 / PER_SECOND)
    emit("viewer", connection_id="c1", status="new")
    await clock.advance(SUMMARY_SECONDS)
    assert [event["status"] for event in sent] == ["new"]


async def test_the_last_word_of_a_connection_is_that_it_is_closed(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(BURST + 1):
        run(emit, number)
        emit("viewer", connection_id="c1", status=f"s{number}")
    sent.clear()
    emit("closed", connection_id="c1", host="gpu1")
    assert types(sent) == ["more", "closed"]
    await clock.advance(SUMMARY_SECONDS)
    assert types(sent) == []


async def test_the_end_says_what_was_held_back(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(BURST + 1):
        run(emit, number)
    sent.clear()
    await emit.close()
    assert types(sent) == ["more"]
    await clock.advance(SUMMARY_SECONDS)
    assert types(sent) == []


async def test_nothing_is_kept_of_connections_that_never_were(emit: EventBudget, clock: FakeClock) -> None:
    for number in range(200):
        emit("progress", connection_id=f"c{number}", step="connecting")
        await clock.advance(1)
    assert emit.connections <= BURST / PER_SECOND + 1


def test_what_was_left_out_is_an_event_of_the_schema(sent: list[Event]) -> None:
    logger = EventLogger()
    sink = EventSink(logger)

    async def listen(logger: EventLogger, schema_id: str, data: Event) -> None:
        sent.append(data)

    async def main() -> None:
        logger.add_listener(schema_id="https://schema.runicorn.dev/remote/v1", listener=listen)
        emit = EventBudget(sink)
        for number in range(BURST + 1):
            run(emit, number)
        await emit.close()
        await logger.gather_listeners()

    asyncio.run(main())
    assert types(sent) == ["run"] * BURST + ["more"]


async def test_of_a_servers_words_beyond_the_budget_the_last_are_sent(
    emit: EventBudget, clock: FakeClock, sent: list[Event]
) -> None:
    for number in range(1000):
        emit("progress", connection_id="c1", host="gpu1", step="message", text=f"word {number}")
    emit("progress", connection_id="c1", host="gpu1", step="authenticating")  # has a budget of its own
    assert [event.get("text") for event in sent] == [f"word {number}" for number in range(BURST)] + [None]
    sent.clear()
    await clock.advance(SUMMARY_SECONDS)
    assert [(event["type"], event["text"]) for event in sent] == [("progress", "word 999")]
