"""The packet format ``chacha20-poly1305@openssh.com`` (OpenSSH's PROTOCOL.chacha20poly1305).

Two keys of ChaCha20: one for a packet's length, one for the rest and for the key of Poly1305. The nonce is
the packet's sequence number. The cipher and the authenticator are those of ``cryptography``.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305
from paramiko import SSHException

KEY_BYTES, TAG_BYTES, LENGTH_BYTES, BLOCK_BYTES = 64, 16, 4, 8
TAG_KEY_BYTES, _STREAM_BLOCK = 32, 64
MAX_PACKETS = 2**32
"""Of one key: a sequence number comes again after so many, and a nonce never may."""


class ChaCha20Poly1305Packets:
    """Seals or opens the packets of one direction.

    Parameters
    ----------
    key
        64 bytes, as the key exchange derives them.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes instead of {KEY_BYTES}")
        self._main, self._length = key[:32], key[32:]
        self._packets = 0

    def seal(self, sequence: int, packet: bytes) -> bytes:
        """Encrypt a packet with its length, and append the tag.

        Parameters
        ----------
        sequence
            The packet's number.
        packet
            Its length in four bytes, and as many.
        """
        self._count()
        tag_key, stream = self._begin(sequence)
        head = _stream(self._length, sequence).update(packet[:LENGTH_BYTES])
        sealed = head + stream.update(packet[LENGTH_BYTES:])
        return sealed + Poly1305.generate_tag(tag_key, sealed)

    def open_length(self, sequence: int, head: bytes) -> int:
        """Decrypt the length of a packet, which is not authenticated yet: the caller bounds it."""
        return int.from_bytes(_stream(self._length, sequence).update(head), "big")

    def open(self, sequence: int, head: bytes, sealed: bytes) -> bytes:
        """Check a packet's tag and decrypt what follows its length.

        Parameters
        ----------
        sequence
            The packet's number.
        head
            Its length as it came, encrypted.
        sealed
            What follows, with the tag.

        Raises
        ------
        SSHException
            If the tag is wrong.
        """
        self._count()
        tag_key, stream = self._begin(sequence)
        body, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        try:
            Poly1305.verify_tag(tag_key, head + body, tag)
        except InvalidSignature as error:
            raise SSHException("Mismatched MAC") from error
        return stream.update(body)

    def _begin(self, sequence: int) -> tuple[bytes, CipherContext]:
        """Return a packet's key of Poly1305 (half of block 0), and its key stream from block 1 on."""
        stream = _stream(self._main, sequence)
        return stream.update(bytes(_STREAM_BLOCK))[:TAG_KEY_BYTES], stream

    def _count(self) -> None:
        self._packets += 1
        if self._packets >= MAX_PACKETS:
            raise SSHException("a key was used for too many packets")


def _stream(key: bytes, sequence: int) -> CipherContext:
    """Return the key stream of a packet; its nonce follows the number of the block, which begins at 0."""
    return Cipher(ChaCha20(key, bytes(8) + sequence.to_bytes(8, "big")), mode=None).encryptor()


def is_available() -> bool:
    """Tell whether the installed ``cryptography`` has both parts (OpenSSL in FIPS mode has not)."""
    try:
        ChaCha20Poly1305Packets(bytes(KEY_BYTES)).seal(0, bytes(LENGTH_BYTES + BLOCK_BYTES))
    except UnsupportedAlgorithm:
        return False
    return True
