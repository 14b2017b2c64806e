"""How the proxy reaches a remote viewer, and what it has to know of one that a connection holds."""

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
    """What the proxy wants to know of a viewer's SSH connection."""

    @property
    def way(self) -> Sequence[tuple[str, str, int, str]]:
        """Where it really leads now: user, address, port and host key of each hop."""


class Ticket(Protocol):
    """What lets one request pass at the viewer, and knows the viewer's answer from a stranger's."""

    @property
    def header(self) -> tuple[str, str]:
        """Name and value of the header to send."""

    def is_proven_by(self, header: Callable[[str], str | None], /) -> bool:
        """Tell whether an answer is the viewer's, by its headers."""


class ViewerView(Protocol):
    """What the proxy wants to know of a viewer that a connection holds."""

    @property
    def connection(self) -> ConnectionView:
        """The connection that it is reached through."""

    @property
    def environment(self) -> Environment:
        """Whose Python it runs under."""

    def ticket(self, method: str, target: str, /) -> Ticket:
        """Make the ticket of one request."""

    async def open_stream(self) -> ByteStream:
        """Open a fresh byte stream to the viewer's port."""

    def question(self) -> None:
        """Take note that it has not answered somebody."""

    async def wait_reachable(self, seconds: float) -> None:
        """Return once streams can be opened; raise `ConnectionLost` where that was not in time."""


def partition_of(viewer: ViewerView) -> str:
    """Give the name of the place that a viewer is at: the way there, users, host keys, environment.

    A host key alone is no place: copies of a machine, and containers of an image, share theirs.
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
        Called when the viewer has not answered a request in time.
    partition
        Gives the name of the place that the viewer is at now (`partition_of`): what came from one place is
        never shown as another's.
    title
        What people call it, as text.
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
        """Make the endpoint of a viewer that a connection holds.

        Parameters
        ----------
        viewer
            The viewer; asked anew for each stream, so that it may move to another port.
        title
            What people call it.
        storage
            Where its ``localStorage`` lives; default: as long as the endpoint.
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
