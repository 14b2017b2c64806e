"""The pages for when something goes wrong lead to each other, and know what the program can say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runicorn_jupyter"
# What a part of a list can say: by the words that make it.
PROBLEM = re.compile(r"(?:\b_problem\(|\b_fail\(|RunsProblem\()\s*(?:code=)?\"(\w+)\"")


def problems() -> set[str]:
    """Return the codes of parts that are not current."""
    rooms = (PACKAGE / "service", PACKAGE / "remote")
    texts = [file.read_text(encoding="utf-8") for room in rooms for file in room.rglob("*.py")]
    return {code for text in texts for code in PROBLEM.findall(text)}


@pytest.mark.parametrize("folder", ["docs", "docs/zh"])
def test_what_a_part_of_a_list_can_say_is_explained(folder: str) -> None:
    assert problems() >= {"connection_lost", "viewer_answer_invalid", "too_many_runs"}
    page = (ROOT / folder / "errors.md").read_text(encoding="utf-8")
    assert {code for code in problems() if f"`{code}`" not in page and f"### {code}\n" not in page} == set()


@pytest.mark.parametrize("folder", ["docs", "docs/zh"])
def test_who_reads_of_an_error_finds_the_symptoms_and_back(folder: str) -> None:
    pages = {
        name: (ROOT / folder / f"{name}.md").read_text(encoding="utf-8")
        for name in ("errors", "doctor", "troubleshooting")
    }
    assert "](troubleshooting.md)" in pages["errors"]
    assert "](troubleshooting.md)" in pages["doctor"]
    named = set(re.findall(r"\]\(errors\.md#(\w+)\)", pages["troubleshooting"]))
    codes = set(re.findall(r"^### (\w+)$", pages["errors"], re.MULTILINE))
    assert len(named) > 8
    assert named <= codes
