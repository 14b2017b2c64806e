"""ssh's patterns (ssh_config(5), PATTERNS): ``*`` and ``?``, and nothing else."""

from __future__ import annotations

__all__ = ["matches", "matches_list"]


def matches(text: str, pattern: str) -> bool:
    """Whether a text is of a pattern.

    Takes time in proportion to the product of the lengths at worst, whatever the pattern is.
    """
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    at = in_pattern = 0
    star, resume = -1, 0
    while at < len(text):
        char = pattern[in_pattern] if in_pattern < len(pattern) else ""
        if char == "*":
            star, resume = in_pattern, at
            in_pattern += 1
        elif char and char in (text[at], "?"):
            at += 1
            in_pattern += 1
        elif star >= 0:
            resume += 1
            at, in_pattern = resume, star + 1
        else:
            return False
    return pattern[in_pattern:].strip("*") == ""


def matches_list(text: str, patterns: str) -> bool:
    """Whether a text is of a list of patterns with commas; an excluding one (``!``) that it is of wins."""
    found = False
    for pattern in patterns.split(","):
        if matches(text, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            found = True
    return found
