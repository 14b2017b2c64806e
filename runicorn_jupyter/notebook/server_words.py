"""What a server says while connecting, as HTML: text, and nothing but text, with its links."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from runicorn_jupyter.notebook.results import NO_MATH, plain

__all__ = ["ServerWords", "linked_html"]

_LINK = re.compile(r"https?://[^\s<>\"'`\\]+")
_NO_END = ".,;:!?()[]{}"
"""What an address in a sentence does not end with."""


def linked_html(text: str) -> str:
    """Escape a text of another machine, its lines kept, and make links of its ``http`` addresses.

    Parameters
    ----------
    text
        Any text.
    """
    return "\n".join(_linked_line(plain(line)) for line in text.split("\n"))


def _linked_line(line: str) -> str:
    parts, at = [], 0
    for found in _LINK.finditer(line):
        address = found[0].rstrip(_NO_END)
        host = re.split("[/?#]", address.partition("://")[2], maxsplit=1)[0]
        if not host or "@" in host:  # a user name could pass itself off as the host
            continue
        link = html.escape(address)
        parts.append(html.escape(line[at : found.start()]))
        parts.append(f'<a href="{link}" target="_blank" rel="noopener noreferrer">{link}</a>')
        at = found.start() + len(address)
    return "".join([*parts, html.escape(line[at:])])


@dataclass(frozen=True)
class ServerWords:
    """A server's words, shown in a cell's output.

    Attributes
    ----------
    title
        The host.
    text
        What it says, of several lines.
    """

    title: str
    text: str

    def __repr__(self) -> str:
        lines = [plain(line) for line in self.text.split("\n")]
        return "\n".join([f"{plain(self.title)} says:", *lines])

    def to_html(self) -> str:
        """Return the words as HTML."""
        style = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0 0 0 1em"
        said = f'<div style="{style}">{linked_html(self.text)}</div>'
        return (
            f'<div role="status" class="{NO_MATH}"><b>{html.escape(plain(self.title))}</b> says:{said}</div>'
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self.to_html()}
