"""How a holder talks to its viewer: small JSON exchanges over the tunnel, each proven by both sides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

from runicorn_jupyter.http1 import BadResponse, EndedEarly, Http1Connection
from runicorn_jupyter.json_text import InvalidJson, count_values, estimate_memory, read_json_object
from runicorn_jupyter.payload.guard import CONTROL_PATH, Purpose, Ticket
from runicorn_jupyter.remote.answer_lines import AnswerLines
from runicorn_jupyter.streams import END

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from types import TracebackType

    from pydantic import SecretStr

    from runicorn_jupyter.http1 import Head
    from runicorn_jupyter.remote.memory_budget import MemoryShare
    from runicorn_jupyter.streams import ByteStream

__all__ = ["Control", "NotTheViewer", "Unanswered"]

T = TypeVar("T")

MAX_ANSWER_BYTES = 262144
MAX_ANSWER_VALUES = 30000
"""Of an answer of that length; parsed, they take some MiB."""
MAX_LOOP_BYTES = 65536
"""What is parsed on the event loop at most; more of it is parsed by a thread."""
MAX_RATIO = 1032
"""Of bytes before they were compressed to those after, at most (zlib's own limit)."""
ANSWER_SECONDS = 10.0
"""A viewer whose event loop turns answers in milliseconds, on a busy machine in seconds; else it hangs."""


class NotTheViewer(ConnectionError):
    """What listens there has not proven to be our viewer, or does not talk as it does."""


class Unanswered(NotTheViewer):
    """The stream ended before the end of an answer, as it does when the viewer ends meanwhile."""


class Control:
    """One stream to the viewer, for exchanges one after the other.

    Parameters
    ----------
    stream
        A fresh tunnel to the viewer's port; closed on leaving the ``async with``.
    port
        The port that it leads to.
    secret
        The viewer's.
    timeout
        Seconds for each exchange; None waits for as long as there is no answer.
    """

    def __init__(
        self, stream: ByteStream, port: int, secret: SecretStr, timeout: float | None = ANSWER_SECONDS
    ) -> None:
        self._connection = Http1Connection(stream)
        self._port = port
        self._secret = secret
        self._timeout = timeout

    async def __aenter__(self) -> Control:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the stream."""
        self._connection.close()

    async def ended(self) -> None:
        """Wait until the other side ends the stream; not while an exchange is under way.

        Raises
        ------
        NotTheViewer
            If something is said that nobody has asked for.
        """
        if await self._connection.stream.read(1) is not END:
            raise NotTheViewer("what listens there speaks unasked")

    async def ask(
        self,
        action: str,
        *,
        max_bytes: int = MAX_ANSWER_BYTES,
        max_values: int = MAX_ANSWER_VALUES,
        memory: MemoryShare | None = None,
        **body: Any,
    ) -> dict[str, Any]:
        """Do one of the viewer's actions (see ``payload/guard.py``) and return its answer.

        Parameters
        ----------
        action
            Its name.
        max_bytes
            How long the answer may be, as it comes and when it is no longer compressed.
        max_values
            How many values it may have.
        memory
            Counts what the answer takes; for as long as the caller has it.
        **body
            What the action takes.

        Raises
        ------
        Unanswered
            If the stream ends before the end of the answer.
        NotTheViewer
            If the answer is no such viewer's; what listens there has learned nothing then.
        TimeoutError
            If there is none within the time.
        MemoryLimit
            If `memory` does not allow the answer.
        """
        async with self._exchange():
            head = await self._begin(action, body)
            answer = await self._read_body(max_bytes, memory)
        if head.get("content-encoding") == "gzip":
            most = min(max_bytes, MAX_RATIO * len(answer))
            if memory is not None:
                memory.add(most)
            size = 0 if max_bytes <= MAX_ANSWER_BYTES else most
            answer = await _beside(size, _unpacked, answer, max_bytes)
            if memory is not None:
                memory.add(len(answer) - most)
        return await _parsed(answer, max_values, memory)

    async def follow(self, action: str, **body: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Do an action that is answered bit by bit, and yield each line of the answer as it comes.

        An action that is answered at once yields that.

        Parameters
        ----------
        action, **body
            As `ask` has them; the time, and the length of an answer, are for each line.

        Raises
        ------
        NotTheViewer, TimeoutError
            As `ask` has them.
        """
        async with self._exchange():
            head = await self._begin(action, body)
        is_packed = head.get("content-encoding") == "gzip"
        lines = AnswerLines(self._connection.read_body, MAX_ANSWER_BYTES, is_packed=is_packed)
        while True:
            async with self._exchange():
                line = await lines.next()
            if line is None:
                return
            yield await _parsed(line, MAX_ANSWER_VALUES, None)

    @contextlib.asynccontextmanager
    async def _exchange(self) -> AsyncIterator[None]:
        """Bound the time of a block, and say of what goes wrong in it how it is the other side's."""
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except EndedEarly as error:
            raise Unanswered(f"what listens there ended the stream: {error}") from error
        except BadResponse as error:
            raise NotTheViewer(f"what listens there does not answer as a viewer does: {error}") from error

    async def _begin(self, action: str, body: dict[str, Any]) -> Head:
        """Ask, and return the head of an answer by which the viewer proves itself."""
        target = CONTROL_PATH + action
        secret = self._secret.get_secret_value()
        ticket = Ticket(secret, self._port, "POST", target, purpose=Purpose.CONTROL)
        headers = [("host", "viewer"), ("content-type", "application/json"), ("accept-encoding", "gzip")]
        headers.append(ticket.header)
        await self._connection.send_request("POST", target, headers, json.dumps(body).encode())
        head = await self._connection.read_head()
        if not ticket.is_proven_by(head.get):
            raise NotTheViewer("what listens there does not know the secret")
        if head.status != 200:
            raise NotTheViewer(f"the viewer refuses {action!r} with status {head.status}")
        return head

    async def _read_body(self, max_bytes: int, memory: MemoryShare | None) -> bytes:
        body = bytearray()
        while (piece := await self._connection.read_body()) is not END:
            body += piece
            if len(body) > max_bytes:
                raise NotTheViewer("the answer does not end")
            if memory is not None:
                memory.add(len(piece))
        return bytes(body)


async def _beside(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """Do what takes time in proportion to a size: beside the event loop, if it is more than a little."""
    return work(*arguments) if size <= MAX_LOOP_BYTES else await asyncio.to_thread(work, *arguments)


async def _parsed(answer: bytes, max_values: int, memory: MemoryShare | None) -> dict[str, Any]:
    if await _beside(len(answer), count_values, answer) > max_values:
        raise NotTheViewer("the answer has more values than there can be")
    if memory is not None:
        memory.add(await _beside(len(answer), estimate_memory, answer))
    return await _beside(len(answer), _json_object, answer)


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacking.decompress(body, max_bytes)
    except zlib.error as error:
        raise NotTheViewer("the answer is not what its encoding says") from error
    if not unpacking.eof:
        raise NotTheViewer("the answer does not end")
    return unpacked


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return read_json_object(body, max_size=len(body))  # bounded as it came
    except InvalidJson as error:
        raise NotTheViewer(f"the answer is no JSON of ours: {error}") from error
