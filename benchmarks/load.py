"""The clients, in a process of their own so that they share no interpreter with what they measure.

    python -m benchmarks.load '{"mode": "requests", "url": …, "headers": {…}, "clients": 8, "seconds": 3}'

Prints JSON. ``requests``: keep-alive clients that ask one after the other; answers a second, and the
latencies' p50 and p99 in ms. ``download``: so many streams of one file at the same time; MiB/s of all.
``download_on``: the same as load for something else, until it is ended. ``worst``: each of many requests
again and again, whatever the answers are, until it is ended.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks import places

MIB = 2**20


class Client:
    """One HTTP/1.1 connection, kept open as long as the server does, with little between us and the socket.

    Parameters
    ----------
    url
        What it asks for.
    headers
        What it sends besides ``Host``.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._address = (parts.hostname, parts.port or 80)
        self._connect()
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._buffer = bytearray(MIB)

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._is_last = False

    def get(self) -> int:
        """Ask once and read the whole answer, which has to be a 200; return the bytes of its body."""
        if self._is_last:
            self.close()
            self._connect()
        self._socket.sendall(self._request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        head, _, body = head.partition(b"\r\n\r\n")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        if head.split(b" ", 2)[1] != b"200":
            raise RuntimeError(f"not a 200: {head[:300]!r} {body[:300]!r}")
        self._is_last = fields.get(b"connection", b"").lower() == b"close"
        if b"content-length" in fields:
            return self._read_rest(len(body), int(fields[b"content-length"]))
        return self._read_chunks(body)

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection within an answer")
        return data

    def _read_rest(self, got: int, length: int) -> int:
        while got < length:
            count = self._socket.recv_into(self._buffer, min(length - got, MIB))
            if not count:
                raise ConnectionError(f"the answer ended after {got} of {length} bytes")
            got += count
        return length

    def _read_chunks(self, data: bytes) -> int:
        """Read a chunked body (RFC 9112, 7.1), of which ``data`` is the beginning."""
        total = 0
        while True:
            while b"\r\n" not in data:
                data += self._receive()
            line, _, data = data.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            if len(data) < size + 2:
                self._read_rest(len(data), size)
                data = b""
                while len(data) < 2:
                    data += self._socket.recv(2 - len(data))
            else:
                data = data[size:]
            data = data[2:]
            if size == 0:
                return total
            total += size

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _each(count: int, work: Callable[[int], None]) -> None:
    """Run ``work(number)`` in so many threads and wait; the first failure is raised."""
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except (OSError, RuntimeError) as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def requests(url: str, headers: dict[str, str], clients: int, seconds: float) -> dict[str, float]:
    """Ask with so many clients for so long; see the module."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    started = time.perf_counter()
    end = started + seconds

    def ask(number: int) -> None:
        client = Client(url, headers)
        client.get()  # the first pays for the connection
        before = 0.0
        while before < end:  # at least once, however long it takes
            before = time.perf_counter()
            client.get()
            latencies[number].append(time.perf_counter() - before)
        client.close()

    _each(clients, ask)
    taken = time.perf_counter() - started
    everything = sorted(latency * 1000 for one in latencies for latency in one)
    return {
        "per_second": len(everything) / taken,
        "p50_ms": statistics.median(everything),
        "p99_ms": everything[int(len(everything) * 0.99)],
    }


def download(url: str, headers: dict[str, str], streams: int) -> dict[str, float]:
    """Download with so many streams at once; see the module."""
    sizes = [0] * streams
    clients = [Client(url, headers) for _ in range(streams)]
    started = time.perf_counter()

    def fetch(number: int) -> None:
        sizes[number] = clients[number].get()

    _each(streams, fetch)
    taken = time.perf_counter() - started
    return {"mib_per_second": sum(sizes) / MIB / taken}


def download_on(url: str, headers: dict[str, str], streams: int) -> dict[str, float]:
    """Download with so many streams again and again until the process is ended; tells when all have begun."""
    begun = threading.Barrier(streams, action=lambda: print("started", flush=True))

    def fetch(_: int) -> None:
        client = Client(url, headers)
        begun.wait()
        while True:
            client.get()

    _each(streams, fetch)
    return {}


def worst(asked: list[dict[str, Any]]) -> dict[str, float]:
    """Send each request (``method``, ``url``, ``headers``, ``body``) on and on; tells when each was sent."""
    begun = threading.Barrier(len(asked), action=lambda: print("started", flush=True))

    def send(number: int) -> None:
        request = asked[number]
        parts = urlsplit(request["url"])
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        is_first = True
        while True:
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
            try:
                connection.request(request["method"], target, request.get("body"), request["headers"])
                if is_first:
                    begun.wait()
                    is_first = False
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                continue  # refused, or cut off: on and on
            finally:
                connection.close()

    _each(len(asked), send)
    return {}


MODES: dict[str, Callable[..., dict[str, float]]] = {
    "requests": requests,
    "download": download,
    "download_on": download_on,
    "worst": worst,
}


def _command(mode: str, options: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.load", json.dumps({"mode": mode, **options})]


def run(mode: str, **options: Any) -> dict[str, float]:
    """Run a mode in a process of its own and return what it printed."""
    done = subprocess.run(_command(mode, options), check=True, stdout=subprocess.PIPE, timeout=300)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


@contextmanager
def running(mode: str, cores: set[int] | None = None, **options: Any) -> Iterator[None]:
    """Keep a mode that goes on without end running as long as the block does, as load for what is measured.

    Parameters
    ----------
    mode, options
        As the module has them.
    cores
        Where it runs; None: anywhere.
    """
    process = subprocess.Popen(_command(mode, options), stdout=subprocess.PIPE)
    try:
        if cores:
            places.place(process.pid, cores)
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        yield
        assert process.poll() is None, "the load ended before the measurement"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(MODES[asked.pop("mode")](**asked)))
