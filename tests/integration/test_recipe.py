"""conda-forge's recipe is one that rattler-build renders, and says what the project says."""

from __future__ import annotations

import pytest
from rattler_build import RattlerBuildError

from scripts.recipe import RECIPE, differences, render

TEXT = RECIPE.read_text(encoding="utf-8")


def test_it_renders_and_is_of_this_project() -> None:
    assert differences(render(TEXT)) == []


@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("version", 'version: "0.1.0"', 'version: "9.9.9"'),
        ("python", 'python_min: "3.11"', 'python_min: "3.10"'),
        ("run", "tornado >=6.6", "tornado >=6.4"),
        ("run", "    - httptools >=0.6.4\n", ""),
        ("host", "hatchling >=1.26", "hatchling"),
        ("entry_points", "extension:main", "extension:run"),
    ],
)
def test_a_difference_is_said(part: str, before: str, after: str) -> None:
    assert before in TEXT
    (said,) = differences(render(TEXT.replace(before, after)))
    assert said.startswith(f"{part}: ")


def test_what_is_no_recipe_is_not_rendered() -> None:
    with pytest.raises(RattlerBuildError):
        render(TEXT.replace("noarch: python", "noarch: snake"))
