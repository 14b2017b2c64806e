"""The words of a server, as a person may see them."""

from __future__ import annotations

import asyncio

import pytest

from runicorn_jupyter.errors import AuthenticationFailed, HostKeyUnknown
from runicorn_jupyter.ssh.server_message import MAX_BYTES, ServerMessage, clean_message

TEXT = "# Visit:\r\n\thttps://login.example/\x1b[1ma\x1b[0m?é=\u202e1\x07\n\n"
SHOWN = "# Visit:\n\thttps://login.example/a?é=1"


def test_lines_and_links_stay_and_what_could_mislead_goes() -> None:
    assert clean_message(TEXT.encode()) == SHOWN


def test_wherever_it_is_cut_what_is_shown_is_its_beginning() -> None:
    said = TEXT.encode()
    for end in range(len(said)):
        assert SHOWN.startswith(clean_message(said[:end])), said[:end]


@pytest.mark.parametrize("size", [7, 4096, 100000])
async def test_however_it_comes_it_is_one_text_of_bounded_size(size: int) -> None:
    message = ServerMessage()
    message.begin(lambda: None)
    said = b"begin " + b"\xff\n" * 100000 + b"the end"
    for at in range(0, len(said), size):
        message.add(said[at : at + size])
    assert message.text.startswith("begin \ufffd")
    assert "\n…\n" in message.text
    assert message.text.endswith("the end")
    assert len(message.text.encode()) <= MAX_BYTES
    message.end()


async def test_only_errors_that_follow_from_it_carry_it() -> None:
    message = ServerMessage()
    refused, unknown, quiet = AuthenticationFailed("no"), HostKeyUnknown("?"), AuthenticationFailed("no")
    message.begin(lambda: None)
    message.attach(quiet)
    message.add(b"No entry.")
    for error in (refused, unknown):
        message.attach(error)
    assert (refused.details, unknown.details, quiet.details) == ({"server_message": "No entry."}, {}, {})
    message.begin(lambda: None)  # the next attempt
    assert message.text == ""
    message.end()


async def test_after_the_end_nothing_is_heard() -> None:
    shown: list[str] = []
    message = ServerMessage(shown.append)
    message.begin(lambda: None)
    message.add(b"in time")
    message.end()
    assert shown == ["in time"]
    message.add(b"too late")
    await asyncio.sleep(0)
    assert (message.text, shown) == ("in time", ["in time"])
