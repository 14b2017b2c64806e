"""The list of all runs: its order, its pages, what changed, and who is told."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.remote.run_sync import Place, read_run
from runicorn_jupyter.service import run_index as module
from runicorn_jupyter.service.run_index import RunBoard


def run(number: int, *, connection: int = 1, **fields: Any) -> m.Run:
    """Make a run that was created at second ``number``."""
    place = Place(f"conn_{connection}", "gpu", "torch", "/data")
    made = read_run({"id": f"r{number}", "status": "running", "created": number, **fields}, place)
    assert made is not None
    return made


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def board(told: list[str]) -> RunBoard:
    return RunBoard(lambda: told.append("told"))


def ids(answer: m.RunsResponse | None) -> list[str]:
    assert answer is not None
    return [f"{each.connection_id[5:]}:{each.run_id}" for each in answer.runs]


def ask(**query: Any) -> m.RunsQuery:
    return m.RunsQuery.model_validate(query)


async def test_newest_first_and_those_of_one_moment_by_their_ids(board: RunBoard) -> None:
    board.put([run(2), run(9), run(5), run(5, connection=2), run(7, created=None)])
    assert ids(await board.page(ask(), [])) == ["1:r9", "2:r5", "1:r5", "1:r2", "1:r7"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 10, 11])
async def test_every_run_is_on_one_page_whatever_comes_and_goes_between(board: RunBoard, limit: int) -> None:
    board.put([run(number % 5, id=f"r{number}") for number in range(10)])
    expected = ids(await board.page(ask(), []))
    seen, cursor, new = [], None, 100
    while True:
        page = await board.page(ask(limit=limit, cursor=cursor), [])
        seen += ids(page)
        cursor = page.next_cursor
        if cursor is None:
            break
        board.put([run(new)], [page.runs[-1]])  # the cursor's own run goes
        new += 1
    assert seen == expected


async def test_a_page_of_what_passes_and_how_much_that_is(board: RunBoard) -> None:
    board.put([run(number, alias="odd" if number % 2 else "even") for number in range(10)])
    page = await board.page(ask(text="ODD", limit=2), [])
    assert (ids(page), page.total) == (["1:r9", "1:r7"], 5)
    last = await board.page(ask(text="odd", limit=3, cursor=page.next_cursor), [])
    assert (ids(last), last.next_cursor) == (["1:r5", "1:r3", "1:r1"], None)


async def test_a_page_of_long_runs_ends_early_and_none_is_lost(
    board: RunBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.put([run(number, alias="x" * 500) for number in range(10)])
    version = board.version
    size = len(run(1, alias="x" * 500).as_json)
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 3 * size)
    seen, pages, cursor = [], 0, None
    while pages == 0 or cursor is not None:
        page = await board.page(ask(cursor=cursor), [])
        seen += ids(page)
        assert len(page.runs) <= 3
        assert page.total == 10
        pages, cursor = pages + 1, page.next_cursor
    assert (seen, pages) == ([f"1:r{number}" for number in reversed(range(10))], 4)
    board.put([run(number, alias="y" * 500) for number in range(4)])
    answer = await board.changes(ask(changed_since=version), [])
    assert answer is not None
    assert (answer.reset, len(answer.runs), answer.next_cursor is not None) == (True, 3, True)
    monkeypatch.setattr(module, "MAX_PAGE_BYTES", 1)  # a single run is never too long
    assert len((await board.page(ask(), [])).runs) == 1


async def test_nothing_is_searched_or_sorted_on_the_event_loop(
    board: RunBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    has = module._has

    def spied(*arguments: Any) -> bool:
        threads.add(threading.get_ident())
        return has(*arguments)

    monkeypatch.setattr(module, "_has", spied)
    board.put([run(number) for number in range(50)])
    version = board.version
    assert (await board.page(ask(text="r1"), [])).total == 11
    board.put([run(1, step=1)])
    answer = await board.changes(ask(changed_since=version, text="r1"), [])
    assert ids(answer) == ["1:r1"]
    assert threads
    assert threading.get_ident() not in threads


async def test_a_change_while_it_is_searched_is_in_the_next_answer(board: RunBoard) -> None:
    board.put([run(1)])
    async with board._searching:  # a search of somebody else's is under way
        asking = asyncio.create_task(board.page(ask(), []))
        await asyncio.sleep(0)
        board.put([run(2)])
    async with asyncio.timeout(60):
        page = await asking
    assert ids(page) == ["1:r1"]
    changes = await board.changes(ask(changed_since=page.version), [])
    assert ids(changes) == ["1:r2"]
    assert ids(await board.page(ask(), [])) == ["1:r2", "1:r1"]


async def test_only_changes_the_latest_last(board: RunBoard) -> None:
    board.put([run(1), run(2), run(3)])
    version = board.version
    assert await board.changes(ask(changed_since=version), []) is None
    board.put([run(2, step=5), run(1, status="failed")], [run(3)])
    answer = await board.changes(ask(changed_since=version), [])
    assert answer is not None
    assert ids(answer) == ["1:r2", "1:r1"]
    assert [key.run_id for key in answer.removed] == ["r3"]
    filtered = await board.changes(ask(changed_since=version, status="running", run_id="r1"), [])
    assert filtered is not None
    assert (ids(filtered), [key.run_id for key in filtered.removed]) == ([], ["r1"])
    assert await board.changes(ask(changed_since=version, connection_id="conn_2"), []) is None


async def test_what_is_said_of_a_viewer_is_a_change_too(board: RunBoard) -> None:
    board.put([run(1)])
    version = board.version
    board.touch()
    answer = await board.changes(ask(changed_since=version), [])
    assert answer is not None
    assert (ids(answer), answer.removed, answer.reset) == ([], [], False)
    assert await board.changes(ask(changed_since=answer.version), []) is None


async def test_begin_again_where_changes_are_too_many_or_forgotten(
    board: RunBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = board.version
    board.put([run(number) for number in range(5)])
    many = await board.changes(ask(changed_since=version, limit=2), [])
    assert many is not None
    assert (many.reset, ids(many), many.total) == (True, ["1:r4", "1:r3"], 5)
    monkeypatch.setattr(module, "MAX_REMOVED", 1)
    board.put([], [run(0)])
    assert not (await board.page(ask(), [])).reset
    board.put([], [run(1), run(2)])
    forgotten = await board.changes(ask(changed_since=version), [])
    assert forgotten is not None
    assert (forgotten.reset, ids(forgotten)) == (True, ["1:r4", "1:r3"])


async def test_each_put_is_a_version_and_a_strange_one_is_refused(board: RunBoard) -> None:
    versions = [board.version]
    for number in range(3):
        board.put([run(number)])
        versions.append(board.version)
    assert len(set(versions)) == 4
    for odd in ("x", "1-", "-1", "1--1", f"{board.version}a", "e-" + "1" * 17):
        with pytest.raises(InvalidParameters):
            await board.changes(ask(changed_since=odd), [])
    for cursor in ("W10", "WzEsMiwzXQ", "bnVsbA", "W251bGwsIiIsIiJd", "-" * 1024):
        with pytest.raises(InvalidParameters):
            await board.page(ask(cursor=cursor), [])


async def test_who_has_asked_is_told_once(
    board: RunBoard, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANNOUNCE_SECONDS", 0.0)

    async def put(number: int) -> int:
        board.put([run(number)])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(told)

    assert await put(1) == 0
    await board.page(ask(), [])
    assert [await put(2), await put(3)] == [1, 1]
    await board.page(ask(), [])
    board.put([run(4)])
    board.close()
    await asyncio.sleep(0.01)
    assert len(told) == 1


async def test_waiting_ends_with_the_next_change(board: RunBoard) -> None:
    waiting = asyncio.create_task(board.changed.wait())
    await asyncio.sleep(0)
    board.put([run(1)])
    async with asyncio.timeout(60):
        await waiting
