"""A channel keeps to its windows whatever comes, and a server that does not is told from a slow one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko import Message, SSHException

from runicorn_jupyter.ssh.transport.channel import CLOSE, DATA, EOF, WINDOW, WINDOW_ADJUST, Channel
from runicorn_jupyter.streams import END
from tests.unit.ssh.loopless import Recorder, message, opened


@given(st.lists(st.tuples(st.integers(0, 70000), st.integers(1, 300000)), max_size=60))
def test_the_window_is_given_back_for_what_was_taken_and_no_more(steps: list[tuple[int, int]]) -> None:
    channel, recorder = opened()
    given_back, came, taken = WINDOW, 0, b""
    for wanted, take in steps:
        size = min(wanted, given_back - came)
        data = bytes([size % 251]) * size
        channel.on_data(message(data))
        came += size
        piece = channel.take(take)
        taken += piece if isinstance(piece, bytes) else b""
        given_back = WINDOW + sum(struct.unpack(">I", one[5:])[0] for one in recorder.of(WINDOW_ADJUST))
        assert channel.buffered == came - len(taken)
        assert given_back <= WINDOW + len(taken)
        assert given_back - came + channel.buffered >= WINDOW - WINDOW // 10 - 1


def test_more_than_the_window_is_a_fault_of_the_server() -> None:
    channel, _ = opened()
    for _ in range(16):
        channel.on_data(message(bytes(WINDOW // 16)))
    with pytest.raises(SSHException, match="overran"):
        channel.on_data(message(b"x"))


@given(st.binary(max_size=3000), st.integers(0, 1000), st.integers(1, 300))
def test_no_more_is_sent_than_the_server_has_room_for(data: bytes, window: int, packet: int) -> None:
    channel, recorder = opened(window, packet)
    rest = memoryview(data)
    while rest and (size := channel.put(rest)):
        assert size <= packet
        rest = rest[size:]
    sent = b"".join(one[9:] for one in recorder.of(DATA))
    assert sent == data[: min(window, len(data))]
    channel.on_window_adjust(message(len(rest)))
    while rest:
        rest = rest[channel.put(rest) :]
    assert b"".join(one[9:] for one in recorder.of(DATA)) == data


def test_nothing_is_sent_without_room() -> None:
    channel, recorder = opened()
    recorder.room = False
    assert channel.put(memoryview(b"x")) == 0
    assert recorder.sent == []


def test_other_kinds_of_extended_data_are_dropped_and_counted() -> None:
    channel, recorder = opened()
    for _ in range(40):
        channel.on_extended_data(message(2, bytes(60000)))
    assert channel.buffered == 0
    assert recorder.of(WINDOW_ADJUST)


def test_both_ends_of_a_close() -> None:
    channel, recorder = opened()
    channel.on_data(message(b"last"))
    channel.on_eof(message())
    channel.on_close(message())
    assert recorder.forgotten == 1
    assert len(recorder.of(CLOSE)) == 1
    assert channel.take(100) == b"last"
    assert channel.take(100) is END
    channel.close()
    assert len(recorder.of(CLOSE)) == 1
    with pytest.raises(BrokenPipeError):
        channel.put(memoryview(b"x"))


def test_what_comes_after_our_close_is_dropped_until_the_server_confirms() -> None:
    channel, recorder = opened()
    channel.end()
    channel.end()
    channel.close()
    channel.close()
    channel.on_data(message(b"late"))
    assert channel.take(100) is END
    assert [payload[0] for payload in recorder.sent] == [EOF, CLOSE]
    assert recorder.forgotten == 0
    channel.on_close(message())
    assert recorder.forgotten == 1


def test_given_up_before_it_was_open() -> None:
    recorder = Recorder()
    channel = Channel(recorder, 0, lambda: None)
    channel.close()
    assert recorder.sent == []
    channel.on_open(7, 1000, 100)
    assert [payload[0] for payload in recorder.sent] == [CLOSE]


def test_requests_of_the_server_are_refused_and_the_status_is_kept() -> None:
    channel, recorder = opened()
    status = Message()
    status.add_string("exit-status")
    status.add_boolean(False)
    status.add_int(3)
    status.rewind()
    channel.on_request(status)
    other = Message()
    other.add_string("keepalive@openssh.com")
    other.add_boolean(True)
    other.rewind()
    channel.on_request(other)
    assert channel.exit_status == 3
    assert recorder.sent == [struct.pack(">BI", 100, 7)]


def test_a_lost_transport_is_no_end_of_data() -> None:
    channel, _ = opened()
    channel.on_data(message(b"before"))
    channel.on_lost()
    assert channel.take(100) == b"before"
    with pytest.raises(ConnectionResetError):
        channel.take(100)
    with pytest.raises(ConnectionResetError):
        channel.put(memoryview(b"x"))
