"""Private keys in files: what kind they are, their public half, and signing with them."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from paramiko.message import Message

from runicorn_jupyter.ssh.wire_format import Reader, blob_type, parse_public_key

__all__ = ["KeyFile", "KeyFileError", "SigningKey", "WrongPassphrase", "read_public_file", "shown"]

MAX_KEY_FILE = 64 * 1024  # bytes; an RSA key of 16384 bits takes 13 KiB
_OPENSSH_MAGIC = b"openssh-key-v1\x00"
_OPENSSH_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_END = b"-----END OPENSSH PRIVATE KEY-----"
_ENCRYPTED_MARKS = (b"Proc-Type: 4,ENCRYPTED", b"-----BEGIN ENCRYPTED PRIVATE KEY-----")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class KeyFileError(Exception):
    """The file holds no usable private key; the message says why, without the file's name."""


class WrongPassphrase(KeyFileError):
    """The passphrase does not decrypt the key."""


class SigningKey:
    """A decrypted private key that can sign.

    Parameters
    ----------
    private
        The key as `cryptography` holds it.
    """

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        line = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        self.blob = base64.b64decode(line.split()[1])

    def sign(self, data: bytes, algorithm: str) -> bytes:
        """Sign data in SSH's format (RFC 4253 6.6, RFC 5656 3.1.2, RFC 8332, RFC 8709).

        Parameters
        ----------
        data
            What to sign.
        algorithm
            The algorithm's name, which chooses the hash for RSA; a certificate's name will do.

        Returns
        -------
        bytes
            The signature in SSH's wire form.
        """
        algorithm = algorithm.removesuffix("-cert-v01@openssh.com")
        key = self._private
        if isinstance(key, rsa.RSAPrivateKey):
            digest = hashes.SHA256() if algorithm == "rsa-sha2-256" else hashes.SHA512()
            raw = key.sign(data, padding.PKCS1v15(), digest)
        elif isinstance(key, ed25519.Ed25519PrivateKey):
            raw = key.sign(data)
        else:
            r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(_curve_hash(key))))
            numbers = Message()
            numbers.add_mpint(r)
            numbers.add_mpint(s)
            raw = numbers.asbytes()
        signature = Message()
        signature.add_string(algorithm)
        signature.add_string(raw)
        return signature.asbytes()


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A private key file, inspected but not decrypted.

    Attributes
    ----------
    path
        Where it is.
    encrypted
        Whether a passphrase is needed.
    public_blob
        The public half in wire form where the file shows it without a passphrase.
    """

    path: Path
    encrypted: bool
    public_blob: bytes | None
    _data: bytes

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r}, encrypted={self.encrypted})"

    @classmethod
    def read(cls, path: Path) -> KeyFile:
        """Inspect a private key file without decrypting it.

        Parameters
        ----------
        path
            The private key.

        Raises
        ------
        KeyFileError
            It is not a regular file of at most 64 KiB, or not a private key; the text says which.
        """
        data = _read_regular(path)
        if _OPENSSH_BEGIN in data:
            encrypted, blob = _openssh_header(data)
        elif b"-----BEGIN " in data and b"PRIVATE KEY-----" in data:
            encrypted, blob = any(mark in data for mark in _ENCRYPTED_MARKS), None
        else:
            raise KeyFileError(_what_else_it_is(data))
        if blob is None:
            blob = read_public_file(path.with_name(path.name + ".pub"))
        return cls(path, encrypted, blob, data)

    @property
    def on_token(self) -> bool:
        """Whether the private half is on a FIDO token (``sk-`` types), where only an agent can use it."""
        return self.public_blob is not None and blob_type(self.public_blob).startswith("sk-")

    def unlock(self, passphrase: str | None) -> SigningKey:
        """Decrypt the key.

        Parameters
        ----------
        passphrase
            None for a key that is not encrypted.

        Raises
        ------
        WrongPassphrase
            It is encrypted and this does not open it.
        KeyFileError
            It is damaged, or of a type that cannot be used.
        """
        if self.on_token:
            raise KeyFileError(
                "its private half is on a FIDO token, which only an SSH agent can use: "
                "ssh-add it and choose the agent"
            )
        secret = passphrase.encode() if self.encrypted and passphrase is not None else None
        if self.encrypted and not secret:
            raise WrongPassphrase("it needs a passphrase")
        return SigningKey(_load(self._data, secret))


def shown(path: Path) -> str:
    """Return a path for display, with the home folder as ``~``."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def read_public_file(path: Path) -> bytes | None:
    """Read the key or certificate of a ``.pub`` file.

    Parameters
    ----------
    path
        The file; it may be missing.

    Returns
    -------
    bytes or None
        The blob in wire form; None if there is none that can be read.
    """
    try:
        data = _read_regular(path)
    except KeyFileError:
        return None
    for line in data.splitlines():
        fields = line.split()
        if len(fields) < 2 or line.startswith(b"#"):
            continue
        with contextlib.suppress(ValueError):
            return parse_public_key(
                fields[0].decode("ascii", "replace"), fields[1].decode("ascii", "replace")
            )
    return None


def _read_regular(path: Path) -> bytes:
    try:
        # O_NONBLOCK: opening a FIFO must not hang before fstat can tell that it is one.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as exc:
        raise KeyFileError(_why_not_open(exc)) from exc
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise KeyFileError("it is not a regular file")
        if info.st_size > MAX_KEY_FILE:
            raise KeyFileError("it is larger than 64 KiB, so it is not a private key")
        try:
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(MAX_KEY_FILE + 1)
        except OSError as exc:  # as of /proc/self/mem, which can be opened
            raise KeyFileError(_why_not_open(exc)) from exc
        if len(data) > MAX_KEY_FILE:  # what says that it is empty need not be
            raise KeyFileError("it is larger than 64 KiB, so it is not a private key")
        return data
    finally:
        os.close(fd)


def _why_not_open(exc: OSError | ValueError) -> str:
    if isinstance(exc, FileNotFoundError):
        return "there is no such file on the Jupyter server"
    if isinstance(exc, PermissionError):
        return "the Jupyter server may not read it"
    return "it cannot be read"


def _openssh_header(data: bytes) -> tuple[bool, bytes]:
    body = data.partition(_OPENSSH_BEGIN)[2].partition(_OPENSSH_END)[0]
    try:
        raw = base64.b64decode(b"".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise KeyFileError("it is damaged: its base64 is broken") from exc
    if not raw.startswith(_OPENSSH_MAGIC):
        raise KeyFileError("it is damaged: it does not begin as an OpenSSH key does")
    try:
        reader = Reader(raw[len(_OPENSSH_MAGIC) :])
        cipher = reader.string()
        reader.string()  # the key derivation's name
        reader.string()  # and its options
        count = reader.uint32()
        blob = reader.string()
    except ValueError as exc:
        raise KeyFileError("it is damaged: it is cut short") from exc
    if count != 1 or not blob_type(blob):
        raise KeyFileError("it is damaged: it holds no public key")
    return cipher != b"none", blob


def _what_else_it_is(data: bytes) -> str:
    if data.startswith(b"PuTTY-User-Key-File"):
        return "it is a PuTTY key: export it in OpenSSH format with puttygen"
    if data.split(b" ", 1)[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return "it is a public key; the private key is the file without .pub"
    return "it is not a private key"


def _load(data: bytes, secret: bytes | None) -> PrivateKey:
    load = (
        serialization.load_ssh_private_key if _OPENSSH_BEGIN in data else serialization.load_pem_private_key
    )
    try:
        key = load(data, secret)
    except UnsupportedAlgorithm as exc:
        raise KeyFileError(
            "its type or cipher is not supported here: add it to an SSH agent instead"
        ) from exc
    except (ValueError, TypeError, InvalidTag) as exc:
        if secret is not None:
            raise WrongPassphrase("the passphrase is wrong") from exc
        raise KeyFileError("it is damaged, or not a key that SSH uses") from exc
    if not isinstance(key, PrivateKey):
        raise KeyFileError("its type is not supported; SSH servers take ed25519, ECDSA and RSA")
    return key


def _curve_hash(key: ec.EllipticCurvePrivateKey) -> hashes.HashAlgorithm:
    """RFC 5656, 6.2.1: the hash follows the curve's size."""
    if key.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size <= 384 else hashes.SHA512()
