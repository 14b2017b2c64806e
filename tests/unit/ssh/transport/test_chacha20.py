"""Packets of chacha20-poly1305@openssh.com: whole, in pieces, damaged."""

from __future__ import annotations

import os

import paramiko
import pytest
from asyncssh.crypto.chacha import ChachaCipher
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.ssh.transport import chacha20
from runicorn_jupyter.ssh.transport.channel import DATA
from runicorn_jupyter.ssh.transport.packetizer import PACKET_BYTES, SshPacketizer

KEY = bytes(range(64))
SEQUENCES = st.integers(0, 2**32 - 1)
MESSAGES = st.binary(min_size=1, max_size=300)


class Wire:
    """Both ends of a line: what is written, and what is read in pieces of a size."""

    def __init__(self, piece: int = 1 << 20) -> None:
        self.sent = bytearray()
        self.arrived = bytearray()
        self._piece = piece

    def write(self, data: bytes) -> None:
        self.sent += data

    def recv_all(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            part = self.arrived[: min(self._piece, size - len(got))]
            if not part:
                raise EOFError
            del self.arrived[: len(part)]
            got += part
        return bytes(got)

    def close(self) -> None:
        """Nothing to close."""


def packetizer(wire: Wire, key: bytes = KEY) -> SshPacketizer:
    made = SshPacketizer(wire)
    for use in (made.set_outbound_cipher, made.set_inbound_cipher):
        use(chacha20.ChaCha20Poly1305Packets(key), 8, mac_engine=None, mac_size=16, mac_key=None, aead=True)
    return made


def sealed(message: bytes) -> bytearray:
    wire = Wire()
    packetizer(wire).send_message(paramiko.Message(message))
    return wire.sent


@given(
    SEQUENCES, st.integers(1, 40).flatmap(lambda blocks: st.binary(min_size=8 * blocks, max_size=8 * blocks))
)
def test_a_packet_is_what_another_library_makes(sequence: int, body: bytes) -> None:
    head = len(body).to_bytes(4, "big")
    other = ChachaCipher(KEY)
    data, tag = other.encrypt_and_sign(head, body, sequence.to_bytes(8, "big"))
    assert chacha20.ChaCha20Poly1305Packets(KEY).seal(sequence, head + body) == data + tag
    ours = chacha20.ChaCha20Poly1305Packets(KEY)
    assert ours.open_length(sequence, data[:4]) == len(body)
    assert ours.open(sequence, data[:4], data[4:] + tag) == body


@given(st.lists(MESSAGES, min_size=1, max_size=5), st.integers(1, 50))
def test_messages_come_through_however_they_are_cut(messages: list[bytes], piece: int) -> None:
    wire = Wire(piece)
    both = packetizer(wire)
    for message in messages:
        both.send_message(paramiko.Message(message))
    wire.arrived = wire.sent
    for number, message in enumerate(messages):
        kind, read = both.read_message()
        assert (kind, read.seqno) == (message[0], number)
        if kind != DATA:
            assert read.asbytes() == message[1:]
    assert not wire.arrived


def test_a_packet_that_ends_anywhere_is_none() -> None:
    whole = sealed(b"\x02" + bytes(40))
    for size in range(len(whole)):
        wire = Wire()
        wire.arrived = whole[:size]
        with pytest.raises((EOFError, paramiko.SSHException)):
            packetizer(wire).read_message()


def test_a_bit_that_was_changed_anywhere_is_noticed() -> None:
    whole = sealed(b"\x02" + bytes(40))
    for place in range(len(whole)):
        for bit in range(8):
            wire = Wire()
            wire.arrived = whole[:]
            wire.arrived[place] ^= 1 << bit
            with pytest.raises((EOFError, paramiko.SSHException)):
                packetizer(wire).read_message()


@pytest.mark.parametrize("size", [0, 1, 7, 9, PACKET_BYTES + 1, 2**31, 2**32 - 1])
def test_an_impossible_length_is_refused_before_anything_is_read(size: int) -> None:
    wire = Wire()
    wire.arrived = bytearray(
        chacha20.ChaCha20Poly1305Packets(KEY).seal(0, size.to_bytes(4, "big") + bytes(8))
    )
    with pytest.raises(paramiko.SSHException, match="impossible size"):
        packetizer(wire).read_message()
    assert len(wire.arrived) == 8 + 16


def test_another_key_or_number_opens_nothing() -> None:
    made = chacha20.ChaCha20Poly1305Packets(KEY).seal(5, (16).to_bytes(4, "big") + bytes(16))
    for key, sequence in ((os.urandom(64), 5), (KEY, 6)):
        with pytest.raises(paramiko.SSHException, match="Mismatched MAC"):
            chacha20.ChaCha20Poly1305Packets(key).open(sequence, made[:4], made[4:])


def test_a_key_ends_before_a_number_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chacha20, "MAX_PACKETS", 3)
    ours = chacha20.ChaCha20Poly1305Packets(KEY)
    for sequence in (0, 1):
        ours.seal(sequence, (8).to_bytes(4, "big") + bytes(8))
    with pytest.raises(paramiko.SSHException, match="too many packets"):
        ours.seal(2, (8).to_bytes(4, "big") + bytes(8))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_end_too_early(data: bytes) -> None:
    wire = Wire()
    wire.arrived = bytearray(data)
    with pytest.raises((EOFError, paramiko.SSHException)):
        packetizer(wire).read_message()
