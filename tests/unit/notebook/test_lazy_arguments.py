"""A magic's options are put together when they are asked for, and not before."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core import oinspect
from IPython.core.magic_arguments import argument

from runicorn_jupyter.notebook import lazy_arguments as module
from runicorn_jupyter.notebook.lazy_arguments import lazy_arguments


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """List the magics whose parsers were made."""
    found: list[Any] = []
    construct = module.construct_parser

    def noted(magic: Any) -> Any:
        found.append(magic)
        return construct(magic)

    monkeypatch.setattr(module, "construct_parser", noted)
    return found


@pytest.fixture
def magics() -> Any:
    """One magic with options, and one without."""

    class Magics:
        @lazy_arguments()
        @argument("host", help="where to")
        @argument("--port", type=int, default=22, help="its port")
        def connect(self, line: str) -> None:
            """Connect to a server."""

        @lazy_arguments()
        def panel(self, line: str) -> None:
            """Show the panel."""

    return Magics()


def test_a_parser_is_made_once_and_only_when_it_is_used(made: list[Any], magics: Any) -> None:
    assert made == []
    assert magics.connect.parser.parse_args(["gpu1", "--port", "7"]).port == 7
    assert magics.connect.parser.parse_args(["gpu1"]).port == 22
    assert made == [magics.connect.__func__]
    assert magics.panel.parser.parse_args([]) is not None
    assert made == [magics.connect.__func__, magics.panel.__func__]


def test_help_says_what_it_is_and_takes(made: list[Any], magics: Any) -> None:
    text = oinspect.getdoc(magics.connect)
    assert text is not None
    for word in ("%connect", "--port", "its port", "Connect to a server."):
        assert word in text
    assert made == [magics.connect.__func__]
