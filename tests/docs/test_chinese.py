"""The Chinese pages have what the English ones have: headings of the same levels, the same code blocks."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from runicorn_jupyter.api.routes import OPERATIONS
from tests.docs.test_blocks import FENCE

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.name for page in (DOCS / "zh").glob("*.md"))
# Why it is so, and what was measured and tried: for who works on it, as the index of the Chinese pages says.
ENGLISH_ONLY = {
    "benchmarks.md", "changelog.md", "contributing.md", "decisions.md", "matrix.md", "ssh-config-corpus.md",
}  # fmt: skip


def levels(page: Path) -> list[int]:
    """Return how deep each heading is, one after the other, with those of a file that the page includes."""
    text = page.read_text(encoding="utf-8")
    if included := re.search(r"^```\{include\} (\S+)$", text, re.MULTILINE):
        text = (page.parent / included[1]).read_text(encoding="utf-8")
    text = FENCE.sub("", text)
    return [len(mark) for mark in re.findall(r"^(#+) ", text, re.MULTILINE)]


def code(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each code block; what only Sphinx reads is left out."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [(block[1], block[2]) for block in found if not block[1].startswith("{")]


def test_every_page_for_users_is_in_chinese() -> None:
    assert {page.name for page in DOCS.glob("*.md")} - set(PAGES) == ENGLISH_ONLY


def test_every_route_is_said_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    said = importlib.import_module("chinese").ROUTES
    assert set(said) == {operation.summary for operation in OPERATIONS}


@pytest.mark.parametrize("name", PAGES)
def test_a_chinese_page_has_the_parts_of_the_english_one(name: str) -> None:
    assert levels(DOCS / "zh" / name) == levels(DOCS / name)
    assert code(DOCS / "zh" / name) == code(DOCS / name)
