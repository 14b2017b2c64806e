"""Signatures that SSH keys make, over data of any kind."""

from __future__ import annotations

import paramiko
from paramiko.message import Message
from paramiko.pkey import UnknownKeyType

from runicorn_jupyter.ssh.wire_format import Reader, blob_type

__all__ = ["is_signed"]

# Without SHA-1, as OpenSSH's CASignatureAlgorithms.
_ALGORITHMS = frozenset(
    {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
    | {"rsa-sha2-512", "rsa-sha2-256"}
)


def is_signed(key: bytes, data: bytes, signature: bytes) -> bool:
    """Return whether a key has signed some data.

    Parameters
    ----------
    key
        The public key in wire form.
    data
        What was signed.
    signature
        In wire form: the algorithm's name and its signature (RFC 4253, section 6.6).
    """
    reader = Reader(signature)
    try:
        if reader.string().decode("ascii", "replace") not in _ALGORITHMS:
            return False
        reader.string()
        if not reader.at_end:
            return False  # paramiko would not mind
        public = paramiko.PKey.from_type_string(blob_type(key), key)
        return bool(public.verify_ssh_sig(data, Message(signature)))
    except (UnknownKeyType, paramiko.SSHException, ValueError):
        return False
