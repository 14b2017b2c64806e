"""Compares a host's key with the one on record, before authentication."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal

import paramiko

from runicorn_jupyter.errors import HostKeyChanged, HostKeyUnknown
from runicorn_jupyter.models import HostKey
from runicorn_jupyter.ssh.hostkeys.known_hosts import KnownHosts, Verdict, known_hosts_name, split_name
from runicorn_jupyter.ssh.hostkeys.known_hosts_file import Entry
from runicorn_jupyter.ssh.hostkeys.revoked import is_revoked
from runicorn_jupyter.ssh.wire_format import blob_type, fingerprint, public_key_line

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.resolver import Target

__all__ = [
    "KnownHosts",
    "OfferedKeys",
    "Policy",
    "Verdict",
    "fingerprint",
    "known_hosts_name",
    "split_name",
    "verify",
    "wire_form",
]

Policy = Literal["ask", "accept-new", "strict"]


def wire_form(key: paramiko.PKey) -> bytes:
    """Return what a host offered: its certificate if it has one, else its key."""
    public_blob = getattr(key, "public_blob", None)
    return key.asbytes() if public_blob is None else bytes(public_blob.key_blob)


def verify(
    target: Target,
    key: paramiko.PKey,
    policy: Policy,
    *,
    address: str | None = None,
    extra_entries: Sequence[Entry] = (),
) -> None:
    """Check a host's key against the record; raise if it is not the recorded one.

    Parameters
    ----------
    target
        The host.
    key
        What the server proved to have in the key exchange.
    policy
        Policy for an unknown key: ``ask`` and ``strict`` refuse it,
        ``accept-new`` records it. Under ``ask`` the user's own ``StrictHostKeyChecking`` for
        this host decides, as with ssh; its ``yes`` counts under ``accept-new`` too.
    address
        The host's address, where it is connected to directly.
    extra_entries
        What ``KnownHostsCommand`` knows of it.

    Raises
    ------
    HostKeyUnknown
        Nothing is on record; ``details.host_key`` is what was offered.
    HostKeyChanged
        Another key is on record, or this one is revoked.
    SshUnavailable
        A file that has to be read or written cannot be.
    """
    plain, offered = key.asbytes(), wire_form(key)
    known = KnownHosts.for_target(target, extra_entries)
    name = target.known_hosts_name
    if is_revoked(plain, target.revoked_host_keys):
        raise _revoked(target, plain)
    if _needs_no_key(target, policy, address):
        return
    verdict = known.lookup(name, offered, certificate_name=target.host_key_alias or target.hostname)
    if verdict.status == "revoked":
        raise _revoked(target, plain)
    if verdict.status != "changed" and offered == plain:
        _check_address(target, plain, known, address, host_known=verdict.status == "known")
    if verdict.status == "known":
        return
    note = f" Its certificate {verdict.reason}." if verdict.reason else ""
    if verdict.status == "changed":
        raise HostKeyChanged(
            f"The key of {target.asked} has changed: it offers {fingerprint(plain)}, on record is "
            f"{verdict.expected[0]}. Someone may be listening in. If you know why it changed, remove the "
            f"old key first.{note}",
            host_key=_describe(target, plain, verdict.expected[0]),
        )
    effective = _effective(policy, target.strict_host_key_checking)
    if effective == "accept-new":
        known.add(name, plain)
        return
    what_to_do = (
        "and unknown keys are not accepted here (strict): add it to known_hosts first."
        if effective == "strict"
        else "Compare its fingerprint with what you know of that host before you accept it."
    )
    raise HostKeyUnknown(
        f"The key of {target.asked} ({fingerprint(plain)}) is not known yet. {what_to_do}{note}"
        if effective == "ask"
        else f"The key of {target.asked} ({fingerprint(plain)}) is not known, {what_to_do}{note}",
        host_key=_describe(target, plain, None),
    )


def _revoked(target: Target, plain: bytes) -> HostKeyChanged:
    return HostKeyChanged(
        f"The key of {target.asked} ({fingerprint(plain)}) is marked as revoked, "
        "so it is not trusted any more: ask who runs that host.",
        host_key=_describe(target, plain, None),
    )


def _needs_no_key(target: Target, policy: Policy, address: str | None) -> bool:
    """Return whether ``NoHostAuthenticationForLocalhost`` applies; never under a strict administrator."""
    wanted = target.no_host_authentication_for_localhost and target.host_key_alias is None
    return wanted and policy != "strict" and _is_loopback(address)


def _is_loopback(address: str | None) -> bool:
    return address is not None and ip_address(address.partition("%")[0]).is_loopback


def _check_address(
    target: Target, plain: bytes, known: KnownHosts, address: str | None, *, host_known: bool
) -> None:
    """Check the address's record (``CheckHostIP``): raise at another key, add a missing one."""
    if not target.check_host_ip or address is None or _is_loopback(address) or address == target.hostname:
        return
    name = known_hosts_name(address, target.port)
    verdict = known.lookup(name, plain)
    if verdict.status == "revoked":
        raise _revoked(target, plain)
    if verdict.status == "changed":
        raise HostKeyChanged(
            f"The key of {target.asked} ({fingerprint(plain)}) is not the one on record for its address "
            f"{address}, {verdict.expected[0]}. Someone may be listening in, or the address belongs to "
            "another host now: remove the address from known_hosts then.",
            host_key=_describe(target, plain, verdict.expected[0]),
        )
    if verdict.status == "unknown" and host_known and target.user_known_hosts:
        known.add(name, plain)


def _effective(policy: Policy, config: str) -> Policy:
    """Return the policy that follows from the administrator's and the user's config."""
    if policy == "strict" or config == "yes":
        return "strict"
    if policy == "accept-new" or config in ("accept-new", "no"):
        return "accept-new"  # "no" would let changed keys pass too, which we never do
    return "ask"


def _describe(target: Target, blob: bytes, expected: str | None) -> dict[str, Any]:
    return HostKey(
        host=target.asked,
        port=target.port,
        key_type=blob_type(blob),
        fingerprint_sha256=fingerprint(blob),
        public_key=public_key_line(blob),
        expected_fingerprint_sha256=expected,
    ).model_dump()


class OfferedKeys:
    """Unknown keys that hosts have offered; only those may be accepted afterwards.

    Parameters
    ----------
    size
        How many are remembered; the oldest go first.
    """

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
        """Return whether a host offered exactly this key."""
        with self._lock:
            return (host, port, public_key) in self._keys
