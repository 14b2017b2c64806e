"""``UpdateHostKeys``: records further keys of a known host, and drops old ones (OpenSSH's PROTOCOL, 2.5).

After authentication a server announces all its host keys. Those that are new are recorded once it has
proven, by a signature, that it has them; those on record that it has no more are forgotten. So a
server may change its keys without a question to anybody. As OpenSSH (``client_input_hostkeys``), nothing
is touched where a person has written something that this does not understand: patterns, authorities,
revocations, or the same key under other names.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.ssh.hostkeys.known_hosts import KEY_TYPES, KnownHosts
from runicorn_jupyter.ssh.hostkeys.known_hosts_file import Entry, is_hashed
from runicorn_jupyter.ssh.hostkeys.signatures import is_signed
from runicorn_jupyter.ssh.wire_format import Reader, blob_type, fingerprint

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target
    from runicorn_jupyter.ssh.transport.transport import SshTransport

__all__ = ["Changes", "HostKeyUpdate", "compare"]

log = logging.getLogger(__name__)

_PROVE = "hostkeys-prove-00@openssh.com"


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes to the recorded keys of one host.

    Attributes
    ----------
    keys
        All keys of the host, in wire form.
    new, old
        Those of them that are not on record; those on record that it has no more.
    """

    keys: tuple[bytes, ...]
    new: tuple[bytes, ...]
    old: tuple[bytes, ...]


def compare(entries: Sequence[Entry], name: str, key: bytes, offered: Sequence[bytes]) -> Changes | None:
    """Compare a host's keys with the user's files.

    Parameters
    ----------
    entries
        All lines of the user's files.
    name
        ``host`` or ``[host]:port``.
    key
        The key that the host has proven to have, in wire form; it must be on record itself.
    offered
        The keys that the host announces.

    Returns
    -------
    Changes or None
        None if there is nothing to do, or something that a person should do.
    """
    keys = tuple(key for key in offered if blob_type(key) in KEY_TYPES)
    if len(set(keys)) != len(keys):
        return None
    own = [entry for entry in entries if entry.matches(name)]
    others = {entry.blob for entry in entries if not entry.matches(name)}
    recorded = {entry.blob for entry in own}
    new = tuple(key for key in keys if key not in recorded)
    old = tuple(blob for blob in recorded if blob not in keys and blob_type(blob) in KEY_TYPES)
    if key not in recorded or not (new or old) or others & {*keys, *old} or any(map(_is_a_persons, own)):
        return None
    return Changes(keys, new, old)


def _is_a_persons(entry: Entry) -> bool:
    """Return whether a person wrote the line, as ssh never would (``hostspec_is_complex``)."""
    names = entry.names
    return bool(entry.marker) or (
        not is_hashed(names) and ("*" in names or "?" in names or names.count(",") > 1)
    )


class HostKeyUpdate:
    """The update of the recorded host keys by one connection.

    Parameters
    ----------
    target
        The host.
    key
        Its key in this connection, in wire form, which was verified.
    transport
        The connection, authenticated.
    """

    def __init__(self, target: Target, key: bytes, transport: SshTransport) -> None:
        self._target = target
        self._name = target.known_hosts_name
        self._key = key
        self._transport = transport
        self._known = KnownHosts(target.user_known_hosts, (), hash_names=target.hash_known_hosts)

    def listen(self) -> None:
        """Start the update with the keys that the server has announced, or announces later."""
        self._transport.hear_host_keys(lambda keys: self._in_thread(self._compare, keys))

    def _in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run a function in a thread: files and locks may be slow."""

        def work() -> None:
            try:
                function(*arguments)
            except (RemoteError, OSError, ValueError) as exc:
                log.warning("%s: its host keys were not updated: %s", self._target.asked, exc)

        threading.Thread(target=work, name="ssh-host-keys", daemon=True).start()

    def _compare(self, offered: list[bytes]) -> None:
        # Mostly there is nothing to do, and no need to decode all keys of a large file.
        if compare(self._known.user_entries(self._name), self._name, self._key, offered) is None:
            return
        changes = compare(self._known.user_entries(), self._name, self._key, offered)
        if changes is None:
            return
        if not changes.new:
            self._write(changes)
            return
        body = b"".join(_string(key) for key in changes.new)
        self._transport.ask_for(_PROVE, body, lambda answer: self._in_thread(self._prove, changes, answer))

    def _prove(self, changes: Changes, answer: bytes | None) -> None:
        if answer is None:
            raise ValueError("the server does not prove that it has them")
        reader = Reader(answer)
        session_id: bytes = self._transport.session_id  # type: ignore[assignment]
        for key in changes.new:
            signed = _string(_PROVE.encode()) + _string(session_id) + _string(key)
            if not is_signed(key, signed, reader.string()):
                raise ValueError(f"the server does not prove that it has {fingerprint(key)}")
        self._write(changes)

    def _write(self, changes: Changes) -> None:
        self._known.replace_host(self._name, changes.keys)
        for what, keys in (("learned", changes.new), ("forgot", changes.old)):
            for key in keys:
                log.info("%s: %s its host key %s", self._target.asked, what, fingerprint(key))


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
