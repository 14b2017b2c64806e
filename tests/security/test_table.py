"""SECURITY.md names a test for each control, and each is there; and what can be seen in the code itself."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "SECURITY.md"
HEADS = ("| Control | Test |", "| 措施 | 测试 |")
CHINESE = TESTS.parent / "docs" / "zh" / "security.md"


def rows_of(page: Path) -> list[str]:
    """Return the lines of the page's tables, but for their heads."""
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and line not in HEADS]


def test_every_test_that_is_named_exists() -> None:
    rows = rows_of(TABLE)
    missing: list[str] = []
    for row in rows:
        file = ""
        named = re.findall(r"`([\w/]*\.py)?(?:::(\w+))?`", row.rsplit("|", 2)[1])
        assert named, f"no test stands behind: {row}"
        for path, test in named:
            file = path or file
            text = (TESTS / file).read_text() if (TESTS / file).is_file() else ""
            if not text or (test and f"def {test}(" not in text):
                missing.append(f"{file}::{test}")
    assert missing == []
    assert len(rows) > 30


def test_the_chinese_page_names_the_same_tests() -> None:
    tests = [row.rsplit("|", 2)[1] for row in rows_of(TABLE)]
    assert [row.rsplit("|", 2)[1] for row in rows_of(CHINESE)] == tests
    named = [re.findall(r"`[\w/]+\.py[^`]*`", page.read_text(encoding="utf-8")) for page in (TABLE, CHINESE)]
    assert named[0] == named[1]


def test_every_file_that_the_text_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", TABLE.read_text())
    texts = {path: (TESTS / path).read_text() if (TESTS / path).is_file() else "" for path, _ in named}
    missing = [(path, test) for path, test in named if f"def {test or 'test_'}" not in texts[path]]
    assert missing == []


def test_jupyterlabs_side_makes_text_of_text() -> None:
    """What comes from a server is a text node or an attribute: nothing here turns text into markup."""
    source = TESTS.parent / "labextension" / "src"
    markup = re.compile(
        r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|document\.write"
    )
    files = [path for path in source.rglob("*.ts*") if "__tests__" not in path.parts]
    assert len(files) > 10
    assert [path.name for path in files if markup.search(path.read_text())] == []
    assert [path.name for path in files if "dangerouslySetInnerHTML" in path.read_text()] == []
