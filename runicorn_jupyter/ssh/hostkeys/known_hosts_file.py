"""The lines of OpenSSH's known_hosts files (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runicorn_jupyter.ssh.config.patterns import matches_list
from runicorn_jupyter.ssh.wire_format import blob_type, parse_public_key

__all__ = ["Entry", "entries_of", "hash_name", "is_hashed", "name_matches", "parse_line", "read_entries"]

log = logging.getLogger(__name__)

_HASH_MAGIC = "|1|"
_MAX_FILE = 64 * 1024 * 1024  # bytes; the global files of clusters have several MiB


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a known_hosts file.

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
        """Return whether the line matches a host, given as ``host`` or ``[host]:port``."""
        return name_matches(name, self.names)

    def names_literally(self, name: str) -> bool:
        """Return whether the line names this host itself, not by a pattern."""
        if is_hashed(self.names):
            return self.names == name or self.matches(name)
        return name.lower() in self.names.lower().split(",") and self.matches(name)


def parse_line(line: str, about: Sequence[str] | None = None) -> Entry | None:
    """Read one line.

    Parameters
    ----------
    line
        The text.
    about
        If not None, a line that is about none of these hosts is not looked at further, as
        with OpenSSH: decoding every key of a large file takes longer than the handshake.

    Returns
    -------
    Entry or None
        None for an empty line, a comment, or a line about other hosts.

    Raises
    ------
    ValueError
        It is neither that nor well-formed; the text says why.
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
    if about is not None and not any(name_matches(name, fields[0]) for name in about):
        return None
    return Entry(marker, fields[0], parse_public_key(fields[1], fields[2]))


def read_entries(path: Path, about: Sequence[str] | None = None) -> list[Entry]:
    """Read a file; lines that cannot be read are skipped with a warning in the log.

    Parameters
    ----------
    path
        The file; it may be missing.
    about
        If not None, only lines about one of these hosts (``host`` or ``[host]:port``).
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE)
    except FileNotFoundError:
        return []
    except OSError as exc:
        log.warning("known_hosts: %s cannot be read: %s", path, exc.strerror)
        return []
    return entries_of(data, path, about)


def entries_of(data: bytes, source: object, about: Sequence[str] | None = None) -> list[Entry]:
    """Read the content of a file, or what a command printed, as `read_entries` does.

    Parameters
    ----------
    data
        The lines.
    source
        What to call it in the log.
    about
        As for `read_entries`.
    """
    entries = []
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        try:
            entry = parse_line(line, about)
        except ValueError as exc:
            log.warning("known_hosts: %s line %d was skipped: %s", source, number, exc)
            continue
        if entry is not None:
            entries.append(entry)
    return entries


def is_hashed(names: str) -> bool:
    """Return whether the first field of a line is a hashed name."""
    return names.startswith(_HASH_MAGIC)


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
    digest = hmac.digest(salt, name.lower().encode("utf-8", "surrogateescape"), "sha1")
    return f"{_HASH_MAGIC}{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def name_matches(name: str, names: str) -> bool:
    """Return whether the first field of a line matches a host.

    Parameters
    ----------
    name
        ``host`` or ``[host]:port``.
    names
        Patterns separated by commas (``*``, ``?``, ``!`` to exclude), or one hashed name.
    """
    if not is_hashed(names):
        return matches_list(name.lower(), names.lower())
    try:
        salt = base64.b64decode(names[len(_HASH_MAGIC) :].partition("|")[0], validate=True)
    except (binascii.Error, ValueError):
        return False
    return hash_name(name, salt) == names
