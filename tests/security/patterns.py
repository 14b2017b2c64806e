"""All regular expressions of some packages, how each is used, and what makes each try hardest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

METHODS = frozenset({"match", "fullmatch", "search", "sub", "findall", "finditer", "split", "subn"})
_parser: Any = re._parser  # type: ignore[attr-defined]  # what `re.compile` itself reads patterns by
_constants: Any = re._constants  # type: ignore[attr-defined]
MAX_SAMPLES = 12


@dataclass(frozen=True)
class Use:
    """One regular expression, and one of the ways in which the program applies it."""

    place: str
    pattern: re.Pattern[Any]
    method: str

    def __call__(self, data: bytes) -> object:
        """Apply it to an input."""
        text = data if isinstance(self.pattern.pattern, bytes) else data.decode("latin-1")
        if self.method in ("sub", "subn"):
            return self.pattern.sub(text[:0], text)
        if self.method == "finditer":
            return sum(1 for _ in self.pattern.finditer(text))
        return getattr(self.pattern, self.method)(text)


def uses(paths: Iterable[Path]) -> list[Use]:
    """Find every regular expression of some modules, with the methods that are called on it in any of them.

    An expression with a name may be called from any module; one that is written where it is used has one use.
    """
    found: dict[tuple[str, str], re.Pattern[Any]] = {}
    called: dict[str, set[str]] = {}
    inline: list[Use] = []
    for path in sorted(paths):
        names: dict[str, Any] = {"re": re}
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner, method = node.func.value, node.func.attr
            place = f"{path.stem}:{node.lineno}"
            if isinstance(owner, ast.Name) and owner.id == "re" and method in METHODS:
                pattern = re.compile(ast.literal_eval(node.args[0]))
                inline.append(Use(place, pattern, method))
            elif isinstance(owner, ast.Name) and method in METHODS and owner.id.strip("_").isupper():
                called.setdefault(owner.id, set()).add(method)
        module = _constants_of(tree, names)
        found |= {(path.stem, name): value for name, value in module.items()}
    named = [
        Use(f"{stem}.{name}", pattern, method)
        for (stem, name), pattern in found.items()
        for method in sorted(called.get(name, {"search"}))
    ]
    return named + inline


def _constants_of(tree: ast.Module, names: dict[str, Any]) -> dict[str, re.Pattern[Any]]:
    """Evaluate a module's constants that are regular expressions, and those that they are made of."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                value = eval(compile(ast.Expression(node.value), "constant", "eval"), {**names})
            except NameError:
                continue  # made of something imported; no regular expression is
            names[node.targets[0].id] = value
    return {name: value for name, value in names.items() if isinstance(value, re.Pattern)}


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield beginnings and what to repeat after them, made from an expression itself.

    Each beginning of each of its samples is repeated alone; and after each beginning, what the expression
    repeats there.
    """
    seen = set()
    for sample in _samples(_parser.parse(pattern.pattern, pattern.flags)):
        before = b""
        for piece, repeats in sample:
            if repeats and piece:
                seen.add((before, piece))
            before += piece
            if before:
                seen.add((b"", before))
    yield from sorted(seen)


Sample = list[tuple[bytes, bool]]


def _samples(tree: Any) -> list[Sample]:
    """Give texts that an expression matches, as pieces, each with whether it may be repeated."""
    made: list[Sample] = [[]]
    for operation, argument in tree:
        pieces = _pieces(str(operation), argument)
        made = [[*before, *after] for before, after in product(made, pieces)][:MAX_SAMPLES]
    return made


def _pieces(operation: str, argument: Any) -> list[Sample]:
    made: list[Sample]
    match operation:
        case "LITERAL":
            made = [[(_encoded(argument), False)]]
        case "NOT_LITERAL" | "ANY":
            made = [[(b"y" if argument == ord("x") else b"x", False)]]
        case "IN":
            made = [[(each, False)] for each in _members(argument)]
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, item = argument
            whole = [b"".join(piece for piece, _ in sample) for sample in _samples(item)]
            made = [[(text * max(least, 1), most > max(least, 1))] for text in whole]
            made += [[]] * (least == 0)
        case "SUBPATTERN":
            made = _samples(argument[-1])
        case "ATOMIC_GROUP":
            made = _samples(argument)
        case "BRANCH":
            made = [sample for branch in argument[1] for sample in _samples(branch)]
        case "AT" | "ASSERT" | "ASSERT_NOT" | "GROUPREF":
            made = [[]]
        case _:
            raise NotImplementedError(operation)
    return made


def _members(argument: Any) -> list[bytes]:
    """Give some members of a class: one of each of its ranges and categories, a few letters."""
    if str(argument[0][0]) == "NEGATE":
        taken = re.compile(b"[" + b"".join(_class(op, value) for op, value in argument[1:]) + b"]")
        return [each for each in (b"x", b"a", b"0", b" ", b"\0") if not taken.match(each)][:2]
    members = [_member(str(op), value) for op, value in argument]
    return list(dict.fromkeys(members))[:4]


def _member(operation: str, value: Any) -> bytes:
    if operation == "RANGE":
        return _encoded(value[0])
    if operation == "CATEGORY":
        return {"CATEGORY_SPACE": b" ", "CATEGORY_DIGIT": b"0", "CATEGORY_WORD": b"a"}.get(str(value), b"x")
    return _encoded(value)


def _class(operation: Any, value: Any) -> bytes:
    if str(operation) == "RANGE":
        return re.escape(_encoded(value[0])) + b"-" + re.escape(_encoded(value[1]))
    if str(operation) == "CATEGORY":
        return {"CATEGORY_SPACE": rb"\s", "CATEGORY_DIGIT": rb"\d", "CATEGORY_WORD": rb"\w"}[str(value)]
    return re.escape(_encoded(value))


def _encoded(code: int) -> bytes:
    return bytes([code]) if code < 256 else b"x"
