"""The bytes below an SSH transport: a reader that blocks, a writer that never does.

paramiko sends from any thread that has a message and lets it wait for the socket, so
one hung TCP connection stops every caller (measured: whatever their timeout). Here ``write``
takes what the socket does not and hands it to a thread that waits in the caller's place; how much
is waiting (``backlog_bytes``) limits the streams above. ``recv`` waits without a
timeout, so an idle connection costs nothing, and ``close`` ends it from any thread.
"""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

READ_BYTES = 262144
"""One read of the socket; paramiko alone would read twice for each packet (measured: 215 → 280 MiB/s)."""

REST_SECONDS = 0.00005
"""How long the reader rests after a full read. It lets go of Python's lock at every read and takes it again
before anybody else has woken up, so the event loop would wait for it, for 5 ms (``sys.getswitchinterval``)
each time (measured: up to 20 ms of the reader's work within one request of Jupyter's, 3 ms with the rest)."""

HIGH_WATER = 262144
"""Streams stop writing while more bytes than this wait for the socket."""

LOW_WATER = 65536
"""Streams go on writing when no more bytes than this are left."""

LIMIT = 64 * 2**20
"""A peer that makes us answer more bytes than this without reading them is cut off."""


class ByteTransport(ABC):
    """Base of byte transports: backlog, closing, time of the last progress.

    Attributes
    ----------
    backlog_bytes
        Bytes that were written and not yet taken by the layer below.
    progress_at
        ``time.monotonic()`` of the last sign that the other side lives: something came, or something
        that had to wait went out.
    received_bytes, sent_bytes
        How many bytes the layer below gave and took so far.
    on_writable
        Called from any thread when the backlog has fallen to ``LOW_WATER`` bytes.
    on_drained
        Called by the reader when its buffer is empty, before it reads more.
    """

    def __init__(self, name: str = "ssh") -> None:
        self.backlog_bytes = 0
        self.progress_at = time.monotonic()
        self.received_bytes = self.sent_bytes = 0
        self.on_writable: Callable[[], None] = _nothing
        self.on_drained: Callable[[], None] = _nothing
        self._name = name
        self._buffer = b""
        self._offset = 0
        self._backlog: collections.deque[memoryview] = collections.deque()
        self._out = threading.Condition()
        self._writer: threading.Thread | None = None
        self._closed = False  # Transport.stop_thread() looks at it

    def settimeout(self, _seconds: float | None) -> None:  # noqa: B027 – nothing is what it does
        """Do nothing: paramiko asks for a wake-up ten times a second, ``close`` makes it needless."""

    def recv(self, size: int) -> bytes:
        """Wait for bytes and return at most ``size`` of them; ``b""`` at the end."""
        if self._offset >= len(self._buffer):
            self._fill(max(size, READ_BYTES))
        data = self._buffer[self._offset : self._offset + size]
        self._offset += len(data)
        return data

    def recv_all(self, size: int) -> bytes | memoryview:
        """Wait for exactly ``size`` bytes and return them, as a view where they came in one piece.

        Raises
        ------
        EOFError
            If the end comes before.
        """
        end = self._offset + size
        if end <= len(self._buffer):
            data = memoryview(self._buffer)[self._offset : end]
            self._offset = end
            return data
        parts: list[bytes | memoryview] = []
        while size:
            if self._offset >= len(self._buffer):
                self._fill(READ_BYTES)
                if not self._buffer:
                    raise EOFError
            part = memoryview(self._buffer)[self._offset : self._offset + size]
            parts.append(part)
            self._offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def _fill(self, size: int) -> None:
        """Read into the buffer, of which nothing is left; nothing is in it after the end."""
        self.on_drained()
        self._buffer, self._offset = self._receive(size), 0
        self.received_bytes += len(self._buffer)

    @property
    def address(self) -> str | None:
        """IP address of the peer; None if there is no connection to it."""
        return None

    @abstractmethod
    def _receive(self, size: int) -> bytes:
        """Wait for bytes of the layer below and return at most ``size`` of them; ``b""`` at the end."""

    @abstractmethod
    def close(self) -> None:
        """Close both directions at once; from any thread; repeated calls do nothing."""

    @abstractmethod
    def _send(self, data: memoryview) -> int:
        """Pass bytes to the layer below without waiting; return how many it took."""

    @abstractmethod
    def _wait_writable(self) -> None:
        """Wait until the layer below may take bytes again, or this is closed (writer thread)."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``, now or as soon as the layer below takes it; never waits.

        Raises
        ------
        EOFError
            If the byte transport is closed or broken.
        """
        try:
            with self._out:
                rest = memoryview(data)
                if not self._backlog:
                    rest = self._send_some(rest)
                    if not rest:
                        return
                self._backlog.append(rest)
                self.backlog_bytes += len(rest)
                self._check_open()
                if self._writer is None:  # most connections never need one
                    self._writer = threading.Thread(
                        target=self._write, name=f"{self._name}-writer", daemon=True
                    )
                    self._writer.start()
                self._out.notify()
        except EOFError:
            self.close()  # so that the reader learns of it too
            raise

    def _check_open(self) -> None:
        if self._closed or self.backlog_bytes > LIMIT:
            raise EOFError

    def _send_some(self, rest: memoryview) -> memoryview:
        while rest:
            try:
                sent = self._send(rest)
            except OSError as error:
                raise EOFError from error
            if not sent:
                break
            self.sent_bytes += sent
            rest = rest[sent:]
        return rest

    def _write(self) -> None:
        """Send waiting bytes until the byte transport is closed (writer thread).

        `on_writable` is called only from here, with no lock held: it may write to this byte transport
        again.
        """
        while True:
            with self._out:
                while not self._backlog and not self._closed:
                    self._out.wait()
                if self._closed:
                    return
            self._wait_writable()
            try:
                if self._flush():
                    self.on_writable()
            except EOFError:
                self.close()

    def _flush(self) -> bool:
        """Send waiting bytes without blocking; return whether the backlog fell to ``LOW_WATER``."""
        with self._out:
            before = self.backlog_bytes
            while self._backlog:
                rest = self._send_some(self._backlog[0])
                self.backlog_bytes -= len(self._backlog[0]) - len(rest)
                if rest:
                    self._backlog[0] = rest
                    break
                self._backlog.popleft()
            moved = self.backlog_bytes < before
            if moved:
                self.progress_at = time.monotonic()
            return moved and self.backlog_bytes <= LOW_WATER

    def _drop_backlog(self) -> None:
        with self._out:
            self._backlog.clear()
            self.backlog_bytes = 0
            self._out.notify_all()

    def join(self, timeout: float) -> None:
        """Wait until the writer thread is gone, at most so many seconds."""
        if self._writer is not None and self._writer is not threading.current_thread():
            self._writer.join(timeout)


class SocketTransport(ByteTransport):
    """A byte transport over a connected socket (TCP, or one end of a socket pair).

    The socket is closed by whichever thread leaves it last: a file descriptor that another thread still
    waits on must not be closed, its number would be given to someone else.

    Parameters
    ----------
    sock
        A connected socket; owned by this from now on.
    name
        Prefix of the threads' names.
    """

    def __init__(self, sock: socket.socket, name: str = "ssh") -> None:
        super().__init__(name)
        sock.setblocking(False)
        self._sock = sock
        self._fd = sock.fileno()
        self._users = 0
        self._guard = threading.Lock()
        self._is_tcp = sock.family in (socket.AF_INET, socket.AF_INET6)

    def getpeername(self) -> object:
        """Return the address of the other side."""
        return self._sock.getpeername()

    def _enter(self) -> bool:
        with self._guard:
            if self._closed:
                return False
            self._users += 1
            return True

    def _leave(self) -> None:
        with self._guard:
            self._users -= 1
            if self._closed and not self._users:
                self._sock.close()

    @property
    def address(self) -> str | None:
        """IP address of the peer; None for a process."""
        if self._sock.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                return str(self._sock.getpeername()[0])
        return None

    def _receive(self, size: int) -> bytes:
        if not self._enter():
            return b""
        try:
            while not self._closed:
                try:
                    data = self._sock.recv(size)
                except (BlockingIOError, InterruptedError):
                    wait_for(self._fd, write=False)
                else:
                    self.progress_at = time.monotonic()
                    self._acknowledge()
                    if len(data) == size:  # more is waiting
                        time.sleep(REST_SECONDS)
                    return data
        finally:
            self._leave()
        return b""

    def _acknowledge(self) -> None:
        """Acknowledge at once: sshd waits for it before its next small packet, 40 ms (measured)."""
        if sys.platform == "linux" and self._is_tcp:
            with contextlib.suppress(OSError):  # shut down meanwhile
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _send(self, data: memoryview) -> int:
        if not self._enter():
            raise BrokenPipeError
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        finally:
            self._leave()

    def _wait_writable(self) -> None:
        if self._enter():
            try:
                wait_for(self._fd, write=True)
            finally:
                self._leave()

    def close(self) -> None:
        """Close both directions at once; from any thread; repeated calls do nothing."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OSError):  # not connected any more: nothing to shut down
                self._sock.shutdown(socket.SHUT_RDWR)
            if not self._users:
                self._sock.close()
        self._drop_backlog()


def wait_for(fd: int, *, write: bool) -> None:
    """Wait until a descriptor is readable or writable, closed by the peer or shut down.

    Parameters
    ----------
    fd
        An open descriptor, which the caller keeps open meanwhile.
    write
        Wait until it is writable instead of readable.
    """
    if sys.platform != "win32":
        poll = select.poll()
        poll.register(fd, select.POLLOUT if write else select.POLLIN)
        poll.poll()
    elif write:
        select.select([], [fd], [fd])
    else:
        select.select([fd], [], [fd])


def _nothing() -> None:
    """Do nothing: the default of both callbacks."""
