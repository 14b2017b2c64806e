"""Endpoint: how the proxy reaches a remote viewer, and the protocols that it needs of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runicorn_jupyter.proxy.local_storage import ViewerStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runicorn_jupyter.models import Environment
    from runicorn_jupyter.streams import ByteStream


class ConnectionView(Protocol):
    """The part of an SSH connection that the proxy uses."""

    @property
    def way(self) -> Sequence[tuple[str, str, int, str]]:
        """User, address, port and host key of each hop of the present connection."""


class Ticket(Protocol):
    """Authenticates one request to the viewer, and the viewer's answer to it."""

    @property
    def header(self) -> tuple[str, str]:
        """Name and value of the header to send."""

    def is_proven_by(self, header: Callable[[str], str | None], /) -> bool:
        """Return whether the headers of an answer prove that the viewer sent it."""


class ViewerView(Protocol):
    """The part of a supervised viewer that the proxy uses."""

    @property
    def connection(self) -> ConnectionView:
        """The SSH connection to its host."""

    @property
    def environment(self) -> Environment:
        """The environment whose Python runs it."""

    def ticket(self, method: str, target: str, /) -> Ticket:
        """Create the ticket of one request."""

    async def open_stream(self) -> ByteStream:
        """Open a fresh byte stream to the viewer's port."""

    def question(self) -> None:
        """Check its health soon: a request was not answered."""

    async def wait_reachable(self, seconds: float) -> None:
        """Return once streams can be opened; raise `ConnectionLost` where that was not in time."""


def partition_of(viewer: ViewerView) -> str:
    """Return the cache partition of a viewer: its hops with users and host keys, and its environment.

    A host key alone does not identify a machine: copies of it, and containers of an image, share one.
    """
    return json.dumps([viewer.connection.way, viewer.environment.prefix])


@dataclass(slots=True)
class Endpoint:
    """A remote viewer as the proxy reaches it.

    Parameters
    ----------
    open_stream
        Opens a fresh byte stream to the viewer's port. Raises `ConnectionLost` while the SSH
        connection is down, and an `OSError` where nothing listens.
    wait_connected
        Waits for at most so many seconds until streams can be opened again, and raises
        `ConnectionLost` where they cannot.
    ticket
        Called for each request, with its method and target.
    question
        Called when a request was not answered in time.
    partition
        Returns the viewer's present partition (`partition_of`): what came from one partition is never used
        for another.
    title
        Display name, as text.
    storage
        The page's ``localStorage``.
    """

    open_stream: Callable[[], Coroutine[Any, Any, ByteStream]]
    wait_connected: Callable[[float], Coroutine[Any, Any, None]]
    ticket: Callable[[str, str], Ticket]
    partition: Callable[[], str]
    title: str = ""
    storage: ViewerStorage = field(default_factory=ViewerStorage)
    question: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, viewer: ViewerView, *, title: str, storage: ViewerStorage | None = None) -> Endpoint:
        """Create the endpoint of a supervised viewer.

        Parameters
        ----------
        viewer
            The viewer; asked anew for each stream, so that it may move to another port.
        title
            Display name.
        storage
            Its ``localStorage``; default: one in memory.
        """

        return cls(
            open_stream=viewer.open_stream,
            wait_connected=viewer.wait_reachable,
            ticket=viewer.ticket,
            partition=lambda: partition_of(viewer),
            question=viewer.question,
            title=title,
            storage=storage if storage is not None else ViewerStorage(),
        )
