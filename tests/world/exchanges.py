"""Recorded HTTP/1 responses, and the ways in which reads can cut them.

What a stream delivers depends on timing, which loopback hides: there a response mostly comes in one piece.
So each recording is replayed whole, cut at every byte boundary, and byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
FRAMES = b"\x81\x05hello\x89\x00\x82\x03\x00\xff\n"  # a text, a ping, three bytes of data


@dataclass(frozen=True)
class Exchange:
    """A response as a server sent it.

    Attributes
    ----------
    name
        Of the recording.
    response
        All bytes of it.
    status, body
        What a reader has to understand; the body is None where the response is one that cannot be passed on.
    method
        Of the request.
    closes
        Whether the server closes the connection after it.
    raw
        The bytes after a 101.
    """

    name: str
    response: bytes
    status: int = 200
    body: bytes | None = b""
    method: str = "GET"
    closes: bool = False
    raw: bytes = b""

    def __str__(self) -> str:
        return self.name


def _response(status: bytes, *lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", body])


AGREED = _response(
    b"101 Switching Protocols",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Accept: " + ACCEPT,
)

EXCHANGES = [
    Exchange("length", _response(b"200 OK", b"Content-Length: 5", body=b"hello"), body=b"hello"),
    Exchange("no-bytes", _response(b"200 OK", b"Content-Length: 0")),
    Exchange(
        "chunks",
        _response(
            b"200 OK",
            b"Transfer-Encoding: chunked",
            body=b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        ),
        body=b"hello",
    ),
    Exchange("no-chunks", _response(b"200 OK", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    Exchange("until-the-end", _response(b"200 OK", body=b"hello"), body=b"hello", closes=True),
    Exchange("until-the-end-at-once", _response(b"200 OK"), closes=True),
    Exchange("head", _response(b"200 OK", b"Content-Length: 5"), method="HEAD"),
    Exchange("not-modified", _response(b"304 Not Modified", b'ETag: "1"', b"Content-Length: 5"), status=304),
    Exchange("no-content", _response(b"204 No Content"), status=204),
    Exchange(
        "interim",
        _response(b"103 Early Hints", b"Link: </a.js>")
        + _response(b"200 OK", b"Content-Length: 2", body=b"{}"),
        body=b"{}",
    ),
    Exchange(
        "early-close", _response(b"200 OK", b"Content-Length: 9", body=b"hello"), body=None, closes=True
    ),
    Exchange(
        "early-close-in-a-chunk",
        _response(b"200 OK", b"Transfer-Encoding: chunked", body=b"9\r\nhello"),
        body=None,
        closes=True,
    ),
    Exchange("websocket", AGREED + FRAMES, status=101, raw=FRAMES),
    Exchange("silent-websocket", AGREED, status=101),
]


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """Yield the ways to cut ``data`` into reads: whole, at each byte boundary, and into single bytes."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[at : at + 1] for at in range(len(data))]
