"""When a viewer counts as one that answers nothing: real sockets, and turns of a loop as they are told."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator

import pytest

from runicorn_jupyter.payload.self_probe import PATIENCE_TURNS, PERIOD_TURNS, SelfProbe


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def probe(listener: socket.socket) -> Iterator[SelfProbe]:
    made = SelfProbe(listener.getsockname()[1])
    yield made
    made._hang_up()


def hear(listener: socket.socket) -> socket.socket:
    peer, _ = listener.accept()
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += peer.recv(4096)
    assert heard.startswith(b"GET / HTTP/1.1\r\nHost: ")
    return peer


def answer(listener: socket.socket) -> None:
    with hear(listener) as peer:
        peer.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)


def has_news(probe: SelfProbe) -> None:
    """Wait until what was sent to the probe is there."""
    assert probe._socket is not None
    select.select([probe._socket], [], [])


def test_what_answers_is_asked_from_time_to_time(listener: socket.socket, probe: SelfProbe) -> None:
    for begun in range(0, 3 * (PERIOD_TURNS + 1), PERIOD_TURNS + 1):
        for turn in range(begun, begun + PERIOD_TURNS):
            assert probe.silent_turns(turn) == 0
            assert probe._socket is None
        assert probe.silent_turns(begun + PERIOD_TURNS) == 0
        answer(listener)
        has_news(probe)
        assert probe.silent_turns(begun + PERIOD_TURNS + 1) == 0


def test_what_answers_late_has_not_been_silent(listener: socket.socket, probe: SelfProbe) -> None:
    assert probe.silent_turns(PERIOD_TURNS) == 0
    assert [probe.silent_turns(PERIOD_TURNS + n) for n in range(1, 4)] == [1, 2, 3]
    answer(listener)
    has_news(probe)
    assert probe.silent_turns(PERIOD_TURNS + 4) == 0


def test_time_in_which_the_loop_does_not_turn_is_no_silence(probe: SelfProbe) -> None:
    """As in a stopped process, and in one whose event loop is busy for long at a time."""
    assert [probe.silent_turns(PERIOD_TURNS) for _ in range(1000)] == [0] * 1000


def test_what_accepts_nothing_is_silent(listener: socket.socket, probe: SelfProbe) -> None:
    turns = range(PERIOD_TURNS, PERIOD_TURNS + 60)
    assert [probe.silent_turns(turn) for turn in turns] == list(range(60))


def test_a_question_that_was_lost_is_put_again(listener: socket.socket, probe: SelfProbe) -> None:
    probe.silent_turns(PERIOD_TURNS)
    with hear(listener):
        for n in range(1, PATIENCE_TURNS + 1):
            assert probe.silent_turns(PERIOD_TURNS + n) == n
    answer(listener)
    has_news(probe)
    assert probe.silent_turns(PERIOD_TURNS + PATIENCE_TURNS + 1) == 0


@pytest.mark.parametrize("end", [socket.SHUT_WR, None])
def test_what_ends_its_connections_is_silent(
    listener: socket.socket, probe: SelfProbe, end: int | None
) -> None:
    turn = PERIOD_TURNS
    probe.silent_turns(turn)
    for _ in range(3):
        with hear(listener) as peer:
            if end is not None:
                peer.shutdown(end)
                has_news(probe)
        for _ in range(PATIENCE_TURNS):
            turn += 1
            assert probe.silent_turns(turn) == turn - PERIOD_TURNS


def test_nobody_at_the_port_is_silent(listener: socket.socket, probe: SelfProbe) -> None:
    listener.close()
    turns = range(PERIOD_TURNS, PERIOD_TURNS + 60)
    assert [probe.silent_turns(turn) for turn in turns] == list(range(60))


@pytest.mark.parametrize(
    ("error", "is_silent"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "no memory"), True),
        (OSError(errno.EMFILE, "no descriptor"), False),
        (OSError(errno.EADDRNOTAVAIL, "no port"), False),
        (PermissionError(errno.EPERM, "no"), False),
    ],
)
def test_who_cannot_ask_knows_nothing_but_that_memory_is_short(
    probe: SelfProbe, monkeypatch: pytest.MonkeyPatch, error: BaseException, is_silent: bool
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("runicorn_jupyter.payload.self_probe.socket.socket", fail)
    turns = range(PERIOD_TURNS, PERIOD_TURNS + 60)
    assert [probe.silent_turns(turn) for turn in turns] == [turn * is_silent for turn in range(60)]
