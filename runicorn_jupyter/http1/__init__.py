"""An HTTP/1.1 client over any byte stream, for the proxy and a viewer's control channel."""

from runicorn_jupyter.http1.connection import (
    MAX_HEAD_BYTES,
    SWITCHING_PROTOCOLS,
    BadResponse,
    ClosedEarly,
    EndedEarly,
    Head,
    Http1Connection,
)

__all__ = [
    "MAX_HEAD_BYTES",
    "SWITCHING_PROTOCOLS",
    "BadResponse",
    "ClosedEarly",
    "EndedEarly",
    "Head",
    "Http1Connection",
]
