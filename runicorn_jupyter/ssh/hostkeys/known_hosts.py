"""Host keys on record: the user's and the system's known_hosts files."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runicorn_jupyter.errors import InvalidParameters, SshUnavailable
from runicorn_jupyter.models import KnownHost
from runicorn_jupyter.private_files import append_line, replace
from runicorn_jupyter.ssh.config.target import DEFAULT_PORT
from runicorn_jupyter.ssh.hostkeys import known_hosts_file as files
from runicorn_jupyter.ssh.hostkeys.certificate import HostCertificate
from runicorn_jupyter.ssh.wire_format import (
    CERTIFICATE_SUFFIX,
    blob_type,
    fingerprint,
    is_certificate,
    parse_public_key,
    public_key_line,
)

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target

__all__ = ["KEY_TYPES", "KnownHosts", "Verdict", "known_hosts_name", "split_name"]

# What paramiko can do, in OpenSSH's order of preference.
_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
KEY_TYPES = {algorithm for algorithm in _ALGORITHMS if "rsa" not in algorithm} | {"ssh-rsa"}
"""The types of the keys that these are for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of looking up an offered key.

    Attributes
    ----------
    status
        ``known``, ``unknown``, ``changed`` or ``revoked``.
    expected
        For ``changed``: the fingerprints that are on record, those of the same type first.
    reason
        Why a certificate of a trusted authority is not valid, to follow "its certificate".
    """

    status: Literal["known", "unknown", "changed", "revoked"]
    expected: tuple[str, ...] = ()
    reason: str | None = None


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
    extra_entries
        Further lines, of ``KnownHostsCommand``.
    """

    def __init__(
        self,
        user_files: Sequence[Path],
        global_files: Sequence[Path],
        *,
        hash_names: bool = False,
        extra_entries: Sequence[files.Entry] = (),
    ) -> None:
        self._user_files = tuple(user_files)
        self._global_files = tuple(global_files)
        self._hash_names = hash_names
        self._extra_entries = tuple(extra_entries)

    @classmethod
    def for_target(cls, target: Target, extra_entries: Sequence[files.Entry] = ()) -> KnownHosts:
        """Make it from the files that the ssh config names for a host."""
        return cls(
            target.user_known_hosts,
            target.global_known_hosts,
            hash_names=target.hash_known_hosts,
            extra_entries=extra_entries,
        )

    def _entries(self, *about: str) -> builtins.list[files.Entry]:
        """Read all files; only lines about these hosts, if any are named."""
        return [
            entry
            for path in (*self._user_files, *self._global_files)
            for entry in files.read_entries(path, about or None)
        ] + [*self._extra_entries]

    def lookup(self, name: str, key: bytes, *, certificate_name: str | None = None) -> Verdict:
        """Compare a key with the record, as OpenSSH does (``check_host_key``).

        Parameters
        ----------
        name
            ``host`` or ``[host]:port``.
        key
            The public key or certificate in wire form.
        certificate_name
            The name that a certificate must be valid for; None for that of ``name``.
        """
        host, port = split_name(name)
        entries = self._entries(name, host)
        verdict = _look_up(entries, name, key, certificate_name or host)
        if verdict.status == "unknown" and port != DEFAULT_PORT:
            # A host that is on record without a port is known on every port.
            without_port = _look_up(entries, host, key, certificate_name or host)
            if without_port.status in ("known", "revoked"):
                return without_port
        return verdict

    def preferred_key_types(self, name: str) -> builtins.list[str]:
        """Return the host key algorithms to ask for, those on record first (``order_hostkeyalgs``).

        With a trusted authority on record, certificates come before all else.

        Parameters
        ----------
        name
            ``host`` or ``[host]:port``.
        """
        matching = self._entries(name)
        known = {entry.key_type for entry in matching if not entry.marker}
        if "ssh-rsa" in known:
            known |= {"rsa-sha2-512", "rsa-sha2-256"}
        plain = sorted(_ALGORITHMS, key=lambda algorithm: algorithm not in known)
        if any(entry.marker == "cert-authority" for entry in matching):
            return [f"{algorithm}{CERTIFICATE_SUFFIX}" for algorithm in _ALGORITHMS] + plain
        return plain

    def list(self, candidates: Iterable[str] = ()) -> builtins.list[KnownHost]:
        """List the record for display, one entry for each name of a line.

        Parameters
        ----------
        candidates
            Names (``host`` or ``[host]:port``) to recognise hashed lines by; those that none
            of them fits are listed by their hash.
        """
        names = list(dict.fromkeys(candidates))
        found = []
        for entry in self._entries():
            for name in _shown_names(entry, names):
                host, port = split_name(name)
                found.append(
                    KnownHost(
                        host=host,
                        port=port,
                        key_type=entry.key_type,
                        fingerprint_sha256=fingerprint(entry.blob),
                        revoked=entry.marker == "revoked",
                        authority=entry.marker == "cert-authority",
                    )
                )
        return found

    def accept(self, host: str, port: int, public_key: str) -> None:
        """Append a key as OpenSSH would.

        Parameters
        ----------
        host, port
            The host as ssh keeps it.
        public_key
            ``TYPE BASE64``.

        Raises
        ------
        InvalidParameters
            It is no public key.
        SshUnavailable
            There is no file to write it to, or it cannot be written.
        """
        kind, _, encoded = public_key.strip().partition(" ")
        try:
            blob = parse_public_key(kind, encoded.strip())
        except ValueError as exc:
            raise InvalidParameters.for_field("public_key", f"{exc}.") from exc
        self.add(known_hosts_name(host, port), blob)

    def add(self, name: str, blob: bytes) -> None:
        """Append a key under a name to the first of the user's files.

        Raises
        ------
        SshUnavailable
            There is no such file, or it cannot be written.
        """
        if not self._user_files:
            raise SshUnavailable(
                "The ssh config names no file to keep host keys in (UserKnownHostsFile none)."
            )
        path = self._user_files[0]
        if any(
            entry.blob == blob and entry.names_literally(name) for entry in files.read_entries(path, [name])
        ):
            return
        shown = files.hash_name(name) if self._hash_names else name
        self._write(
            path,
            lambda: append_line(
                path, f"{shown} {public_key_line(blob)}\n".encode("utf-8", "surrogateescape")
            ),
        )

    def remove(self, host: str, port: int) -> int:
        """Remove a host from the user's files, as ``ssh-keygen -R`` does.

        Lines that mean it by a pattern, authorities and revocations stay: they are about
        more than this host.

        Parameters
        ----------
        host, port
            The host as ssh keeps it, or the hash that `list` gave.

        Returns
        -------
        int
            How many lines went.

        Raises
        ------
        SshUnavailable
            A file cannot be written.
        """
        name = host if files.is_hashed(host) else known_hosts_name(host, port)
        removed = 0

        def without(content: bytes) -> bytes:
            nonlocal removed
            lines = content.decode("utf-8", "surrogateescape").split("\n")
            kept = [line for line in lines if not _is_about(line, name)]
            removed += len(lines) - len(kept)
            return "\n".join(kept).encode("utf-8", "surrogateescape")

        for path in self._user_files:
            if path.is_file():
                self._write(path, lambda path=path: replace(path, without))  # type: ignore[misc]
        return removed

    def user_entries(self, *about: str) -> builtins.list[files.Entry]:
        """Return the lines of the user's files; only those about these hosts, if any are named."""
        return [entry for path in self._user_files for entry in files.read_entries(path, about or None)]

    def replace_host(self, name: str, keys: Sequence[bytes]) -> None:
        """Replace a host's keys in the user's files (``hostfile_replace_entries``).

        Parameters
        ----------
        name
            ``host`` or ``[host]:port``.
        keys
            In wire form; those not in the first file are added to it.

        Raises
        ------
        SshUnavailable
            A file cannot be written.
        """
        for path in self._user_files:
            wanted = list(keys) if path == self._user_files[0] else []
            if wanted or path.is_file():
                self._write(path, lambda path=path, wanted=wanted: replace(path, self._with(name, wanted)))  # type: ignore[misc]

    def _with(self, name: str, keys: builtins.list[bytes]) -> Callable[[bytes], bytes]:
        def change(content: bytes) -> bytes:
            lines = content.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
            found = [(line, _key_of(line, name)) for line in lines]
            kept = [line for line, key in found if key is None or key in keys]
            there = {key for _, key in found}
            for key in keys:
                if key not in there:
                    shown = files.hash_name(name) if self._hash_names else name
                    kept.append(f"{shown} {public_key_line(key)}")
            return "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape")

        return change

    @staticmethod
    def _write(path: Path, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as exc:
            raise SshUnavailable(
                f"The known_hosts file {path.name} cannot be written: {exc.strerror or exc}."
            ) from exc


def _look_up(entries: Sequence[files.Entry], name: str, key: bytes, certificate_name: str) -> Verdict:
    matching = [entry for entry in entries if entry.matches(name)]
    if not is_certificate(key):
        return _look_up_plain(matching, key, None)
    try:
        certificate = HostCertificate.parse(key)
    except ValueError:
        return Verdict("unknown", reason="is damaged")
    revoked = _blobs(matching, "revoked")
    if certificate.authority in revoked or certificate.plain in revoked:
        return Verdict("revoked")
    reason = None
    if certificate.authority in _blobs(matching, "cert-authority"):
        reason = certificate.why_not(certificate_name.lower())
        if reason is None:
            return Verdict("known")
    # As OpenSSH: no good certificate, then perhaps a known key.
    return _look_up_plain(matching, certificate.plain, reason)


def _look_up_plain(matching: Sequence[files.Entry], key: bytes, reason: str | None) -> Verdict:
    if key in _blobs(matching, "revoked"):
        return Verdict("revoked")
    recorded = _blobs(matching, "")
    if key in recorded:
        return Verdict("known")
    if recorded:
        recorded.sort(key=lambda blob: blob_type(blob) != blob_type(key))
        return Verdict("changed", tuple(dict.fromkeys(fingerprint(blob) for blob in recorded)), reason)
    return Verdict("unknown", reason=reason)


def _blobs(entries: Sequence[files.Entry], marker: str) -> builtins.list[bytes]:
    return [entry.blob for entry in entries if entry.marker == marker]


def known_hosts_name(host: str, port: int) -> str:
    """Return the name under which ssh keeps a host: ``host`` or ``[host]:port``."""
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def split_name(names: str) -> tuple[str, int]:
    """Split the first name of a line: ``[host]:port`` or ``host``, whose port is 22."""
    first = names.partition(",")[0]
    host, bracket, port = first.removeprefix("[").rpartition("]:")
    if first.startswith("[") and bracket and port.isdigit():
        return host, int(port)
    return first, DEFAULT_PORT


def _is_about(line: str, name: str) -> bool:
    try:
        entry = files.parse_line(line)
    except ValueError:
        return False
    return entry is not None and not entry.marker and entry.names_literally(name)


def _key_of(line: str, name: str) -> bytes | None:
    """The key of a line that is about a host; None for any other line."""
    try:
        entry = files.parse_line(line, [name])
    except ValueError:
        return None
    return None if entry is None or entry.marker else entry.blob


def _shown_names(entry: files.Entry, candidates: Sequence[str]) -> builtins.list[str]:
    if not files.is_hashed(entry.names):
        return entry.names.split(",")
    return [next((name for name in candidates if entry.matches(name)), entry.names)]
