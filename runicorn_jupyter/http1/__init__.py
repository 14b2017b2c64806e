"""HTTP/1.1 as a client over any byte stream: what the proxy and the control channel of a viewer speak."""

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
