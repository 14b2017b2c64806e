"""The socket at a ``ControlPath``: whether it is the user's own, and connecting to it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable

from runicorn_jupyter.ssh.threads import run_in_thread

__all__ = ["ForeignSocket", "connect_to", "is_supported", "readable", "send_descriptor", "writable"]

SOL_LOCAL, LOCAL_PEERCRED, XUCRED = 0, 1, "=II"
"""macOS and FreeBSD tell the peer's user id in the second number of this answer."""


class ForeignSocket(Exception):
    """The socket may be another user's, or others may connect to it; the text says why."""


def is_supported() -> bool:
    """Return whether this system can hand descriptors to a master."""
    return hasattr(socket, "AF_UNIX") and hasattr(socket, "send_fds")


async def connect_to(path: str) -> socket.socket:
    """Connect to a control socket that is this user's alone; the caller limits the time.

    Parameters
    ----------
    path
        The expanded ``ControlPath``.

    Returns
    -------
    socket.socket
        Connected; it does not block.

    Raises
    ------
    FileNotFoundError
        If there is no such socket.
    ForeignSocket
        If it, or the process behind it, may be another user's.
    OSError
        If nothing listens there.
    """
    if sys.platform == "win32":
        raise ForeignSocket("Windows cannot tell whose it is")
    info = await run_in_thread(os.stat, path)
    if not stat.S_ISSOCK(info.st_mode):
        raise ForeignSocket("it is no socket")
    if info.st_uid != os.geteuid():
        raise ForeignSocket("it belongs to another user")
    if info.st_mode & 0o077:
        raise ForeignSocket("other users may connect to it")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # One with a full queue refuses at once, which is an answer as well.
        sock.connect(path)
        _check_peer(sock)  # the path may lead elsewhere by now
    except BaseException:
        sock.close()
        raise
    return sock


def _check_peer(sock: socket.socket) -> None:
    if sys.platform != "win32" and _peer_uid(sock) != os.geteuid():
        raise ForeignSocket("the process behind it belongs to another user")


def _peer_uid(sock: socket.socket) -> int:
    """Return the user id of the process that listens at the other end."""
    if hasattr(socket, "SO_PEERCRED"):
        _pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(uid)
    _version, uid = struct.unpack(XUCRED, sock.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, struct.calcsize(XUCRED)))
    return int(uid)


async def send_descriptor(sock: socket.socket, descriptor: int) -> None:
    """Hand a descriptor to the process at the other end, as soon as it takes one.

    Raises
    ------
    OSError
        It cannot be handed over.
    """
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "Windows hands no descriptors over")
    while True:
        try:
            socket.send_fds(sock, [b"\0"], [descriptor])
        except BlockingIOError:
            await writable(sock)
        else:
            return


async def readable(sock: socket.socket) -> None:
    """Wait until a socket can be read; nothing else may wait for that meanwhile."""
    loop = asyncio.get_running_loop()
    await _until(lambda wake: loop.add_reader(sock, wake), lambda: loop.remove_reader(sock))


async def writable(sock: socket.socket) -> None:
    """Wait until a socket can be written; nothing else may wait for that meanwhile."""
    loop = asyncio.get_running_loop()
    await _until(lambda wake: loop.add_writer(sock, wake), lambda: loop.remove_writer(sock))


async def _until(add: Callable[[Callable[[], None]], object], remove: Callable[[], object]) -> None:
    # Unlike sock_recv this stops watching at once when it is cancelled: the socket is closed then.
    came = asyncio.Event()
    add(came.set)
    try:
        await came.wait()
    finally:
        remove()
