"""Text of others: one definition of what may be shown, whoever shows it."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.notebook.results import plain
from runicorn_jupyter.ssh.auth.interactive import _clean
from runicorn_jupyter.text import mask_secrets, plain_text

# Ends what it stands in, moves, reorders or hides: found from Unicode itself, not from our own list.
BAD = "".join(
    chr(code)
    for code in range(sys.maxunicode + 1)
    if unicodedata.category(chr(code)) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and chr(code) not in "\t\n"
)


def test_each_character_that_does_more_than_be_read_is_gone() -> None:
    shown = "".join(f"{char}." for char in BAD if char != "\x1b")
    for line_breaks in (False, True):
        kept = plain_text(shown, line_breaks=line_breaks).replace("\n", "")
        assert set(kept) == {"."}
    assert len(plain_text(shown, substitute="?")) == len(shown)


@pytest.mark.parametrize("clean", [plain_text, plain, lambda text: _clean(text.encode("utf-8", "replace"))])
def test_all_who_show_text_use_the_one_definition(clean: object) -> None:
    assert callable(clean)
    for char in BAD:
        assert char not in clean(f"a{char}[0mb")
    assert "环境 ünï" in clean("环境 ünï")


@given(st.text())
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    for line_breaks in (False, True):
        plain = plain_text(text, line_breaks=line_breaks)
        assert plain_text(plain, line_breaks=line_breaks) == plain
        assert not set(plain) & set(BAD)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1b(Bplain\x1bc", "plain"),
        ("unended \x1b]0;x", "unended "),
        ("\x9b31mred", "31mred"),
        ("two\nlines\r\n", "twolines"),
        ("环境 ünï\t1", "环境 ünï\t1"),
    ],
)
def test_what_terminals_would_obey_is_gone(text: str, plain: str) -> None:
    assert plain_text(text) == plain


def test_lines_stay_lines_where_they_may() -> None:
    text = "one\r\ntwo\rthree\u2028four\u2029five\x1b]0;unended\nsix\x0b\x0c"
    assert plain_text(text, line_breaks=True) == "one\ntwo\nthree\nfour\nfive\nsix"


def test_what_is_taken_away_can_leave_a_mark_and_the_length_a_bound() -> None:
    assert plain_text("a\x1b[2J\nb\u202e", substitute=" ") == "a  b "
    assert plain_text("\x07" * 10 + "x" * 10, limit=3) == "xxx"


@pytest.mark.parametrize(
    ("text", "in_command", "in_sentence"),
    [
        ("x --api-key s3 -v", "x --api-key *** -v", "x --api-key s3 -v"),
        ("x DB_PASSWORD='s 3' y", "x DB_PASSWORD=*** y", "x DB_PASSWORD=*** y"),
        ("x https://me:s3@host/", "x https://me:***@host/", "x https://me:***@host/"),
        ("the password of alice", "the password *** alice", "the password of alice"),
        ("ssh me@host", "ssh me@host", "ssh me@host"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, in_command: str, in_sentence: str) -> None:
    assert mask_secrets(text) == in_command
    assert mask_secrets(text, is_command=False) == in_sentence
