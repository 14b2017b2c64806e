"""A server's words in a cell: its lines and links, and nothing that a page would obey."""

from __future__ import annotations

import pytest

from runicorn_jupyter.notebook.server_words import ServerWords, linked_html

LINK = '<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>'


def test_lines_stay_and_links_can_be_opened() -> None:
    shown = linked_html("Visit <b>:\nhttps://login.example/a?b=1&c=2.\n(http://x.example)")
    first, second = LINK.format("https://login.example/a?b=1&amp;c=2"), LINK.format("http://x.example")
    assert shown == f"Visit &lt;b&gt;:\n{first}.\n({second})"


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://login.example@evil.example/",
        "https://login.example:pw@evil.example/",
        "https://",
    ],
)
def test_what_could_mislead_is_no_link(text: str) -> None:
    assert "<a" not in linked_html(text)


def test_a_cell_shows_the_host_and_its_words() -> None:
    words = ServerWords("gpu<1>", "a\x1b[31m\nb")
    assert repr(words) == "gpu<1> says:\na\ufffd\nb"
    assert "gpu&lt;1&gt;" in words.to_html()
    assert "a\ufffd\nb" in words.to_html()
