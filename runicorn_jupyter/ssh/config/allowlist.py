"""The administrator's ``allowed_hosts``: rules for hosts that may be connected to.

A rule is a name, a pattern of names, an address or a network, each with or without a port. Names are
those that the ssh config leads to (its ``HostName``), never aliases; addresses are those that are
really connected to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from runicorn_jupyter.ssh.config.patterns import matches

__all__ = ["ANY_HOST", "AllowedHosts"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAME = re.compile(r"[a-z0-9_*?-]+(\.[a-z0-9_*?-]+)*")
_NUMERIC = re.compile(r"(0x[0-9a-f*?]*|[0-9*?]+)")


@dataclass(frozen=True, slots=True)
class _Rule:
    labels: tuple[str, ...] | None
    network: _Network | None
    port: int | None

    def is_for(self, port: int) -> bool:
        return self.port is None or self.port == port


class AllowedHosts:
    """The rules of ``allowed_hosts``; no rule allows every host.

    Parameters
    ----------
    entries
        ``gpu1.example``, ``*.cluster.example`` (a leading ``*`` stands for one label or more, elsewhere
        ``*`` and ``?`` stay within a label), ``*`` (every host), ``192.0.2.7``, ``10.0.0.0/8``,
        ``10.*``, ``fd00::/8``; each with a port if need be: ``*.example:22``, ``[fd00::/8]:22``.

    Raises
    ------
    ValueError
        With a sentence, for an entry that is none of these. Nothing is guessed: what an
        administrator mistypes must not let anybody through.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._rules = tuple(_parse(entry) for entry in entries)

    def __bool__(self) -> bool:
        """Return whether there are rules at all."""
        return bool(self._rules)

    @property
    def has_networks(self) -> bool:
        """Whether any rule is about addresses."""
        return any(rule.network is not None for rule in self._rules)

    def allows_name(self, hostname: str, port: int) -> bool:
        """Return whether a host is allowed by name, at any address.

        Parameters
        ----------
        hostname
            As the ssh config resolves it.
        port
            TCP port there.
        """
        if not self._rules:
            return True
        labels = hostname.lower().removesuffix(".").split(".")
        return any(
            rule.labels is not None and rule.is_for(port) and _matches(labels, rule.labels)
            for rule in self._rules
        )

    def allows_address(self, address: str, port: int) -> bool:
        """Return whether an address is allowed, under any name.

        Parameters
        ----------
        address
            An IPv4 or IPv6 address as ``getaddrinfo`` writes it.
        port
            TCP port there.
        """
        if not self._rules:
            return True
        plain = _plain(address)
        return plain is not None and any(
            rule.network is not None and rule.is_for(port) and plain in rule.network for rule in self._rules
        )


ANY_HOST = AllowedHosts()
"""No rules: the default of the ``allowed_hosts`` traitlet."""


def _plain(address: str) -> _Address | None:
    """Read an address; one that IPv6 only wraps is the IPv4 address that it reaches."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _matches(labels: list[str], rule: tuple[str, ...]) -> bool:
    if rule == ("*",):
        return True
    if re.fullmatch("0x[0-9a-f]*|[0-9]+", labels[-1]):
        return False  # an address in one of the forms that the C library takes, such as 2130706433
    if rule[0] == "*":
        rest = rule[1:]
        if len(labels) <= len(rest) or not all(labels):
            return False
        labels = labels[-len(rest) :]
    else:
        rest = rule
    return len(labels) == len(rest) and all(matches(*pair) for pair in zip(labels, rest, strict=True))


def _parse(entry: str) -> _Rule:
    text = entry.strip().lower()
    host, port = _split(text, entry)
    network = _network(host)
    if network is not None:
        return _Rule(None, network, port)
    labels = tuple(host.removesuffix(".").split("."))
    # The last label of a name holds a letter: anything else was meant for an address, or is too wide.
    if host != "*" and (not _NAME.fullmatch(host.removesuffix(".")) or _NUMERIC.fullmatch(labels[-1])):
        raise ValueError(
            f"{entry!r} is no host name, pattern such as *.cluster.example, address, or network such as"
            " 10.0.0.0/8, each optionally with :port"
        )
    return _Rule(labels, None, port)


def _split(text: str, entry: str) -> tuple[str, int | None]:
    """Part the port from the rest; an IPv6 address that has one is in brackets."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError(f"{entry!r}: brackets are for an IPv6 address or network, as in [fd00::/8]:22")
        port = rest[1:] if rest else None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, None
    if port is None:
        return host, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError(f"{entry!r}: the port is no number from 1 to 65535")
    return host, int(port)


def _network(host: str) -> _Network | None:
    """Read an address, a network, or ``10.*``; None if it is a name."""
    labels = host.split(".")
    fixed = [label for label in labels if label != "*"]
    if "*" in labels and fixed and len(labels) <= 4 and all(label.isdecimal() for label in fixed):
        if labels[: len(fixed)] != fixed:
            return None
        host = ".".join([*fixed, *["0"] * (4 - len(fixed))]) + f"/{8 * len(fixed)}"
    try:
        # Strict: 10.0.0.1/8 is a mistake, and which one nobody can tell.
        found = ipaddress.ip_network(host)
    except ValueError:
        return None
    return found
