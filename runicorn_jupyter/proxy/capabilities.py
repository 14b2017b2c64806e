"""Which URL a viewer gets: capabilities, and the endpoints that they stand for."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from runicorn_jupyter.proxy.asset_cache import AssetCache
from runicorn_jupyter.proxy.local_storage import StorageFolder, ViewerStorage
from runicorn_jupyter.proxy.pool import Pool, ViewerStopped
from runicorn_jupyter.proxy.prefetch import Ahead, Habits, RoundTrip
from runicorn_jupyter.proxy.throttle import Throttle
from runicorn_jupyter.proxy.transfers import Transfers
from runicorn_jupyter.streams import ByteStream
from runicorn_jupyter.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runicorn_jupyter.models import Environment

CAPABILITY_BYTES = 16
"""128 random bits: nobody guesses one (docs/design.md, "The viewer's origin")."""

CAPABILITY = re.compile(rf"[0-9a-f]{{{CAPABILITY_BYTES * 2}}}")
"""What a capability looks like in a URL."""


CHANGES_PER_SECOND, CHANGES_AT_ONCE = 10, 50
"""How often the pages of one viewer may change their storage; each page sends five times a second at most."""

MAX_WEBSOCKETS = 32
"""How many WebSockets one viewer may have open, of the streams that it has (``pool.MAX_OPEN``)."""

MAX_ENDED = 1024
"""How many capabilities that have ended are still known as such: their pages are told, and logs mask them."""

MAX_HABITS = 64
"""Of how many places it is remembered what their pages ask for."""


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


class Viewer:
    """An endpoint with the streams that are open to it.

    Parameters
    ----------
    endpoint
        Where it is.
    habits
        Gives what the pages of a partition asked for before.

    Attributes
    ----------
    answers
        Holds back what the proxy answers by itself.
    changes
        How often its pages may change their storage.
    transfers
        What is on its way to browsers.
    websockets
        How many are open, or about to be.
    """

    def __init__(self, endpoint: Endpoint, habits: Callable[[str], Habits]) -> None:
        self.endpoint = endpoint
        self.pool = Pool(endpoint.open_stream)
        self.ahead = Ahead(endpoint, self.pool, habits)
        self.answers = Throttle()
        self.transfers = Transfers()
        self.websockets = 0
        self.changes = TokenBucket(CHANGES_PER_SECOND, CHANGES_AT_ONCE)
        self._waiting: set[asyncio.Task[None]] = set()
        self._storages = {endpoint.partition(): endpoint.storage}

    @property
    def storage(self) -> ViewerStorage:
        """Its pages' ``localStorage``; an empty one, kept nowhere, once the connection leads elsewhere."""
        place = self.endpoint.partition()
        if place not in self._storages:
            first = next(iter(self._storages.items()))
            self._storages = dict([first, (place, ViewerStorage())])
        return self._storages[place]

    async def wait_connected(self, seconds: float) -> None:
        """Wait for at most so many seconds until the viewer can be reached again.

        Raises
        ------
        ViewerStopped
            As soon as there is no viewer to wait for.
        ConnectionLost
            If the time was too short.
        """
        if self.pool.closed:
            raise ViewerStopped
        waiting = asyncio.ensure_future(self.endpoint.wait_connected(seconds))
        self._waiting.add(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if self.pool.closed:
                raise ViewerStopped from None
            raise
        finally:
            self._waiting.discard(waiting)
            waiting.cancel()

    def close(self) -> None:
        """End every request that is under way; there will be no other."""
        self.ahead.close()
        self.pool.close()
        for waiting in self._waiting:
            waiting.cancel()


class Capabilities:
    """The table from capabilities to viewers; whoever holds a capability may use that viewer.

    Parameters
    ----------
    storages
        Where the viewers' ``localStorage`` is kept; default: nowhere.

    Attributes
    ----------
    assets
        The viewers' static files; none are kept unless `viewer_handlers` says so.
    answers
        Holds back what is answered below capabilities that stand for no viewer.
    """

    def __init__(self, storages: StorageFolder | None = None) -> None:
        self._viewers: dict[str, Viewer] = {}
        self._storages = storages
        self._habits: OrderedDict[str, Habits] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self.assets = AssetCache(0)
        self.answers = Throttle()

    async def storage(self, viewer: ViewerView, root: str | None) -> ViewerStorage:
        """Give the ``localStorage`` of a viewer's storage root, as it was left.

        Parameters
        ----------
        viewer
            The viewer, by the place that it is at.
        root
            Its storage root there.
        """
        if self._storages is None:
            return ViewerStorage()
        return await self._storages.open(partition_of(viewer), root)

    async def close(self) -> None:
        """End all capabilities, and write what has not been written."""
        for capability in list(self._viewers):
            self.revoke(capability)
        if self._storages is not None:
            await self._storages.close()

    def issue(self, endpoint: Endpoint) -> str:
        """Make a capability for a viewer.

        Returns
        -------
        str
            32 lower-case hexadecimal digits. Never log it.
        """
        capability = secrets.token_hex(CAPABILITY_BYTES)
        self._viewers[capability] = Viewer(endpoint, self._habits_of)
        return capability

    def _habits_of(self, partition: str) -> Habits:
        habits = self._habits.setdefault(partition, Habits())
        self._habits.move_to_end(partition)
        if len(self._habits) > MAX_HABITS:
            self._habits.popitem(last=False)
        return habits

    def move(self, capability: str, *, title: str, storage: ViewerStorage) -> None:
        """Note that another process is the viewer now: nothing of the one before is given to anybody.

        Parameters
        ----------
        capability
            The viewer's.
        title, storage
            As `Endpoint` has them.
        """
        viewer = self._viewers[capability]
        viewer.endpoint.title, viewer.endpoint.storage = title, storage
        viewer.ahead.forget()
        viewer.pool.drop_idle()

    def prepare(self, capability: str, round_trip: RoundTrip) -> None:
        """Get ready for the page of a viewer that has just started: it is about to be opened.

        Parameters
        ----------
        capability
            The viewer's.
        round_trip
            Measures how far the viewer's host is, in seconds.
        """
        viewer = self.viewer(capability)
        if viewer is not None:
            viewer.ahead.prepare(self.assets, round_trip)

    def get(self, capability: str) -> Endpoint | None:
        """Give the endpoint behind a capability, or ``None`` for a dead or unknown one."""
        viewer = self.viewer(capability)
        return viewer.endpoint if viewer is not None else None

    def viewer(self, capability: str) -> Viewer | None:
        """Give the viewer behind a capability, or ``None`` for a dead or unknown one."""
        return self._viewers.get(capability)

    def is_known(self, capability: str) -> bool:
        """Tell whether this server gave the capability out, be it alive or lately ended."""
        return capability in self._viewers or capability in self._ended

    def revoke(self, capability: str) -> None:
        """End a capability: its streams close, and its URL is 404 from now on."""
        viewer = self._viewers.pop(capability, None)
        if viewer is not None:
            self._ended[capability] = None
            if len(self._ended) > MAX_ENDED:
                self._ended.popitem(last=False)
            viewer.close()
