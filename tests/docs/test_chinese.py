"""The Chinese pages have what the English ones have: headings of the same levels, the same code blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_blocks import FENCE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.name for page in (DOCS / "zh").glob("*.md"))


def levels(page: Path) -> list[int]:
    """Return how deep each heading is, one after the other."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [len(mark) for mark in re.findall(r"^(#+) ", text, re.MULTILINE)]


def code(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each code block; what only Sphinx reads is left out."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [(block[1], block[2]) for block in found if not block[1].startswith("{")]


@pytest.mark.parametrize("name", PAGES)
def test_a_chinese_page_has_the_parts_of_the_english_one(name: str) -> None:
    assert levels(DOCS / "zh" / name) == levels(DOCS / name)
    assert code(DOCS / "zh" / name) == code(DOCS / name)
