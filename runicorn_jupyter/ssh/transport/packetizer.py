"""SSH packets over a ``ByteTransport``: paramiko's packetizer, which never waits to send and copies less.

Private names of paramiko used here (3.4 … 5.x; the tests run on both ends): ``start_handshake``,
``_initial_kex_done``, ``_build_packet`` and the packetizer's own ``__aead_in``, ``__block_engine_in``,
``__block_engine_out``, ``__compress_engine_in``, ``__iv_in``, ``__mac_size_in``, ``__need_rekey``,
``__sequence_number_in``, ``__sequence_number_out``, ``__write_lock``. Where one of them is missing, packets
are read by paramiko itself, and ChaCha20 is not offered.
"""

from __future__ import annotations

import contextlib
from typing import Any

import paramiko
from cryptography.exceptions import InvalidTag
from paramiko.packet import Packetizer

from runicorn_jupyter.ssh.transport.byte_transport import ByteTransport
from runicorn_jupyter.ssh.transport.chacha20 import BLOCK_BYTES, TAG_BYTES, ChaCha20Poly1305Packets
from runicorn_jupyter.ssh.transport.channel import DATA, MAX_PACKET

BANNER_LINE_BYTES = 8192
PACKET_BYTES = MAX_PACKET + 32768
"""Largest packet of a server, in bytes (RFC 4253, section 6.1, asks for 35000); a larger size is not SSH."""

LENGTH_BYTES = 4

_PRIVATE = (
    "__aead_in",
    "__block_engine_in",
    "__block_engine_out",
    "__compress_engine_in",
    "__iv_in",
    "__mac_size_in",
    "__need_rekey",
    "__sequence_number_in",
    "__sequence_number_out",
    "__write_lock",
)


class DataMessage(paramiko.Message):
    """A message with a channel's data, which it returns as a view.

    Parameters
    ----------
    plain
        A decrypted packet: the length of its padding, the message, the padding (RFC 4253, section 6).
    """

    def __init__(self, plain: bytes) -> None:
        super().__init__(plain)
        self.packet.seek(2)  # the padding's length and the message's number
        self._plain = plain

    def get_binary(self) -> Any:
        """Return the data as a view of the packet."""
        size = self.get_int()
        start = self.packet.tell()
        if start + size > len(self._plain) - self._plain[0]:
            raise paramiko.SSHException("the server's data is longer than its packet")
        return memoryview(self._plain)[start : start + size]


class SshPacketizer(Packetizer):
    """SSH packets over a ``ByteTransport``."""

    # OpenSSH re-keys each 2^32 cipher blocks (64 GiB) or 2^31 packets (RFC 4344, section 3): it comes first.
    REKEY_PACKETS = 2**31
    REKEY_BYTES = 2**37
    REKEY_PACKETS_OVERFLOW_MAX = 2**31
    REKEY_BYTES_OVERFLOW_MAX = 2**37

    def __init__(self, byte_transport: Any) -> None:
        super().__init__(byte_transport)
        self._byte_transport: ByteTransport = byte_transport
        self.greeting: list[str] = []
        self._is_known = all(hasattr(self, f"_Packetizer{name}") for name in _PRIVATE)

    def write_all(self, out: Any) -> None:
        """Send without waiting."""
        self._byte_transport.write(out)

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read ``n`` bytes; refuse an impossible length."""
        if not 0 <= n <= PACKET_BYTES:
            raise paramiko.SSHException("the server announces a packet of impossible size")
        return super().read_all(n, check_rekey)

    @classmethod
    def knows_paramiko(cls) -> bool:
        """Tell whether the installed paramiko has all the private parts that are used here."""
        made: Any = cls(None)
        return bool(made._is_known)

    def set_outbound_cipher(self, block_engine: Any, *arguments: Any, **named: Any) -> None:
        """Use a cipher from the next packet on; an AEAD cipher needs no MAC, any other one of those here."""
        _refuse_unavailable_mac(named.get("mac_engine"))
        super().set_outbound_cipher(block_engine, *arguments, **named)

    def set_inbound_cipher(self, block_engine: Any, *arguments: Any, **named: Any) -> None:
        """Expect a cipher from the next packet on; as `set_outbound_cipher`."""
        _refuse_unavailable_mac(named.get("mac_engine"))
        super().set_inbound_cipher(block_engine, *arguments, **named)

    def send_message(self, data: Any) -> None:
        """Send one message."""
        with self._private("__write_lock") if self._is_known else contextlib.nullcontext():
            engine = self._private("__block_engine_out") if self._is_known else None
            if not isinstance(engine, ChaCha20Poly1305Packets):
                super().send_message(data)
                return
            sequence: int = self._private("__sequence_number_out")
            packet: bytes = self._build_packet(data.asbytes())  # type: ignore[attr-defined]
            self._set_private("__sequence_number_out", (sequence + 1) & 0xFFFFFFFF)
            self.write_all(engine.seal(sequence, packet))

    def read_message(self) -> Any:
        """Read one packet and return its message's number and its message.

        Under AES-GCM it does what paramiko does with two copies instead of six, and looks at the number of
        bytes not at all: the server re-keys long before that would matter.
        """
        engine = self._private("__block_engine_in") if self._is_known else None
        if isinstance(engine, ChaCha20Poly1305Packets):
            return self._read_chacha20(engine)
        if (
            not self._is_known
            or not self._private("__aead_in")
            or self._private("__compress_engine_in") is not None
            or self._private("__need_rekey")
            or not getattr(self, "_initial_kex_done", False)
        ):
            return super().read_message()
        head = bytes(self._byte_transport.recv_all(LENGTH_BYTES))
        size = int.from_bytes(head, "big")
        if not 2 <= size <= PACKET_BYTES:
            raise paramiko.SSHException("the server announces a packet of impossible size")
        sealed = self._byte_transport.recv_all(size + self._private("__mac_size_in"))
        try:
            plain: bytes = self._private("__block_engine_in").decrypt(self._private("__iv_in"), sealed, head)
        except InvalidTag as error:
            raise paramiko.SSHException("Mismatched MAC") from error
        self._set_private("__iv_in", _next_iv(self._private("__iv_in")))
        return self._message(plain)

    def _read_chacha20(self, engine: ChaCha20Poly1305Packets) -> tuple[int, paramiko.Message]:
        sequence: int = self._private("__sequence_number_in")
        head = bytes(self._byte_transport.recv_all(LENGTH_BYTES))
        size = engine.open_length(sequence, head)
        if not BLOCK_BYTES <= size <= PACKET_BYTES or size % BLOCK_BYTES:
            raise paramiko.SSHException("the server announces a packet of impossible size")
        return self._message(
            engine.open(sequence, head, bytes(self._byte_transport.recv_all(size + TAG_BYTES)))
        )

    def _message(self, plain: bytes) -> tuple[int, paramiko.Message]:
        end = len(plain) - plain[0]
        if end < 2:
            raise paramiko.SSHException("the server sends an empty packet")
        number = plain[1]
        message = DataMessage(plain) if number == DATA else paramiko.Message(plain[2:end])
        sequence: int = self._private("__sequence_number_in")
        message.seqno = sequence
        self._set_private("__sequence_number_in", (sequence + 1) & 0xFFFFFFFF)
        return number, message

    def _private(self, name: str) -> Any:
        return getattr(self, f"_Packetizer{name}")

    def _set_private(self, name: str, value: Any) -> None:
        setattr(self, f"_Packetizer{name}", value)

    def start_handshake(self, timeout: float) -> None:
        """Start no timer thread: the caller closes the byte transport at its own deadline."""

    def readline(self, timeout: float) -> str:
        """Read one line before the key exchange, of bounded length and whatever encoding."""
        line = bytearray()
        try:
            while not line.endswith(b"\n"):
                byte = self._byte_transport.recv(1)
                if not byte:
                    raise EOFError
                line += byte
                if len(line) > BANNER_LINE_BYTES:
                    raise paramiko.SSHException("a line of the greeting is too long")
        finally:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text:
                self.greeting.append(text)
        return text


class UnavailableMac:
    """Stands for a MAC that is not to be had here, for a server that has no other: AEAD ciphers need none."""

    digest_size = 16


def _refuse_unavailable_mac(mac_engine: Any) -> None:
    if mac_engine is UnavailableMac:
        raise paramiko.ssh_exception.IncompatiblePeer("no acceptable MAC")


def _next_iv(iv: bytes) -> bytes:
    """Increment the invocation counter, the last eight bytes (RFC 5647, section 7.1)."""
    return iv[:4] + ((int.from_bytes(iv[4:], "big") + 1) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
