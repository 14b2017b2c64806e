"""The unit tests lie where their modules lie, under their names."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "runicorn_jupyter"
UNIT = sorted((TESTS / "unit").rglob("test_*.py"))


def _tested(path: Path) -> Path | None:
    """Return the module that a test module is named after: ``test_MODULE.py`` or ``test_MODULE_TOPIC.py``."""
    folder = PACKAGE / path.parent.relative_to(TESTS / "unit")
    words = path.stem.removeprefix("test_").split("_")
    names = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((folder / f"{name}.py" for name in names if (folder / f"{name}.py").is_file()), None)


@pytest.mark.parametrize("path", UNIT, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_unit_test_is_named_after_its_module(path: Path) -> None:
    assert _tested(path), f"no module of runicorn_jupyter has the name and the folder of {path.name}"


def test_there_are_unit_tests() -> None:
    assert len(UNIT) > 50


def test_a_name_of_no_module_is_found() -> None:
    assert _tested(TESTS / "unit" / "proxy" / "test_nothing.py") is None
    assert _tested(TESTS / "unit" / "test_html.py") is None
    assert _tested(TESTS / "unit" / "proxy" / "test_html_of_many.py") == PACKAGE / "proxy" / "html.py"
