"""SECURITY.md names a test for each control: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "SECURITY.md"


def test_every_test_that_is_named_exists() -> None:
    rows = [line for line in TABLE.read_text().splitlines() if re.match(r"\| [^C-]", line)]
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
