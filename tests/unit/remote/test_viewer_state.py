"""What the other side says of a viewer is looked at before it is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.models import Environment
from runicorn_jupyter.payload.versions import STATE_VERSION
from runicorn_jupyter.remote.bootstrap import answer_after, boot_error, no_answer
from runicorn_jupyter.remote.viewer_state import parse_state
from runicorn_jupyter.text import plain_text

GOOD = {
    "version": STATE_VERSION,
    "host": "h",
    "boot": "b",
    "pid": 1234,
    "start_time": "5678",
    "port": 40000,
    "secret": "s" * 43,
    "prefix": "/env",
    "root": "/root",
    "asked_root": None,
    "runicorn_version": "0.7.2",
    "folder": "/home/a/.local/state/runicorn-jupyter/h.b",
    "key": "0123456789abcdef01234567",
}
ENVIRONMENT = Environment(
    name="e",
    type="venv",
    python_version=None,
    python_path="/my env/bin/python",
    prefix="/my env",
    runicorn_installed=False,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def test_a_state_of_the_form_is_taken() -> None:
    state = parse_state({**GOOD, "more": 1})
    assert state is not None
    assert (state.pid, state.port, state.root) == (1234, 40000, "/root")
    assert "s" * 43 not in repr(state)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"pid": 1},
        {"pid": 0},
        {"pid": -5},
        {"pid": "1234"},
        {"pid": 2**31},
        {"pid": True},
        {"port": 0},
        {"port": 65536},
        {"secret": ""},
        {"secret": "s" * 257},
        {"secret": "s" * 20 + "\r\nX-Evil: 1"},
        {"folder": "relative"},
        {"folder": "/a\nb"},
        {"key": "../../x"},
        {"key": "0" * 25},
        {"prefix": "x" * 5000},
    ],
    ids=str,
)
def test_a_state_of_another_form_is_not(changes: dict[str, Any]) -> None:
    assert parse_state(GOOD | changes) is None
    assert parse_state({key: value for key, value in GOOD.items() if key not in changes}) is None


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON) | JSON)
def test_no_state_breaks_anything(value: Any) -> None:
    parse_state(value if not isinstance(value, dict) else {**GOOD, **value})
    parse_state(value)


@given(
    st.binary(max_size=100), st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.binary(max_size=50)
)
def test_an_answer_is_found_in_any_noise(before: bytes, answer: dict[str, Any], after: bytes) -> None:
    mark = "0123456789abcdef" * 2
    line = f"\n{mark} {json.dumps(answer)}\n".encode()
    found = answer_after(before + line + after, mark)
    assert json.dumps(found) == json.dumps(answer)


@given(st.binary(max_size=200))
def test_no_answer_is_none(output: bytes) -> None:
    assert answer_after(output, "0" * 32) is None
    assert answer_after(output + b"\n" + b"0" * 32 + b" [1]\n", "0" * 32) is None


@given(
    st.sampled_from(["invalid_parameters", "runicorn_not_installed", "viewer_start_failed", "else"]),
    JSON,
    JSON,
)
def test_whatever_is_wrong_is_one_plain_sentence(code: str, message: Any, log: Any) -> None:
    error = boot_error({"error": code, "message": message, "log": log}, ENVIRONMENT)
    assert error.message
    assert error.message == plain_text(error.message)
    json.dumps(error.details)


def test_the_pip_command_can_be_pasted() -> None:
    error = boot_error({"error": "runicorn_not_installed", "message": "No runicorn."}, ENVIRONMENT)
    assert error.message.endswith("with: '/my env/bin/python' -m pip install runicorn")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (127, "environment_not_found"),
        (126, "environment_not_found"),
        (0, "ssh_unavailable"),
        (1, "viewer_start_failed"),
        (None, "viewer_start_failed"),
    ],
)
def test_a_boot_without_an_answer(status: int | None, code: str) -> None:
    assert no_answer(status, b"\x1b[1mwhy\n", ENVIRONMENT).code == code


@pytest.mark.parametrize("status", [126, 127])
def test_why_a_python_cannot_run_is_said_in_the_remotes_words(status: int) -> None:
    said = b"noise\nerror while loading shared libraries: libpython3.11.so.1.0\n\n"
    error = no_answer(status, said, ENVIRONMENT)
    assert error.message.endswith("remote: error while loading shared libraries: libpython3.11.so.1.0")
    assert "detect" not in error.message
    assert "detect environments again" in no_answer(status, b"", ENVIRONMENT).message
