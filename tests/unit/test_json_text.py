"""The one reader of JSON that others wrote: a value, or its one error."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runicorn_jupyter
from runicorn_jupyter.json_text import MAX_DEPTH, InvalidJson, read_json, read_json_object

SIZE = 2**20
PACKAGE = Path(runicorn_jupyter.__file__).parent
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value), max_size=SIZE) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode(), max_size=SIZE) == value


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "1" * 100_000,
        "NaN",
        '{"a": -Infinity}',
        b"\xff",
        b"\xef\xbb\xbf{}",
        '"\x00"',
        "[1] [2]",
    ],
    ids=lambda data: repr(data[:10]),
)
def test_what_is_not_is_the_one_error(data: bytes | str) -> None:
    with pytest.raises(InvalidJson) as caught:
        read_json(data, max_size=SIZE)
    assert caught.value.__cause__ is None


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_raises_anything_else(data: bytes | str) -> None:
    try:
        json.dumps(read_json(data, max_size=100)).encode()
    except InvalidJson:
        return


def test_size_and_depth_have_a_bound() -> None:
    assert read_json('"12"', max_size=4) == "12"
    with pytest.raises(InvalidJson, match="longer than 4"):
        read_json('"123"', max_size=4)
    for opening, inner, closing in (("[", "1", "]"), ('{"a":', "1", "}")):
        read_json(opening * MAX_DEPTH + inner + closing * MAX_DEPTH, max_size=SIZE)
        with pytest.raises(InvalidJson, match="nested deeper than 50"):
            read_json(opening * (MAX_DEPTH + 1) + inner + closing * (MAX_DEPTH + 1), max_size=SIZE)


def test_the_error_quotes_nothing() -> None:
    with pytest.raises(InvalidJson) as caught:
        read_json('{"secret": hunter2}', max_size=SIZE)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\UD83D"'.lower(), "\ufffd"),
        (r'"\uDC80x"', "\ufffdx"),
        (r'"\ude00\ud83d"', "\ufffd\ufffd"),
        (r'"\\ud83d"', "\\ud83d"),
        ('"\udc80"', "\ufffd"),
        (r'{"\ud800": ["\ud800"]}', {"\ufffd": ["\ufffd"]}),
    ],
)
def test_no_half_of_a_pair_comes_out(text: str, value: Any) -> None:
    assert read_json(text, max_size=SIZE) == value


@pytest.mark.parametrize("text", ["[]", "1", "null", '"{}"'])
def test_what_must_be_an_object_is_one(text: str) -> None:
    assert read_json_object('{"a": 1}', max_size=SIZE) == {"a": 1}
    with pytest.raises(InvalidJson, match="not an object"):
        read_json_object(text, max_size=SIZE)


# What runs elsewhere has the standard library only; the others read what we wrote, or Jupyter's own words.
OTHER_READERS = {
    *(path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "payload").rglob("*.py")),
    "proxy/local_storage.py",  # a page's, with halves of pairs: its own limits and its own error
    "service/run_pages.py",  # a cursor of ours
    "remote/setup/pip_for_target.py",  # a process of ours, what we gave it
    "client/events.py",
    "notebook/private_server.py",
    "notebook/server.py",
}


def test_nothing_else_reads_what_a_remote_says() -> None:
    readers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"json.loads", "json.load"}:
                readers.add(path.relative_to(PACKAGE).as_posix())
    assert {name for name in readers if not name.startswith("demo/")} <= {*OTHER_READERS, "json_text.py"}
