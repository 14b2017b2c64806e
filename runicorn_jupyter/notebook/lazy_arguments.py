"""The options of a magic, put together when they are first asked for.

IPython's own decorator makes each magic's parser and the text of its help when the class is made: more than
half of what ``%load_ext`` took, which is in people's start-up files.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import construct_parser

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["lazy_arguments"]


def lazy_arguments() -> Callable[[Any], Any]:
    """Mark a magic as having options, like ``magic_arguments``."""

    def decorate(magic: Any) -> Any:
        if not hasattr(magic, "decorators"):  # of `argument`
            magic.has_arguments, magic.decorators = True, []
        made = _Made(magic)
        magic.parser = made
        magic.getdoc = made.help  # what `%magic?` asks for
        return magic

    return decorate


class _Made:
    """A magic's parser; each attribute is that of the real one, which is made for it."""

    def __init__(self, magic: Any) -> None:
        self._magic = magic

    @cached_property
    def _parser_and_help(self) -> tuple[Any, str]:
        parser = construct_parser(self._magic)
        return parser, self._magic.__doc__  # which is the help from then on

    def help(self) -> str:
        """Return what the magic takes, as text."""
        return self._parser_and_help[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser_and_help[0], name)
