"""Public keys and certificates in SSH's wire form (RFC 4251, 5; OpenSSH's PROTOCOL.certkeys)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct

__all__ = [
    "CERTIFICATE_SUFFIX",
    "Reader",
    "blob_type",
    "fingerprint",
    "is_certificate",
    "key_fields",
    "parse_public_key",
    "plain_blob",
    "public_key_line",
    "string",
]

CERTIFICATE_SUFFIX = "-cert-v01@openssh.com"

# How many length-prefixed fields a public key of a type has behind its name.
_KEY_FIELDS = {
    "ssh-rsa": 2,
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}


class Reader:
    """Reads wire-form fields; raises at a cut, where paramiko's ``Message`` pads with zeros.

    Parameters
    ----------
    data
        The bytes to read.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Read ``size`` bytes.

        Raises
        ------
        ValueError
            There are fewer.
        """
        if size > len(self._data) - self._at:
            raise ValueError("cut short")
        self._at += size
        return self._data[self._at - size : self._at]

    def uint32(self) -> int:
        """Read a 4-byte unsigned integer."""
        return int.from_bytes(self.take(4), "big")

    def uint64(self) -> int:
        """Read an 8-byte unsigned integer."""
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        """Read a string with its length before it; also reads an mpint."""
        return self.take(self.uint32())

    def strings(self, most: int | None = None) -> list[bytes]:
        """Read a string that contains a sequence of strings.

        Raises
        ------
        ValueError
            It is cut short, or there are more than ``most``.
        """
        inner = Reader(self.string())
        found: list[bytes] = []
        while not inner.at_end:
            if len(found) == most:
                raise ValueError(f"more than {most} parts")
            found.append(inner.string())
        return found

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._data)

    @property
    def consumed(self) -> bytes:
        """The bytes read so far."""
        return self._data[: self._at]


def string(data: bytes | str) -> bytes:
    """Encode a string with its length before it."""
    raw = data.encode() if isinstance(data, str) else data
    return struct.pack(">I", len(raw)) + raw


def blob_type(blob: bytes) -> str:
    """Return the type that a public key begins with; empty if it has none."""
    try:
        name = Reader(blob).string()
    except ValueError:
        return ""
    return name.decode("ascii", "replace") if 0 < len(name) <= 128 else ""


def is_certificate(blob: bytes) -> bool:
    """Return whether a public key is an OpenSSH certificate."""
    return blob_type(blob).endswith(CERTIFICATE_SUFFIX)


def plain_type(name: str) -> str:
    """Return the key type of a certificate type; others as they are."""
    if not name.endswith(CERTIFICATE_SUFFIX):
        return name
    base = name.removesuffix(CERTIFICATE_SUFFIX)
    return base + "@openssh.com" if base.startswith("sk-") else base


def key_fields(reader: Reader, kind: str) -> bytes:
    """Read a public key's fields and return them in wire form, with the type before them.

    Raises
    ------
    ValueError
        Truncated, or of an unknown type.
    """
    fields = _KEY_FIELDS.get(kind)
    if fields is None:
        raise ValueError("unknown key type")
    return string(kind) + b"".join(string(reader.string()) for _ in range(fields))


def plain_blob(blob: bytes) -> bytes | None:
    """Return the public key inside a certificate; a plain key as it is.

    Returns
    -------
    bytes or None
        None if it is truncated or of an unknown type.
    """
    if not is_certificate(blob):
        return blob
    reader = Reader(blob)
    try:
        kind = plain_type(reader.string().decode("ascii", "replace"))
        reader.string()  # the nonce
        return key_fields(reader, kind)
    except ValueError:
        return None


def fingerprint(blob: bytes) -> str:
    """Return a key's fingerprint as ``ssh-keygen -lf`` prints it: ``SHA256:`` and unpadded base64."""
    digest = hashlib.sha256(plain_blob(blob) or blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def public_key_line(blob: bytes) -> str:
    """Format a public key as ``TYPE BASE64``."""
    return f"{blob_type(blob)} {base64.b64encode(blob).decode()}"


def parse_public_key(kind: str, encoded: str) -> bytes:
    """Decode a public key from its type and base64.

    Raises
    ------
    ValueError
        It is not base64, or of another type than ``kind``.
    """
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("the key is not base64") from exc
    if not kind or blob_type(blob) != kind:
        raise ValueError("the key is not of the type that it names")
    return blob
