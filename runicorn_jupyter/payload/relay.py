"""What runs on the other side where its sshd forwards no TCP: many streams over one command's stdio.

`relay` sends this file's text to whatever Python the remote has (3.8 or later), so it imports nothing of
ours. A frame is a stream's number, a kind and a length, in network byte order, and as many bytes. Each
side may send ``WINDOW`` bytes of a stream beyond what the other has passed on and said so (``ADJUST``), so
a reader that stalls holds that much and stops nobody else. A stream lasts until our side closes it.
"""

from __future__ import annotations

import collections
import json
import os
import select
import socket
import struct
import subprocess
import threading
from typing import TYPE_CHECKING, Any

HEAD = struct.Struct(">IBI")
WINDOW = 1 << 20
PIECE = 1 << 16

OPEN, DATA, EOF, CLOSE, ADJUST, FAILED, EXIT = range(7)
"""OPEN says where to (JSON), its answer is OPEN or FAILED; EXIT tells how a command ended (JSON)."""

ERROR_BYTES = 1 << 16
"""So much of what a command prints to its standard error is kept."""

if TYPE_CHECKING:
    News = socket.socket | tuple[int, bytes]


class Stream:
    """A TCP connection, or a command's standard input and output; without a socket until it is there."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sock: Any = None
        self.out: collections.deque[memoryview] = collections.deque()
        self.credit = WINDOW
        self.reading = True
        self.ending = False


class RelayServer:
    """Moves bytes between the streams and our own standard input and output, on one thread."""

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.news: collections.deque[tuple[int, News]] = collections.deque()
        self.woken, self.waker = os.pipe()
        self.buffer = bytearray()

    def serve(self) -> None:
        """Serve until our standard input ends or nobody reads our output."""
        while True:
            poll, by_fd = select.poll(), {}
            poll.register(0, select.POLLIN)
            poll.register(1, 0)
            poll.register(self.woken, select.POLLIN)
            for stream in self.streams.values():
                wanted = select.POLLIN if stream.reading and stream.credit > 0 else 0
                wanted |= select.POLLOUT if stream.out else 0
                if stream.sock is not None and wanted:
                    poll.register(stream.sock, wanted)
                    by_fd[stream.sock.fileno()] = stream
            for fd, event in poll.poll():
                if fd == 1 or (fd == 0 and not self.take(os.read(0, 4 * PIECE))):
                    os._exit(0)
                elif fd == self.woken:
                    os.read(fd, PIECE)
                    self.note()
                elif fd in by_fd and by_fd[fd].number in self.streams:
                    self.move(by_fd[fd], event)

    def send(self, number: int, kind: int, data: bytes = b"") -> None:
        """Send a frame; waits for the line, which our side always reads."""
        rest = memoryview(HEAD.pack(number, kind, len(data)) + data)
        while rest:
            rest = rest[os.write(1, rest) :]

    def take(self, data: bytes) -> bool:
        """Take what came; tell whether there was anything."""
        self.buffer += data
        while len(self.buffer) >= HEAD.size:
            number, kind, size = HEAD.unpack_from(self.buffer)
            end = HEAD.size + size
            if len(self.buffer) < end:
                break
            body = bytes(self.buffer[HEAD.size : end])
            del self.buffer[:end]
            self.obey(number, kind, body)
        return bool(data)

    def obey(self, number: int, kind: int, body: bytes) -> None:
        """Act on a frame; one for a stream that is gone is late, and means nothing."""
        if kind == OPEN:
            self.streams[number] = Stream(number)
            threading.Thread(target=self.make, args=(number, json.loads(body.decode())), daemon=True).start()
        stream = self.streams.get(number)
        if stream is None:
            return
        if kind == DATA:
            stream.out.append(memoryview(body))
            self.flush(stream)
        elif kind == EOF:
            stream.ending = True
            self.flush(stream)
        elif kind == ADJUST:
            stream.credit += int.from_bytes(body, "big")
        elif kind == CLOSE:
            self.drop(stream)

    def make(self, number: int, what: dict[str, Any]) -> None:
        """Connect, or run a command (a thread of its own, for both may take long)."""
        if "command" in what:
            self.run(number, what["command"])
            return
        try:
            made: News = socket.create_connection((what["host"], what["port"]), what["timeout"])
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[union-attr]
        except ConnectionRefusedError:
            made = FAILED, b"refused"
        except OSError:
            made = FAILED, b"failed"
        self.tell(number, made)

    def run(self, number: int, command: str) -> None:
        """Run a command as sshd would, in the user's shell, and wait for its end."""
        ours, theirs = socket.socketpair()
        shell = os.environ.get("SHELL") or "/bin/sh"
        try:
            process = subprocess.Popen(
                [shell, "-c", command], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.PIPE
            )
        except OSError:
            self.tell(number, (FAILED, b"failed"))
            return
        theirs.close()
        self.tell(number, ours)
        errors: collections.deque[bytes] = collections.deque()
        thread = threading.Thread(target=self.collect, args=(process.stderr, errors), daemon=True)
        thread.start()
        status = process.wait()
        thread.join(1)  # a child of it that stays may hold it open for ever
        said = b"".join(errors)[-ERROR_BYTES:].decode("utf-8", "replace")
        self.tell(number, (EXIT, json.dumps({"status": status, "errors": said}).encode()))

    def collect(self, pipe: Any, errors: collections.deque[bytes]) -> None:
        """Read what a command prints to its standard error, and keep the end of it."""
        data = pipe.read1(PIECE)
        while data:
            errors.append(data)
            while len(errors) > 1 and sum(map(len, errors)) > 2 * ERROR_BYTES:
                errors.popleft()
            data = pipe.read1(PIECE)

    def tell(self, number: int, news: News) -> None:
        """Hand something to the thread that serves."""
        self.news.append((number, news))
        os.write(self.waker, b".")

    def note(self) -> None:
        """Take what the other threads made."""
        while self.news:
            number, news = self.news.popleft()
            stream = self.streams.get(number)
            if isinstance(news, tuple):
                if stream is not None:
                    self.send(number, *news)
            elif stream is None:
                news.close()
            else:
                news.setblocking(False)
                stream.sock = news
                self.send(number, OPEN)
                self.flush(stream)

    def flush(self, stream: Stream) -> None:
        """Pass on what came for a stream, as far as it goes, and say how far."""
        if stream.sock is None:
            return
        moved = 0
        try:
            while stream.out:
                size = stream.sock.send(stream.out[0])
                moved += size
                stream.out[0] = stream.out[0][size:]
                if not stream.out[0]:
                    stream.out.popleft()
            if stream.ending:
                stream.ending = False
                stream.sock.shutdown(socket.SHUT_WR)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.send(stream.number, CLOSE)
            self.drop(stream)
            return
        if moved:
            self.send(stream.number, ADJUST, moved.to_bytes(4, "big"))

    def move(self, stream: Stream, event: int) -> None:
        """Pass on what a stream can take and has."""
        if event & select.POLLOUT:
            self.flush(stream)
        if not event & ~select.POLLOUT or not stream.reading or stream.credit <= 0:
            return
        try:
            data = stream.sock.recv(min(PIECE, stream.credit))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        stream.credit -= len(data)
        stream.reading = bool(data)
        self.send(stream.number, DATA if data else EOF, data)

    def drop(self, stream: Stream) -> None:
        """Forget a stream."""
        del self.streams[stream.number]
        if stream.sock is not None:
            stream.sock.close()


def main(mark: str) -> None:
    """Say that we are there, and serve."""
    relay = RelayServer()
    os.write(1, ("%s ready\n" % mark).encode())
    relay.serve()
