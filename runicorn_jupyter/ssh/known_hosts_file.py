"""The format of OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): read and write."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fnmatch
import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runicorn_jupyter.ssh.keyfile import blob_type

__all__ = ["Entry", "hash_name", "name_matches", "read_entries", "rewrite"]

log = logging.getLogger(__name__)

_HASH_MAGIC = "|1|"
_MAX_FILE = 64 * 1024 * 1024  # bytes; clusters' global files reach several MiB


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that says something of a key.

    Attributes
    ----------
    marker
        ``revoked``, ``cert-authority`` or empty.
    names
        The first field: patterns with commas, or one hashed name.
    blob
        The key in wire form.
    """

    marker: str
    names: str
    blob: bytes

    @property
    def key_type(self) -> str:
        """The key's type in SSH's words."""
        return blob_type(self.blob)

    def matches(self, name: str) -> bool:
        """Whether the line is about a host, given as ``host`` or ``[host]:port``."""
        return name_matches(name, self.names)


def parse_line(line: str) -> Entry | None:
    """Read one line.

    Returns
    -------
    Entry or None
        None for an empty line or a comment.

    Raises
    ------
    ValueError
        It is neither that nor well-formed.
    """
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    fields = text.split(None, 4)
    marker = ""
    if fields[0].startswith("@"):
        marker = fields.pop(0)[1:]
        if marker not in ("revoked", "cert-authority"):
            raise ValueError("an unknown marker")
    if len(fields) < 3:
        raise ValueError("too few fields")
    try:
        blob = base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("the key is not base64") from exc
    if not blob_type(blob) or blob_type(blob) != fields[1]:
        raise ValueError("the key is not of the type that it names")
    return Entry(marker, fields[0], blob)


def read_entries(path: Path) -> list[Entry]:
    """Read a file; lines that cannot be read are skipped with a warning in the log.

    Parameters
    ----------
    path
        The file; it may be missing.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE)
    except FileNotFoundError:
        return []
    except OSError as exc:
        log.warning("known_hosts: %s cannot be read: %s", path, exc.strerror)
        return []
    entries = []
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        try:
            entry = parse_line(line)
        except ValueError as exc:
            log.warning("known_hosts: %s line %d was skipped: %s", path, number, exc)
            continue
        if entry is not None:
            entries.append(entry)
    return entries


def hash_name(name: str, salt: bytes | None = None) -> str:
    """Hash a host's name as ``HashKnownHosts`` does: HMAC-SHA1 keyed with a random salt.

    Parameters
    ----------
    name
        ``host`` or ``[host]:port``.
    salt
        20 bytes; random if None.
    """
    salt = secrets.token_bytes(20) if salt is None else salt
    digest = hmac.new(salt, name.lower().encode("utf-8", "surrogateescape"), hashlib.sha1).digest()
    return f"{_HASH_MAGIC}{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def name_matches(name: str, names: str) -> bool:
    """Whether a host is meant by the first field of a line.

    Parameters
    ----------
    name
        ``host`` or ``[host]:port``.
    names
        Patterns separated by commas (``*``, ``?``, ``!`` to exclude), or one hashed name.
    """
    if names.startswith(_HASH_MAGIC):
        try:
            salt = base64.b64decode(names[len(_HASH_MAGIC) :].partition("|")[0], validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(
            hash_name(name, salt).encode("utf-8", "surrogateescape"), names.encode("utf-8", "surrogateescape")
        )
    found = False
    for pattern in names.lower().split(","):
        if _pattern(pattern.removeprefix("!")).fullmatch(name.lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _pattern(pattern: str) -> re.Pattern[str]:
    """ssh's patterns know ``*`` and ``?`` only; brackets are literal."""
    return re.compile(fnmatch.translate(re.sub(r"\[", "[[]", pattern)))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock beside the file, so that two of us do not lose each other's line."""
    lock = path.with_name(path.name + ".runicorn-lock")
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if os.name == "posix":
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Change a file atomically, mode 0600, under a lock.

    Parameters
    ----------
    path
        The file; it and its folder (0700) are made where they are missing. A symbolic link is followed.
    change
        Maps the old text to the new one.

    Raises
    ------
    OSError
        It cannot be written.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(path):
        old = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
        new = change(old)
        if new == old:
            return
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(new.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
