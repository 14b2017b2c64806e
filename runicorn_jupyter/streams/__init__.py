"""Byte streams: the one protocol that all layers share, and the value that ends a stream.

``memory`` is a stream without a network below it, for tests.
"""

from runicorn_jupyter.streams.base import END, ByteStream, End, PumpStream

__all__ = ["END", "ByteStream", "End", "PumpStream"]
