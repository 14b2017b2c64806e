"""A viewer's localStorage on the Jupyter side: bounded, whole or not at all, and still there tomorrow."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.proxy.local_storage import (
    MAX_ENTRIES,
    MAX_STORAGE_BYTES,
    Change,
    StorageFolder,
    StorageFull,
    StorageRefused,
    ViewerStorage,
)
from runicorn_jupyter.proxy.upstream import CHANGES_AT_ONCE, CHANGES_PER_SECOND
from runicorn_jupyter.token_bucket import TokenBucket
from tests.security.linear import count_steps
from tests.unit.proxy.world import FakeViewer, Proxy

PATH = "/__runicorn_jupyter__/storage"


def test_changes_apply_in_order() -> None:
    storage = ViewerStorage()
    storage.apply(Change.parse(b'{"set": {"a": "1", "b": "2"}}'))
    storage.apply(Change.parse(b'{"remove": ["a", "never"], "set": {"c": "3"}}'))
    assert storage.items == {"b": "2", "c": "3"}
    storage.apply(Change.parse(b'{"clear": true, "set": {"d": "4"}}'))
    assert storage.items == {"d": "4"}
    assert ViewerStorage(storage.dump()).items == {"d": "4"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b'"a"', b"{", b'{"set": []}', b'{"set": {"a": 1}}', b'{"remove": {}}',
        b'{"remove": [1]}', b'{"other": 1}', b"\xff", b"[" * 100000,
    ],
)  # fmt: skip
def test_what_is_no_change_changes_nothing(body: bytes) -> None:
    storage = ViewerStorage(b'{"a":"1"}')
    with pytest.raises(StorageRefused):
        storage.apply(Change.parse(body))
    assert storage.items == {"a": "1"}


def test_there_is_a_bound() -> None:
    storage = ViewerStorage()
    half = "x" * (MAX_STORAGE_BYTES // 2)
    storage.apply(Change.parse(json.dumps({"set": {"a": half}}).encode()))
    with pytest.raises(StorageRefused):
        storage.apply(Change.parse(json.dumps({"set": {"b": half}}).encode()))
    storage.apply(Change.parse(json.dumps({"remove": ["a"], "set": {"b": half}}).encode()))
    assert set(storage.items) == {"b"}


def test_names_have_a_bound() -> None:
    storage = ViewerStorage()
    storage.apply(Change.parse(json.dumps({"set": {str(n): "" for n in range(MAX_ENTRIES)}}).encode()))
    with pytest.raises(StorageFull):
        storage.apply(Change.parse(b'{"set": {"one more": ""}}'))
    storage.apply(Change.parse(b'{"remove": ["0"], "set": {"one more": ""}}'))
    assert len(storage.items) == MAX_ENTRIES
    for change in ({"set": {str(n): "" for n in range(80000)}}, {"remove": ["x"] * 80000}):
        with pytest.raises(StorageFull):
            Change.parse(json.dumps(change).encode())


def test_a_change_costs_what_it_changes_however_much_is_kept() -> None:
    few, many = ViewerStorage(), ViewerStorage()
    many.apply(Change.parse(json.dumps({"set": {str(n): "x" * 900 for n in range(999)}}).encode()))
    change = Change.parse(b'{"remove": ["never"], "set": {"a": "1"}}')
    assert count_steps(lambda: many.apply(change)) == count_steps(lambda: few.apply(change))
    assert many.size == len(many.dump()) + 1  # a comma after the last one as well


def test_what_changes_nothing_is_not_written() -> None:
    told: list[int] = []
    storage = ViewerStorage(b'{"a":"1"}', lambda: told.append(1))
    for body in (b"{}", b'{"set": {"a": "1"}}', b'{"remove": ["b"]}'):
        storage.apply(Change.parse(body))
    assert told == []
    storage.apply(Change.parse(b'{"set": {"a": "2"}}'))
    storage.apply(Change.parse(b'{"clear": true}'))
    storage.apply(Change.parse(b'{"clear": true}'))
    assert told == [1, 1]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=5), max_size=5))
def test_what_was_kept_comes_back(changes: list[dict[str, str]]) -> None:
    storage = ViewerStorage()
    for change in changes:
        storage.apply(Change.parse(json.dumps({"set": change}).encode()))
    assert ViewerStorage(storage.dump()).items == storage.items
    assert len(storage.dump()) <= MAX_STORAGE_BYTES


@pytest.mark.parametrize(
    "content", [b"{", b"[1]", b'{"a": 1}', b"\xff\xfe", b'{"a": "' + b"x" * MAX_STORAGE_BYTES + b'"}']
)
def test_what_cannot_be_read_counts_as_empty(content: bytes) -> None:
    assert ViewerStorage(content).items == {}


async def test_pages_read_and_write_it(proxy: Proxy, upstream: FakeViewer) -> None:
    upstream.says(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<head>")
    sent = await proxy.ask(PATH, "POST", body=b'{"set": {"theme": "</script>"}}')
    assert (sent.status, sent.body) == (204, b"")
    assert proxy.endpoint.storage.items == {"theme": "</script>"}
    page = await proxy.visit()
    assert b'"storage":{"theme":"\\u003c/script\\u003e"}' in page.body
    assert [asked.target for asked in upstream.asked] == ["/"]  # the viewer sees nothing of it


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"nonsense", 400), (json.dumps({"set": {"a": "x" * MAX_STORAGE_BYTES}}).encode(), 413)],
)
async def test_bad_changes_are_refused(proxy: Proxy, body: bytes, status: int) -> None:
    assert (await proxy.ask(PATH, "POST", body=body)).status == status
    assert proxy.endpoint.storage.items == {}


async def test_a_viewers_pages_may_change_it_so_often(proxy: Proxy) -> None:
    statuses = [(await proxy.ask(PATH, "POST", body=b"{}")).status for _ in range(3)]
    assert statuses == [204] * 3
    viewer = proxy.capabilities.upstream(proxy.capability)
    assert viewer is not None
    now = 1000.0
    viewer.changes = TokenBucket(CHANGES_PER_SECOND, CHANGES_AT_ONCE, lambda: now)
    answers = [await proxy.ask(PATH, "POST", body=b"{}") for _ in range(CHANGES_AT_ONCE + 10)]
    assert [answer.status for answer in answers] == [204] * CHANGES_AT_ONCE + [429] * 10
    assert (answers[-1].status, answers[-1].headers["Retry-After"]) == (429, "1")
    assert (await proxy.ask("/__runicorn_jupyter__/wait")).status == 200
    now += 1
    assert (await proxy.ask(PATH, "POST", body=b'{"set": {"late": "1"}}')).status == 204
    assert viewer.storage.items == {"late": "1"}


async def test_a_large_change_counts_as_many(proxy: Proxy) -> None:
    large = json.dumps({"set": {"a": "x" * 1_000_000}}).encode()
    assert (await proxy.ask(PATH, "POST", body=large)).status == 204
    assert (await proxy.ask(PATH, "POST", body=b"{}")).status == 429


async def test_it_is_not_shown_elsewhere(proxy: Proxy, upstream: FakeViewer) -> None:
    """After a reconnect that led to a copy of the machine, with the same host key."""
    upstream.says(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<head>")
    await proxy.ask(PATH, "POST", body=b'{"set": {"theme": "honest"}}')
    here = proxy.places[-1]
    proxy.places.append("a copy of it")
    assert b'"storage":{}' in (await proxy.visit()).body
    await proxy.ask(PATH, "POST", body=b'{"set": {"theme": "planted"}}')
    assert b'"storage":{"theme":"planted"}' in (await proxy.visit()).body
    proxy.places.append(here)
    assert b'"storage":{"theme":"honest"}' in (await proxy.visit()).body


async def test_a_change_without_an_end_takes_no_memory(proxy: Proxy) -> None:
    assert (await proxy.ask(PATH, "POST", body=b" " * 9_000_000)).status == 413


@pytest.mark.parametrize(
    ("tail", "method"),
    [(PATH, "GET"), (PATH, "DELETE"), ("/__runicorn_jupyter__/x", "GET"), ("/__runicorn_jupyter__/", "GET")],
)
async def test_there_is_nothing_else(proxy: Proxy, upstream: FakeViewer, tail: str, method: str) -> None:
    assert (await proxy.ask(tail, method)).status == 404
    assert upstream.asked == []


async def test_is_there_tomorrow(tmp_path: Path) -> None:
    folder = StorageFolder(tmp_path / "new" / "storage")
    storage = await folder.open("alice at host", "/data")
    storage.apply(Change.parse(b'{"set": {"a": "1"}}'))
    await folder.close()
    again = StorageFolder(tmp_path / "new" / "storage")
    assert (await again.open("alice at host", "/data")).items == {"a": "1"}
    assert (await again.open("alice at host", "/other")).items == {}
    assert (await again.open("alice elsewhere", "/data")).items == {}
    await again.close()


async def test_one_place_has_one_storage(tmp_path: Path) -> None:
    folder = StorageFolder(tmp_path)
    assert await folder.open("alice at host", None) is await folder.open("alice at host", None)
    await folder.close()


async def test_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = StorageFolder(tmp_path / "storage")
    (await folder.open("alice at host", "/data")).apply(Change.parse(b'{"set": {"a": "1"}}'))
    await folder.close()
    (file,) = (tmp_path / "storage").iterdir()
    assert stat.S_IMODE((tmp_path / "storage").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "alice" not in file.name


async def test_a_folder_that_cannot_be_written_costs_only_the_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = StorageFolder(tmp_path / "file")
    storage = await folder.open("alice at host", "/data")
    storage.apply(Change.parse(b'{"set": {"a": "1"}}'))
    await folder.close()
    assert storage.items == {"a": "1"}
    assert "could not be kept" in caplog.text


async def test_the_folder_is_bounded(tmp_path: Path) -> None:
    folder = StorageFolder(tmp_path, max_files=3)
    for number in range(6):
        (await folder.open("alice at host", f"/{number}")).apply(Change.parse(b'{"set": {"a": "1"}}'))
        await folder.flush()
    assert len(list(tmp_path.iterdir())) == 3
    await folder.close()
