"""The list of all runs: its order, its pages, what changed, and who is told."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any, Literal

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.remote.run_details import DetailReader
from runicorn_jupyter.remote.run_sync import RunSource, read_run
from runicorn_jupyter.service import run_filter, run_pages
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
    size = len(run(1, alias="x" * 500).as_json)
    monkeypatch.setattr(run_pages, "MAX_PAGE_BYTES", 3 * size)
    seen, pages, cursor = [], 0, None
    while pages == 0 or cursor is not None:
        page = await index.page(ask(cursor=cursor), [])
        seen += ids(page)
        assert len(page.runs) <= 3
        assert page.total == 10
        pages, cursor = pages + 1, page.next_cursor
    assert (seen, pages) == ([f"1:r{number}" for number in reversed(range(10))], 4)
    monkeypatch.setattr(run_pages, "MAX_PAGE_BYTES", 1)  # a single run is never too long
    assert len((await index.page(ask(), [])).runs) == 1


async def test_changes_are_told_one_by_one_beyond_the_length_of_a_page(
    index: RunIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.update([run(number, alias="x" * 500) for number in range(10)])
    version, size = index.version, len(run(1, alias="y" * 500).as_json)
    index.update([run(number, alias="y" * 500) for number in range(4)])
    monkeypatch.setattr(run_pages, "MAX_PAGE_BYTES", 3 * size)
    monkeypatch.setattr(run_pages, "MAX_CHANGES_BYTES", 4 * size)
    changes = await index.changes(ask(changed_since=version), [])
    assert changes is not None
    assert (changes.reset, len(changes.runs), changes.next_cursor) == (False, 4, None)
    monkeypatch.setattr(run_pages, "MAX_CHANGES_BYTES", 4 * size - 1)
    again = await index.changes(ask(changed_since=version), [])
    assert again is not None
    assert (again.reset, len(again.runs), again.next_cursor is not None) == (True, 3, True)


def test_a_page_is_shorter_than_what_is_told_of_changes() -> None:
    assert (run_pages.MAX_PAGE_BYTES, run_pages.MAX_CHANGES_BYTES) == (2 * 2**20, 8 * 2**20)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("param.lr", "r3 r1 r0 r5 r4 r2 r7 r6"),
        ("-param.lr", "r5 r0 r1 r3 r2 r4 r7 r6"),
        ("-metric.acc", "r7 r6 r5 r4 r3 r2 r1 r0"),
        ("created", "r0 r1 r2 r3 r4 r5 r6 r7"),
        ("-created", "r7 r6 r5 r4 r3 r2 r1 r0"),
        ("status", "r7 r6 r5 r4 r3 r2 r1 r0"),
        ("nothing", "r7 r6 r5 r4 r3 r2 r1 r0"),
        ("-tag", "r7 r6 r5 r4 r3 r2 r1 r0"),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 8])
async def test_pages_in_another_order(index: RunIndex, sort: str, expected: str, limit: int) -> None:
    values = {0: 0.5, 1: 0.25, 2: "b", 3: -1, 4: "A", 5: "Infinity", 6: "NaN"}
    for number in range(8):
        params = {"lr": values[number]} if number in values else {}
        made = read_run(
            {"id": f"r{number}", "status": "running", "created": number, "metrics": {"acc": number // 4}},
            RunSource("conn_1", "gpu", "torch", "/data"),
            DetailReader().read({"params": params})[0],
        )
        assert made is not None
        index.update([made])
    seen: list[str] = []
    cursor = None
    while not seen or cursor is not None:
        page = await index.page(ask(sort=sort, limit=limit, cursor=cursor), [])
        seen += [each.run_id for each in page.runs]
        cursor = page.next_cursor
    assert " ".join(seen) == expected


async def test_a_cursor_in_the_order_of_long_texts_is_one(index: RunIndex) -> None:
    index.update(
        [run(number, id=f"{number}" + "\U0001f600" * 127, alias="\U0001f600" * 512) for number in range(3)]
    )
    seen, cursor = [], None
    while not seen or cursor is not None:
        page = await index.page(ask(sort="name", limit=1, cursor=cursor), [])
        seen += [each.run_id[0] for each in page.runs]
        cursor = page.next_cursor
    assert seen == ["2", "1", "0"]


async def test_a_condition_filters_pages_and_changes(index: RunIndex) -> None:
    index.update([run(number, metrics={"loss": number}) for number in range(5)])
    version = index.version
    page = await index.page(ask(where="loss>=2 and not loss=3"), [])
    assert (ids(page), page.total) == (["1:r4", "1:r2"], 2)
    assert ids(await index.page(ask(where=" "), [])) == [f"1:r{number}" for number in reversed(range(5))]
    index.update([run(4, metrics={"loss": 0})])
    changes = await index.changes(ask(where="loss>=2", changed_since=version), [])
    assert changes is not None
    assert ([key.run_id for key in changes.removed], changes.runs) == (["r4"], [])
    for asking in (index.page, index.changes):
        with pytest.raises(InvalidParameters) as caught:
            await asking(ask(where="loss>=2 and", changed_since=version), [])
        assert caught.value.details["position"] == len("loss>=2 and")


async def test_nothing_is_searched_or_sorted_on_the_event_loop(
    index: RunIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    has = run_filter.has_words

    def spied(*arguments: Any) -> bool:
        threads.add(threading.get_ident())
        return has(*arguments)

    monkeypatch.setattr(run_filter, "has_words", spied)
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
    strange = [
        [1, "a", "b"],
        [1, "a", "b", 0, "x"],
        [1, "a", "b", 1, 5],
        [1, "a", "b", 9, None],
        [1, "a", "b", [], 1],
    ]
    encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in strange]
    for cursor in (*encoded, "W10", "WzEsMiwzXQ", "bnVsbA", "W251bGwsIiIsIiJd", "-" * 1024):
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
