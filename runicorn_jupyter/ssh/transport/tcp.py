"""Opens TCP connections to SSH servers: tries every address, and notices a dead peer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import aiohappyeyeballs

from runicorn_jupyter.ssh.error_mapping import no_address, no_connection
from runicorn_jupyter.ssh.threads import run_in_thread

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target
    from runicorn_jupyter.ssh.keepalive import Keepalive

HAPPY_EYEBALLS_DELAY = 0.25
"""Seconds until the next address is tried beside the last (RFC 8305, section 8)."""

TCP_RTO_MAX_MS = 44
"""Linux 6.15 and later: the longest pause between repetitions. Two minutes otherwise, and then a connection
sleeps on after the network has come back."""

NOT_SENT_BYTES = 131072
"""What the kernel may hold unsent: more would only delay keepalives and hide a stalled line."""


AddrInfo = tuple[int, int, int, str, tuple[str, int]]
"""An item of ``socket.getaddrinfo``."""


async def connect(
    target: Target,
    keepalive: Keepalive,
    addresses: Sequence[AddrInfo],
    limit_seconds: float | None = None,
) -> socket.socket:
    """Open a TCP connection to a target.

    Parameters
    ----------
    target
        The first hop.
    keepalive
        The kernel's own probes begin after its interval, and give up half as late again as the watchdog.
    addresses
        Connect to one of these and to no other, as `resolve` gave them.
    limit_seconds
        Give up after this long; None leaves it to the system, ``ConnectTimeout`` and the caller.

    Returns
    -------
    socket.socket
        Non-blocking, tuned.

    Raises
    ------
    SshUnavailable
        If the ssh config's ``BindAddress`` cannot be resolved, or no address answers.
    ConnectionTimeout
        If the system, or ``ConnectTimeout`` of the ssh config, gives up.
    """
    local = None
    if target.bind_address:
        local = await resolve(target.bind_address, 0, target.address_family)
    limits = [seconds for seconds in (target.connect_timeout, limit_seconds) if seconds]
    try:
        async with asyncio.timeout(min(limits, default=None)):
            sock = await aiohappyeyeballs.start_connection(
                addresses, local_addr_infos=local, happy_eyeballs_delay=HAPPY_EYEBALLS_DELAY
            )
    except OSError as error:
        raise no_connection(error, target) from error
    tune(sock, keepalive)
    return sock


async def resolve(name: str, port: int, family: int) -> list[AddrInfo]:
    """Return the addresses of a host, in the order in which to try them.

    Raises
    ------
    SshUnavailable
        If the name cannot be resolved.
    """
    try:
        found = await run_in_thread(socket.getaddrinfo, name, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise no_address(name) from error
    return found  # type: ignore[return-value]


def tune(sock: socket.socket, keepalive: Keepalive) -> None:
    """Set the socket's options for low latency and keepalive, as far as the system has them."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = max(1, round(keepalive.seconds))
    options = {
        "TCP_KEEPIDLE": seconds,
        "TCP_KEEPINTVL": max(1, seconds // 3),
        "TCP_KEEPCNT": 1 + keepalive.unanswered,
        "TCP_USER_TIMEOUT": round(1500 * keepalive.silence_seconds),  # milliseconds
        "TCP_NOTSENT_LOWAT": NOT_SENT_BYTES,
    }
    numbers = {getattr(socket, name): value for name, value in options.items() if hasattr(socket, name)}
    if sys.platform == "linux":
        numbers[TCP_RTO_MAX_MS] = 3000
    for number, value in numbers.items():
        with contextlib.suppress(OSError):  # an option less: the watchdog does not need them
            sock.setsockopt(socket.IPPROTO_TCP, number, value)
