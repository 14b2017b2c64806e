"""A master's messages are read whole however they are cut, and nothing that it says is without a bound."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.ssh.mux import messages
from runicorn_jupyter.ssh.mux.messages import (
    HELLO,
    MAX_BODY_BYTES,
    MAX_REASON_CHARACTERS,
    Alive,
    Ended,
    Hello,
    NotAMaster,
    Opened,
    Other,
    Reader,
    Refused,
)


def framed(*fields: int | bytes) -> bytes:
    """Write a message as PROTOCOL.mux has it, apart from the code under test."""
    body = b"".join(
        struct.pack(">I", it) if isinstance(it, int) else struct.pack(">I", len(it)) + it for it in fields
    )
    return struct.pack(">I", len(body)) + body


STREAM = b"".join(
    [
        framed(0x00000001, 4, b"info@openssh.com", b"0"),
        framed(0x80000005, 7, 4242),
        framed(0x80000006, 8, 3),
        framed(0x80000003, 9, b"Session open refused by peer"),
        framed(0x80000002, 10, b"Permission denied"),
        framed(0x80000008, 3),
        framed(0x80000004, 3, 255),
    ]
)
MESSAGES = [
    Hello(4),
    Alive(7, 4242),
    Opened(8, 3),
    Refused(9, "Session open refused by peer"),
    Refused(10, "Permission denied"),
    Other(0x80000008),
    Ended(3, 255),
]


def test_whatever_the_reads_are() -> None:
    for cut in range(len(STREAM) + 1):
        reader = Reader()
        assert [*reader.feed(STREAM[:cut]), *reader.feed(STREAM[cut:])] == MESSAGES
    reader = Reader()
    assert [it for at in range(len(STREAM)) for it in reader.feed(STREAM[at : at + 1])] == MESSAGES


@pytest.mark.parametrize(
    "data",
    [
        bytes(4),  # of no bytes
        struct.pack(">I", 3),
        struct.pack(">I", MAX_BODY_BYTES + 1),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        framed(0x00000001),
        framed(0x80000005, 1),
        framed(0x80000006, 1),
        framed(0x80000004),
        framed(0x80000003, 1),
        framed(0x80000003, 1, 5),  # a text of five bytes that is not there
    ],
)
def test_what_no_master_sends(data: bytes) -> None:
    with pytest.raises(NotAMaster):
        list(Reader().feed(data))


def test_a_length_is_refused_before_its_body_has_come() -> None:
    reader = Reader()
    assert list(reader.feed(struct.pack(">I", MAX_BODY_BYTES)[:3])) == []
    with pytest.raises(NotAMaster):
        list(reader.feed(b"\xff"))


def test_a_reason_is_cleaned_and_cut() -> None:
    said = b"no\x1b[31m room\x00\r\n" + b"x" * 1000 + b"\xff"
    (refused,) = Reader().feed(framed(0x80000003, 1, said))
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("no  room")
    assert refused.reason.isprintable()
    assert len(refused.reason) <= MAX_REASON_CHARACTERS


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_none_of_a_master(data: bytes) -> None:
    with contextlib.suppress(NotAMaster):
        list(Reader().feed(data))


def test_what_is_sent() -> None:
    assert framed(0x00000001, 4) == HELLO
    assert messages.alive_check(5) == framed(0x10000004, 5)
    assert messages.forward_request(1, "127.0.0.1", 80) == framed(0x10000008, 1, b"", b"127.0.0.1", 80)
    assert messages.session_request(2, "exec cat", [("LANG", "zh_CN.UTF-8")]) == framed(
        *(0x10000002, 2, b"", 0, 0, 0, 0, 0xFFFFFFFF, b"", b"exec cat", b"LANG=zh_CN.UTF-8")
    )
