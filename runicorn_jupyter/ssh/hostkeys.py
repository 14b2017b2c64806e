"""Whether a host's key is the one on record, and keeping that record (known_hosts)."""

from __future__ import annotations

import base64
import binascii
import builtins
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import paramiko

from runicorn_jupyter.errors import HostKeyChanged, HostKeyUnknown, InvalidParameters, SshUnavailable
from runicorn_jupyter.models import HostKey, KnownHost
from runicorn_jupyter.ssh import known_hosts_file as files
from runicorn_jupyter.ssh.keyfile import blob_type

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.hosts import Target

__all__ = ["KnownHosts", "OfferedKeys", "Policy", "Verdict", "fingerprint", "verify"]

Policy = Literal["ask", "accept-new", "strict"]

_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


def fingerprint(key_blob: bytes) -> str:
    """Return a key's fingerprint as ``ssh-keygen -lf`` prints it: ``SHA256:`` and unpadded base64."""
    digest = hashlib.sha256(key_blob).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the record says of an offered key.

    Attributes
    ----------
    status
        ``known``, ``unknown``, ``changed`` or ``revoked``.
    expected
        For ``changed``: the fingerprints that are on record.
    """

    status: Literal["known", "unknown", "changed", "revoked"]
    expected: tuple[str, ...] = ()


class KnownHosts:
    """The known_hosts files of a user, read afresh at each call.

    Parameters
    ----------
    user_files
        New keys go to the first, removals to all of them.
    global_files
        Only read.
    hash_names
        Hash the names of new entries (ssh's ``HashKnownHosts``).
    """

    def __init__(
        self, user_files: Sequence[Path], global_files: Sequence[Path], *, hash_names: bool = False
    ) -> None:
        self._user_files = tuple(user_files)
        self._global_files = tuple(global_files)
        self._hash_names = hash_names

    def _entries(self) -> builtins.list[files.Entry]:
        return [
            entry for path in (*self._user_files, *self._global_files) for entry in files.read_entries(path)
        ]

    def lookup(self, name: str, key: bytes) -> Verdict:
        """Compare a key with the record.

        Parameters
        ----------
        name
            ``host`` or ``[host]:port``.
        key
            The public key in wire form.
        """
        matching = [entry for entry in self._entries() if entry.matches(name)]
        if any(entry.marker == "revoked" and entry.blob == key for entry in matching):
            return Verdict("revoked")
        plain = [entry for entry in matching if not entry.marker]
        if any(entry.blob == key for entry in plain):
            return Verdict("known")
        if plain:
            return Verdict("changed", tuple(dict.fromkeys(fingerprint(entry.blob) for entry in plain)))
        return Verdict("unknown")

    def preferred_key_types(self, name: str) -> builtins.list[str]:
        """Return the host key algorithms to ask for, those on record first."""
        known = {entry.key_type for entry in self._entries() if not entry.marker and entry.matches(name)}
        if "ssh-rsa" in known:
            known |= {"rsa-sha2-512", "rsa-sha2-256"}
        return sorted(_ALGORITHMS, key=lambda algorithm: algorithm not in known)

    def list(self) -> builtins.list[KnownHost]:
        """List the record for people."""
        found = []
        for entry in self._entries():
            host, port = split_name(entry.names)
            found.append(
                KnownHost(
                    host=host,
                    port=port,
                    key_type=entry.key_type,
                    fingerprint_sha256=fingerprint(entry.blob),
                    revoked=entry.marker == "revoked",
                )
            )
        return found

    def accept(self, host: str, port: int, public_key: str) -> None:
        """Append a key as OpenSSH would."""
        name = host.lower() if port == 22 else f"[{host.lower()}]:{port}"
        self.add(name, _parse_public_key(public_key))

    def add(self, name: str, blob: bytes) -> None:
        """Append a key under a name to the first of the user's files."""
        if not self._user_files:
            raise SshUnavailable(
                "The ssh config names no file to keep host keys in (UserKnownHostsFile none)."
            )
        shown = files.hash_name(name) if self._hash_names else name
        line = f"{shown} {blob_type(blob)} {base64.b64encode(blob).decode()}\n"

        def append(text: str) -> str:
            return text + ("" if not text or text.endswith("\n") else "\n") + line

        files.rewrite(self._user_files[0], append)

    def remove(self, host: str, port: int) -> int:
        """Remove a host from the user's files.

        Returns
        -------
        int
            How many lines went.
        """
        name = host.lower() if port == 22 else f"[{host.lower()}]:{port}"
        removed = 0

        def without(text: str) -> str:
            nonlocal removed
            kept = []
            for line in text.splitlines(keepends=True):
                try:
                    entry = files.parse_line(line)
                except ValueError:
                    entry = None
                if entry is not None and entry.matches(name):
                    removed += 1
                else:
                    kept.append(line)
            return "".join(kept)

        for path in self._user_files:
            if path.exists():
                files.rewrite(path, without)
        return removed


def verify(target: Target, key: paramiko.PKey, policy: Policy) -> None:
    """Refuse a host whose key is not the one on record.

    Parameters
    ----------
    target
        The host.
    key
        What the server proved to have in the key exchange.
    policy
        What to do with a key that nobody has seen: ``ask`` and ``strict`` refuse it,
        ``accept-new`` records it.

    Raises
    ------
    HostKeyUnknown
        Nothing is on record; ``details.host_key`` is what was offered.
    HostKeyChanged
        Another key is on record, or this one is revoked.
    """
    blob = key.asbytes()
    known = KnownHosts(target.user_known_hosts, target.global_known_hosts, hash_names=target.hash_known_hosts)
    name = target.known_hosts_name
    verdict = known.lookup(name, blob)
    if verdict.status == "known":
        return
    offered: dict[str, Any] = HostKey(
        host=target.asked,
        port=target.port,
        key_type=blob_type(blob),
        fingerprint_sha256=fingerprint(blob),
        public_key=f"{blob_type(blob)} {base64.b64encode(blob).decode()}",
        expected_fingerprint_sha256=", ".join(verdict.expected) or None,
    ).model_dump()
    if verdict.status == "revoked":
        raise HostKeyChanged(f"The key of {target.asked} is marked as revoked.", host_key=offered)
    if verdict.status == "changed":
        raise HostKeyChanged(f"The key of {target.asked} has changed.", host_key=offered)
    if policy == "accept-new":
        known.add(name, blob)
        return
    raise HostKeyUnknown(f"The key of {target.asked} is not known yet.", host_key=offered)


class OfferedKeys:
    """The keys that hosts really offered: only those may be accepted afterwards."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._keys: OrderedDict[tuple[str, int, str], None] = OrderedDict()

    def remember(self, host_key: dict[str, Any] | HostKey) -> None:
        """Remember ``details.host_key`` of a ``host_key_unknown``."""
        offered = host_key if isinstance(host_key, HostKey) else HostKey.model_validate(host_key)
        entry = (offered.host, offered.port, offered.public_key)
        with self._lock:
            self._keys[entry] = None
            self._keys.move_to_end(entry)
            while len(self._keys) > self._size:
                self._keys.popitem(last=False)

    def was_offered(self, host: str, port: int, public_key: str) -> bool:
        """Whether a host offered exactly this key."""
        with self._lock:
            return (host, port, public_key) in self._keys


def _parse_public_key(public_key: str) -> bytes:
    fields = public_key.split()
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except (IndexError, binascii.Error, ValueError) as exc:
        raise InvalidParameters.for_field("public_key", "is not of the form TYPE BASE64.") from exc
    if blob_type(blob) != fields[0]:
        raise InvalidParameters.for_field("public_key", "is not of the type that it names.")
    return blob


def split_name(names: str) -> tuple[str, int]:
    """Take the first of a line's names apart: ``[host]:port`` or ``host``, whose port is 22."""
    first = names.partition(",")[0]
    host, bracket, port = first.removeprefix("[").rpartition("]:")
    if first.startswith("[") and bracket and port.isdigit():
        return host, int(port)
    return first, 22
