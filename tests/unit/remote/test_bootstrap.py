"""What ``process.sh`` answers of a log, and what is made of answers that no log gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.remote.bootstrap import MAX_LINE, log_lines
from runicorn_jupyter.text import plain_text


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (b"none\n", ([], 0)),
        (b"", ([], 0)),
        (b"0\n", ([], 0)),
        (b"2\none\ntwo\n", (["one", "two"], 2)),
        (b"     12\none\n\n", (["one", ""], 12)),
        (b"1\none\nunended", (["one", "unended"], 1)),
        (b"9\n1\n2\n3\n4\n5\n", (["3", "4", "5"], 9)),
        (b"1\n10%\r20%\r\nnext\n", (["10%", "20%", "next"], 1)),
        (b"1\n\x1b[31mred\x1b[0m\xff\n", (["red\ufffd"], 1)),
        (b"9" * 5000 + b"\none\n", ([], 0)),
        ("٣\none\n".encode(), ([], 0)),
        (b"-1\none\n", ([], 0)),
    ],
)
def test_a_log_is_its_last_lines(answer: bytes, read: tuple[list[str], int]) -> None:
    assert log_lines(answer, 3) == read


def test_lines_without_end_are_no_more_than_were_asked_for() -> None:
    lines, total = log_lines(b"7\n" + b"\n" * 100_000, 3)
    assert (lines, total) == (["", "", ""], 7)
    ((line,), _) = log_lines(b"7\n" + b"x" * (2 * MAX_LINE), 3)
    assert len(line) == MAX_LINE


@given(st.binary(max_size=100), st.integers(1, 5))
def test_any_answer_is_plain_text_or_nothing(answer: bytes, most: int) -> None:
    lines, total = log_lines(answer, most)
    assert len(lines) <= most
    assert total >= 0
    assert [line for line in lines if plain_text(line) != line] == []
