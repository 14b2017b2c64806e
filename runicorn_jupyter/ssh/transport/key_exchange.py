"""The key exchange ``sntrup761x25519-sha512``, where the extra ``sntrup`` is installed.

It is built as ``mlkem768x25519-sha256`` is, which paramiko has: Streamlined NTRU Prime (``pqcrypto``) in the
place of ML-KEM, and SHA-512 (draft-ietf-sshm-ntruprime-ssh). Private names of paramiko used here (5.0 …):
``KexMLKEM768X25519`` with its sizes, ``mlkem_key`` and ``x25519_key``, and ``_expect_packet``.
"""

from __future__ import annotations

import hashlib
from typing import Any

import paramiko
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

_hybrid: Any
_sntrup761: Any
try:
    from paramiko import kex_mlkem
    from pqcrypto.kem import sntrup_761
except ImportError:
    _hybrid, _sntrup761 = object, None
else:
    _hybrid, _sntrup761 = kex_mlkem.KexMLKEM768X25519, sntrup_761

NAMES = ("sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com")
PUBLIC_BYTES, CIPHERTEXT_BYTES, X25519_BYTES = 1158, 1039, 32
_INIT, _REPLY = 30, 31


class _PrivateKey:
    """A key pair with the methods that ML-KEM's has in ``cryptography``."""

    def __init__(self) -> None:
        self._public, self._secret = _sntrup761.keygen()

    def public_key(self) -> _PrivateKey:
        return self

    def public_bytes_raw(self) -> bytes:
        return bytes(self._public)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return bytes(_sntrup761.decaps(self._secret, ciphertext))


class KexSntrup761X25519(_hybrid):  # type: ignore[misc]
    """The client's side of the key exchange; paramiko makes one for each."""

    name = NAMES[0]
    hash_algo = hashlib.sha512
    _MLKEM_PUBKEY_BYTES = PUBLIC_BYTES
    _MLKEM_CIPHERTEXT_BYTES = CIPHERTEXT_BYTES
    _C_INIT_BYTES = PUBLIC_BYTES + X25519_BYTES
    _S_REPLY_BYTES = CIPHERTEXT_BYTES + X25519_BYTES
    transport: Any

    def start_kex(self) -> None:
        """Send both public keys."""
        self.x25519_key = X25519PrivateKey.generate()
        self.mlkem_key = _PrivateKey()
        message = paramiko.Message()
        message.add_byte(bytes([_INIT]))
        message.add_string(
            self.mlkem_key.public_bytes_raw() + self.x25519_key.public_key().public_bytes_raw()
        )
        self.transport._send_message(message)
        self.transport._expect_packet(_REPLY)


def key_exchanges() -> dict[str, type]:
    """Return what there is beyond paramiko's own, by name."""
    return dict.fromkeys(NAMES, KexSntrup761X25519) if _sntrup761 is not None else {}
