"""The language of ``where``: what a run has to be, as people type it into a filter; its text, its tree.

::

    where := or
    or    := and ("or" and)*
    and   := not (["and"] not)*
    not   := "not" not | "(" or ")" | test
    test  := NAME OP VALUE | WORD
    OP    := "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | ":"

Time is linear in the length, which is bounded, as the depth is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "And",
    "Comparison",
    "Node",
    "Not",
    "Or",
    "Value",
    "WhereError",
    "Word",
    "parse_where",
    "print_where",
]

MAX_LENGTH = 2000
MAX_DEPTH = 32
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", ":")
KEYWORDS = ("and", "or", "not")

# Each class of characters excludes what may follow it, so that matching takes time in proportion to the text.
_TOKEN = re.compile(
    r'(?P<space>\s+)|(?P<mark>[()])|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<operator>!=|<=|>=|[=<>~:])'
    r'|(?P<bare>[^\s()"=<>~:!]+)',
    re.DOTALL,
)
_VALUE = re.compile(r'(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^\s()"]+)', re.DOTALL)
_SPACE = re.compile(r"\s*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class WhereError(ValueError):
    """The text is not of the grammar.

    Parameters
    ----------
    reason
        What is wrong, as the end of a sentence.
    position
        Where, in characters from the beginning.
    """

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} (at character {position + 1})")
        self.position = position


class Value(NamedTuple):
    """What is compared with: a number, a time or a word; a text where it is in quotes."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value of the run is compared."""

    name: str
    operator: str
    value: Value
    position: int = field(default=0, compare=False)
    value_position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Word:
    """A text is somewhere in what the run is called."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """The other way round."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more."""

    parts: tuple[Node, ...]


Node = And | Or | Not | Comparison | Word


def parse_where(text: str) -> Node | None:
    """Parse a condition; None if there is none in the text.

    Raises
    ------
    WhereError
        If it is not of the grammar, too long, or too deep.
    """
    if len(text) > MAX_LENGTH:
        raise WhereError(f"is longer than {MAX_LENGTH} characters", MAX_LENGTH)
    parser = _Parser(text)
    if parser.token.kind == "end":
        return None
    node = parser.read_or(0)
    if parser.token.kind != "end":
        raise WhereError("has a closing parenthesis too many", parser.token.position)
    return node


def print_where(node: Node) -> str:
    """Return the text of a condition: `parse_where` makes the same condition of it."""
    if isinstance(node, Word):
        return _quoted(node.text)
    if isinstance(node, Comparison):
        value = _quoted(node.value.text, always=True) if node.value.quoted else node.value.text
        space = " " if value.startswith("=") else ""  # else < and = were one operator
        return f"{_quoted(node.name)}{node.operator}{space}{value}"
    if isinstance(node, Not):
        return f"not {_within(node.part, And | Or)}"
    if isinstance(node, And):
        return " and ".join(_within(part, And | Or) for part in node.parts)
    return " or ".join(_within(part, Or) for part in node.parts)


def _within(node: Node, loose: object) -> str:
    text = print_where(node)
    return f"({text})" if isinstance(node, loose) else text  # type: ignore[arg-type]


def _quoted(text: str, *, always: bool = False) -> str:
    bare = _TOKEN.fullmatch(text)
    if not always and bare is not None and bare["bare"] and text.casefold() not in KEYWORDS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Token(NamedTuple):
    kind: str
    """``bare``, ``quoted``, ``operator``, ``end``, a keyword, or a parenthesis."""
    text: str
    position: int


class _Parser:
    """Reads a text from its beginning, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.token = self._next()

    def read_or(self, depth: int) -> Node:
        """Read as far as an ``or`` condition goes."""
        parts = [self._read_and(depth)]
        while self.token.kind == "or":
            self.token = self._next()
            parts.append(self._read_and(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _read_and(self, depth: int) -> Node:
        parts = [self._read_not(depth)]
        while self.token.kind not in ("or", ")", "end"):
            if self.token.kind == "and":
                self.token = self._next()
            parts.append(self._read_not(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _read_not(self, depth: int) -> Node:
        kind, text, position = token = self.token
        if depth > MAX_DEPTH:
            raise WhereError(f"is nested deeper than {MAX_DEPTH}", position)
        if kind in ("not", "("):
            self.token = self._next()
            if kind == "not":
                return Not(self._read_not(depth + 1))
            node = self.read_or(depth + 1)
            if self.token.kind != ")":
                raise WhereError("has a parenthesis that is not closed", position)
            self.token = self._next()
            return node
        if kind not in ("bare", "quoted"):
            what = "ends" if kind == "end" else f"has {text}"
            raise WhereError(f"{what} where a condition is expected", position)
        self.token = self._next()
        return self._read_test(token) if self.token.kind == "operator" else Word(text)

    def _read_test(self, name: _Token) -> Node:
        operator = self.token
        start = self._end = _SPACE.match(self._text, self._end).end()  # type: ignore[union-attr]
        found = _VALUE.match(self._text, start)
        if found is None:
            quote = self._text.startswith('"', start)
            raise WhereError("has a quote that is not closed" if quote else "has no value here", start)
        self._end = found.end()
        self.token = self._next()
        quoted = found["quoted"] is not None
        value = Value(_unquoted(found["quoted"]) if quoted else found["bare"], quoted)
        return Comparison(name.text, operator.text, value, name.position, start)

    def _next(self) -> _Token:
        start = self._end = _SPACE.match(self._text, self._end).end()  # type: ignore[union-attr]
        if start == len(self._text):
            return _Token("end", "", start)
        found = _TOKEN.match(self._text, start)
        if found is None:
            mark = self._text[start]
            what = "a quote that is not closed" if mark == '"' else f"{mark} where nothing fits"
            raise WhereError(f"has {what}", start)
        self._end = found.end()
        kind, text = str(found.lastgroup), found[0]
        if kind == "quoted":
            return _Token(kind, _unquoted(text), start)
        if kind == "mark" or (kind == "bare" and text.casefold() in KEYWORDS):
            return _Token(text.casefold(), text, start)
        return _Token(kind, text, start)


def _unquoted(text: str) -> str:
    return _ESCAPED.sub(r"\1", text[1:-1])
