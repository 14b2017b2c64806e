"""ssh's patterns (ssh_config(5), PATTERNS): ``*`` and ``?``, and nothing else."""

from __future__ import annotations

__all__ = ["matches", "matches_list"]


def matches(text: str, pattern: str) -> bool:
    """Return whether a text matches a pattern.

    A server's certificate has patterns too: time is in proportion to the pattern, or, with question marks, to
    the square of the text, whatever the pattern is.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return len(text) == len(first) and _is_at(text, first, 0)
    if len(pattern) - len(rest) > len(text) or not _is_at(text, first, 0):
        return False
    # The first place where each piece fits is as good as any other.
    at, last = len(first), rest.pop()
    end = len(text) - len(last)
    for piece in rest:
        at = _find(text, piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end and _is_at(text, last, end)


def _is_at(text: str, piece: str, at: int) -> bool:
    if "?" not in piece:
        return text.startswith(piece, at)
    return all(char in ("?", text[at + n]) for n, char in enumerate(piece))


def _find(text: str, piece: str, at: int, end: int) -> int:
    """Return the first position of a piece without stars between two positions; -1 if none."""
    if "?" not in piece:
        return text.find(piece, at, end)
    return next((n for n in range(at, end - len(piece) + 1) if _is_at(text, piece, n)), -1)


def matches_list(text: str, patterns: str) -> bool:
    """Return whether a text matches a list of patterns with commas; a matching ``!`` pattern excludes it."""
    found = False
    for pattern in patterns.split(","):
        if matches(text, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            found = True
    return found
