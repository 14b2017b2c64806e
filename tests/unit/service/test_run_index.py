"""The list of all runs: its order, its pages, what changed, and who is told."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Literal

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.remote.run_sync import RunSource, read_run
from runicorn_jupyter.service import run_index as module
from runicorn_jupyter.service.run_index import RunIndex


def run(number: int, *, connection: int = 1, **fields: Any) -> m.Run:
    """Make a run that was created at second ``number``."""
    place = RunSource(f"conn_{connection}", "gpu", "torch", "/data")
    made = read_run({"id": f"r{number}", "status": "running", "created": number, **fields}, place)
    assert made is not None
    return made


class Turn(asyncio.Lock):
    """A lock that tells when somebody wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = asyncio.Event()

    async def acquire(self) -> Literal[True]:
        self.wanted.set()
        return await super().acquire()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def index(told: list[str]) -> RunIndex:
    return RunIndex(lambda: told.append("told"))


def ids(answer: m.RunsResponse | None) -> list[str]:
    assert answer is not None
    return [f"{each.connection_id[5:]}:{each.run_id}" for each in answer.runs]


def ask(**query: Any) -> m.RunsQuery:
    return m.RunsQuery.model_validate(query)


async def test_newest_first_and_those_of_one_moment_by_their_ids(index: RunIndex) -> None:
    index.update([run(2), run(9), run(5), run(5, connection=2), run(7, created=None)])
    assert ids(await index.page(ask(), [])) == ["1:r9", "2:r5", "1:r5", "1:r2", "1:r7"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10, 11])
async def test_every_run_is_on_one_page_whatever_comes_and_goes_between(index: RunIndex, limit: int) -> None:
    index.update([run(number % 5, id=f"r{number}") for number in range(10)])
    expected = ids(await index.page(ask(), []))
    seen, cursor, new = [], None, 100
    while True:
        page = await index.page(ask(limit=limit, cursor=cursor), [])
        seen += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
        index.update([run(new)], [page.runs[-1]])  # the cursor's own run goes
        new += 1
    assert seen == expected


async def test_a_page_of_what_passes_and_how_much_that_is(index: RunIndex) -> None:
    index.update([run(number, alias="odd" if number % 2 else "even") for number in range(10)])
    page = await index.page(ask(text="ODD", limit=2), [])
    assert (ids(page), page.total) == (["1:r9", "1:r7"], 5)
    last = await index.page(ask(text="odd", limit=3, cursor=page.next_cursor), [])
    assert (ids(last), last.next_cursor) == (["1:r5", "1:r3", "1:r1"], None)


async def test_a_page_of_long_runs_ends_early_and_none_is_lost(
    index: RunIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update([run(number, alias="x" * 500) for number in range(10)])
    version = index.version
    size = len(run(1, alias="x" * 500).as_json)
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 3 * size)
    seen, pages, cursor = [], 0, None
    while pages == 0 or cursor is not None:
        page = await index.page(ask(cursor=cursor), [])
        seen += ids(page)
        assert len(page.runs) <= 3
        assert page.total == 10
        pages, cursor = pages + 1, page.next_cursor
    assert (seen, pages) == ([f"1:r{number}" for number in reversed(range(10))], 4)
    index.update([run(number, alias="y" * 500) for number in range(4)])
    answer = await index.changes(ask(changed_since=version), [])
    assert answer is not None
    assert (answer.reset, len(answer.runs), answer.next_cursor is not None) == (True, 3, True)
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 1)  # a single run is never too long
    assert len((await index.page(ask(), [])).runs) == 1


async def test_nothing_is_searched_or_sorted_on_the_event_loop(
    index: RunIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    has = module._has

    def spied(*arguments: Any) -> bool:
        threads.add(threading.get_ident())
        return has(*arguments)

    monkeypatch.setattr(module, "_has", spied)
    index.update([run(number) for number in range(50)])
    version = index.version
    assert (await index.page(ask(text="r1"), [])).total == 11
    index.update([run(1, step=1)])
    answer = await index.changes(ask(changed_since=version, text="r1"), [])
    assert ids(answer) == ["1:r1"]
    assert threads
    assert threading.get_ident() not in threads


async def test_a_change_while_it_is_searched_is_in_the_next_answer(index: RunIndex) -> None:
    index.update([run(1)])
    index._searching = turn = Turn()
    async with turn:  # a search of somebody else's is under way
        turn.wanted.clear()
        asking = asyncio.create_task(index.page(ask(), []))
        async with asyncio.timeout(60):
            await turn.wanted.wait()
        index.update([run(2)])
    async with asyncio.timeout(60):
        page = await asking
    assert ids(page) == ["1:r1"]
    changes = await index.changes(ask(changed_since=page.version), [])
    assert ids(changes) == ["1:r2"]
    assert ids(await index.page(ask(), [])) == ["1:r2", "1:r1"]


async def test_only_changes_the_latest_last(index: RunIndex) -> None:
    index.update([run(1), run(2), run(3)])
    version = index.version
    assert await index.changes(ask(changed_since=version), []) is None
    index.update([run(2, step=5), run(1, status="failed")], [run(3)])
    answer = await index.changes(ask(changed_since=version), [])
    assert answer is not None
    assert ids(answer) == ["1:r2", "1:r1"]
    assert [key.run_id for key in answer.removed] == ["r3"]
    filtered = await index.changes(ask(changed_since=version, status="running", run_id="r1"), [])
    assert filtered is not None
    assert (ids(filtered), [key.run_id for key in filtered.removed]) == ([], ["r1"])
    assert await index.changes(ask(changed_since=version, connection_id="conn_2"), []) is None


async def test_what_is_said_of_a_viewer_is_a_change_too(index: RunIndex) -> None:
    index.update([run(1)])
    version = index.version
    index.touch()
    answer = await index.changes(ask(changed_since=version), [])
    assert answer is not None
    assert (ids(answer), answer.removed, answer.reset) == ([], [], False)
    assert await index.changes(ask(changed_since=answer.version), []) is None


async def test_begin_again_where_changes_are_too_many_or_forgotten(
    index: RunIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = index.version
    index.update([run(number) for number in range(5)])
    many = await index.changes(ask(changed_since=version, limit=2), [])
    assert many is not None
    assert (many.reset, ids(many), many.total) == (True, ["1:r4", "1:r3"], 5)
    monkeypatch.setattr(module, "MAX_REMOVED", 1)
    index.update([], [run(0)])
    assert not (await index.page(ask(), [])).reset
    index.update([], [run(1), run(2)])
    forgotten = await index.changes(ask(changed_since=version), [])
    assert forgotten is not None
    assert (forgotten.reset, ids(forgotten)) == (True, ["1:r4", "1:r3"])


async def test_each_put_is_a_version_and_a_strange_one_is_refused(index: RunIndex) -> None:
    versions = [index.version]
    for number in range(3):
        index.update([run(number)])
        versions.append(index.version)
    assert len(set(versions)) == 4
    for odd in ("x", "1-", "-1", "1--1", f"{index.version}a", "e-" + "1" * 17):
        with pytest.raises(InvalidParameters):
            await index.changes(ask(changed_since=odd), [])
    for cursor in ("W10", "WzEsMiwzXQ", "bnVsbA", "W251bGwsIiIsIiJd", "-" * 1024):
        with pytest.raises(InvalidParameters):
            await index.page(ask(cursor=cursor), [])


async def test_who_has_asked_is_told_once(
    index: RunIndex, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANNOUNCE_SECONDS", 0.0)

    async def due() -> None:
        """Wait for what was to be announced at once: a later timer comes after it."""
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(0, passed.set)
        await passed.wait()

    async def put(number: int) -> int:
        index.update([run(number)])
        await due()
        return len(told)

    assert await put(1) == 0
    await index.page(ask(), [])
    assert [await put(2), await put(3)] == [1, 1]
    await index.page(ask(), [])
    index.update([run(4)])
    index.close()
    await due()
    assert len(told) == 1


async def test_waiting_ends_with_the_next_change(index: RunIndex) -> None:
    changed = index.changed
    assert not changed.is_set()
    index.update([run(1)])
    async with asyncio.timeout(60):
        await changed.wait()
