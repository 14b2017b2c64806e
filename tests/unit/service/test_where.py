"""The language of conditions: what is one, where a mistake is, and that its text is the whole of it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.service.where import (
    MAX_DEPTH,
    MAX_LENGTH,
    OPERATORS,
    And,
    Comparison,
    Node,
    Not,
    Or,
    Value,
    WhereError,
    Word,
    parse_where,
    print_where,
)

TEXTS = st.text(
    st.sampled_from(string.ascii_letters + string.digits + ' "\\()=<>~:!.-_\u00e9\u4e2d'), max_size=8
)
BARE = st.text(st.sampled_from(string.ascii_letters + string.digits + "=<>~:!.-_"), min_size=1, max_size=8)
VALUES = st.builds(Value, TEXTS, st.just(True)) | st.builds(Value, BARE)
TESTS = st.builds(Comparison, TEXTS, st.sampled_from(OPERATORS), VALUES)
NODES: st.SearchStrategy[Node] = st.recursive(
    TESTS | st.builds(Word, TEXTS),
    lambda parts: (
        st.builds(Not, parts)
        | st.builds(And, st.lists(parts, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(parts, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def compare(name: str, operator: str, value: str, *, quoted: bool = False) -> Comparison:
    return Comparison(name, operator, Value(value, quoted))


A, B, C = Word("a"), Word("b"), Word("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        (" \n", None),
        ("a", A),
        ("lr>1e-4", compare("lr", ">", "1e-4")),
        ("lr > 1e-4 host:gpu1", And((compare("lr", ">", "1e-4"), compare("host", ":", "gpu1")))),
        ("a and b c", And((A, B, C))),
        ("a or b and c", Or((A, And((B, C))))),
        ("(a or b) c", And((Or((A, B)), C))),
        ("not a b", And((Not(A), B))),
        ("NOT not (a)", Not(Not(A))),
        ("a OR b AND c", Or((A, And((B, C))))),
        ('"and" "or"', And((Word("and"), Word("or")))),
        ('name~"a \\"b\\" \\\\"', compare("name", "~", 'a "b" \\', quoted=True)),
        ('"my lr"!=5', compare("my lr", "!=", "5")),
        ("created>=2026-11-24T10:00:00Z", compare("created", ">=", "2026-11-24T10:00:00Z")),
        ("path:~/x=y", compare("path", ":", "~/x=y")),
        ("param.a=and", compare("param.a", "=", "and")),
        ("a==b", compare("a", "=", "=b")),
        ("__import__", Word("__import__")),
    ],
)
def test_what_is_a_condition(text: str, expected: Node | None) -> None:
    assert parse_where(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "word"),
    [
        ("a and", 5, "ends"),
        ("and a", 0, "and"),
        ("a or or b", 5, "or"),
        ("(a", 0, "not closed"),
        ("a)", 1, "too many"),
        ("()", 1, "expected"),
        ("lr>", 3, "no value"),
        ("lr>(1)", 3, "no value"),
        ('lr>"x', 3, "quote"),
        ('a "x', 2, "quote"),
        ("a !b", 2, "!"),
        (">5", 0, ">"),
        ("not", 3, "ends"),
        ("a" * (MAX_LENGTH + 1), MAX_LENGTH, "longer"),
        ("(" * (MAX_DEPTH + 1) + "a", MAX_DEPTH + 1, "deeper"),
        ("not " * (MAX_LENGTH // 4), 4 * (MAX_DEPTH + 1), "deeper"),
    ],
)
def test_where_a_mistake_is(text: str, position: int, word: str) -> None:
    with pytest.raises(WhereError, match=word) as caught:
        parse_where(text)
    assert caught.value.position == position


@given(NODES)
def test_the_text_of_a_condition_is_that_condition(node: Node) -> None:
    text = print_where(node)
    if len(text) <= MAX_LENGTH:
        assert parse_where(text) == node


@given(st.text(max_size=80) | st.text(st.sampled_from('ab()"\\=<>!~: 1andorot'), max_size=80))
def test_any_text_is_a_condition_or_a_mistake_within_it(text: str) -> None:
    try:
        node = parse_where(text)
    except WhereError as error:
        node, position = None, error.position
    else:
        position = 0
    assert 0 <= position <= len(text)
    assert node is None or parse_where(print_where(node)) == node


def test_as_deep_as_it_may_be() -> None:
    assert parse_where("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == A
