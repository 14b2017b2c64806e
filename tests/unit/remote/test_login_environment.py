"""What is taken of what a login shell exports: cleaned, and bounded in count and bytes."""

from __future__ import annotations

import pytest

from runicorn_jupyter.remote.login_environment import (
    MAX_TOTAL_BYTES,
    MAX_VARIABLE_BYTES,
    MAX_VARIABLES,
    known_lines,
    login_environment,
)


def test_a_newline_comes_back() -> None:
    assert login_environment(["A=one\x01two", "B==", "C="]) == ({"A": "one\ntwo", "B": "=", "C": ""}, 0)


@pytest.mark.parametrize(
    "line",
    [
        *("PWD=/", "HOME=/other", "TMOUT=1", "UID=0", "SHELLOPTS=x", "BASH_ENV=/x", "XDG_STATE_HOME=/x"),
        *("RUNICORN_JUPYTER_MARK=x", "1A=x", "A B=x", "A;id=x", "BASH_FUNC_ml%%=() {", "=x", "no sign", ""),
    ],
)
def test_what_is_a_shells_own_or_no_variable_is_not_taken(line: str) -> None:
    assert login_environment([line]) == ({}, 0)


def test_it_is_bounded() -> None:
    assert login_environment([f"A={'x' * MAX_VARIABLE_BYTES}", "B=1"]) == ({"B": "1"}, 1)
    taken, left_out = login_environment(f"A{n}=x" for n in range(MAX_VARIABLES + 7))
    assert (len(taken), left_out) == (MAX_VARIABLES, 7)
    taken, left_out = login_environment(f"A{n}={'x' * 30000}" for n in range(10))
    assert sum(map(len, taken.values())) <= MAX_TOTAL_BYTES
    assert left_out == 10 - len(taken)


def test_what_is_known_is_not_asked_again() -> None:
    assert known_lines(None, "m") == ""
    assert known_lines({}, "m") == "m begin\nm end"
    assert known_lines({"A": "one\ntwo"}, "m") == "m begin\nA=one\x01two\nm end"
