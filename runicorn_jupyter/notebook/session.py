"""What the magics of one kernel share: the server, the names of connections, and how they fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import requests
from IPython.core.error import UsageError
from requests.cookies import RequestsCookieJar

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from runicorn_jupyter.client.server import Server
from runicorn_jupyter.notebook.connect_flow import Declined, way_forward
from runicorn_jupyter.notebook.progress import run_with_progress
from runicorn_jupyter.notebook.results import plain
from runicorn_jupyter.notebook.server import (
    PrivateServerFailed,
    ServerRefuses,
    current_server,
    is_there,
    private_because,
)

__all__ = ["NotebookSession", "last_opened", "one_line_errors"]

T = TypeVar("T")

_INSTALLABLE = ("pandas", "altair")
"""Modules that a magic may miss, by the names under which pip installs them."""


@contextmanager
def one_line_errors(*, has_password: bool = False) -> Iterator[None]:
    """Turn what a call may raise into a ``UsageError``, which IPython shows as one line.

    Parameters
    ----------
    has_password
        Whether a password was tried, so that the hint does not suggest one.
    """
    try:
        yield
    except UsageError as exc:
        raise UsageError(_one_line(exc)) from exc
    except ApiError as exc:
        raise UsageError(_one_line(way_forward(exc, has_password=has_password))) from exc
    except ModuleNotFoundError as exc:
        missing = (exc.name or "").partition(".")[0]
        if missing not in _INSTALLABLE:
            raise
        raise UsageError(f"This needs {missing}; run `%pip install {missing}` and try again.") from exc
    except requests.exceptions.Timeout as exc:
        raise UsageError("The Jupyter server did not answer in time; try again.") from exc
    except (
        requests.exceptions.RequestException,
        PrivateServerFailed,
        ServerRefuses,
        Declined,
        ValueError,
    ) as exc:
        raise UsageError(_one_line(exc)) from exc


def _one_line(said: object) -> str:
    """Make one line of plain text: what it says may come from a server that nobody has to trust."""
    return plain(" ".join(str(said).split()))


class NotebookSession:
    """The server of this kernel and the names that the person gave to connections."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._lock = threading.RLock()
        self._cookies = RequestsCookieJar()
        self._client: RunicornRemoteClient | None = None

    @property
    def client(self) -> RunicornRemoteClient:
        """A client of this kernel's server, which is found or started at first use."""
        with self._lock:
            if self._client is None or not is_there(self._client.server):
                self.close()
                server = current_server()
                self._client = RunicornRemoteClient.for_server(server, cookies=self._cookies)
                reason = private_because(server)
                if reason:
                    print(plain(reason))  # noqa: T201 - belongs below the cell, once a kernel
            return self._client

    def close(self) -> None:
        """Close what is open to the server; the next use opens it again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def server(self) -> Server:
        """This kernel's server."""
        return self.client.server

    def new_client(self, request_id: str) -> RunicornRemoteClient:
        """Make a client for one piece of work on a thread.

        Parameters
        ----------
        request_id
            Comes back in the server's events about that work.
        """
        return RunicornRemoteClient.for_server(self.server, request_id=request_id, cookies=self._cookies)

    def run(
        self,
        title: str,
        work: Callable[[RunicornRemoteClient], T],
        *,
        undo: Callable[[RunicornRemoteClient, T], Any] | None = None,
    ) -> T:
        """Run long work with progress; see `run_with_progress`."""
        return run_with_progress(self.new_client, title, work, undo=undo)

    def name(self, name: str, connection_id: str) -> None:
        """Let ``name`` mean this connection.

        Parameters
        ----------
        name
            What the person will call it.
        connection_id
            From ``connect``.
        """
        self._names[name] = connection_id

    def name_of(self, connection: dict[str, Any]) -> str:
        """Return what the person calls a connection: its name, else its host.

        Parameters
        ----------
        connection
            As ``list_connections`` gives it.
        """
        names = [name for name, ident in self._names.items() if ident == connection["connection_id"]]
        return names[0] if names else str(connection["host"])

    def connections(self) -> list[dict[str, Any]]:
        """List the open connections, each with its ``name``."""
        return self.named(self.client.list_connections())

    def named(self, connections: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give each connection what the person calls it, as its ``name``.

        Parameters
        ----------
        connections
            As ``list_connections`` gives them.
        """
        return [{"name": self.name_of(entry), **entry} for entry in connections]

    def find(self, name: str | None) -> dict[str, Any]:
        """Find the connection that the person means.

        Parameters
        ----------
        name
            A name, an id, or a host; ``None`` means the only one there is.

        Raises
        ------
        UsageError
            There is none, or it is not clear which.
        """
        connections = self.connections()
        if name is None:
            matching = connections
        else:
            ident = self._names.get(name, name)
            matching = [entry for entry in connections if entry["connection_id"] == ident]
            matching = matching or [entry for entry in connections if entry["host"] == name]
        if len(matching) == 1:
            return matching[0]
        if not connections:
            raise UsageError("No connection is open; %runicorn_connect HOST opens one.")
        choices = ", ".join(_choice(entry) for entry in (matching or connections))
        if not matching:
            raise UsageError(f"No connection is called {name}; there are: {choices}.")
        raise UsageError(f"Several connections are open; say which: {choices}.")

    def reusable(self, request: dict[str, Any], name: str | None) -> dict[str, Any] | None:
        """Find the open connection that a cell made when it ran before, so that it may run again.

        Parameters
        ----------
        request
            The arguments of ``connect``.
        name
            The name that the person gives it now, or ``None``.
        """
        for entry in self.connections():
            named = entry["connection_id"] == self._names.get(name or request["host"])
            same = (
                entry["host"] == request["host"]
                and request.get("username") in {None, entry["username"]}
                and request.get("port", 22) in {22, entry["port"]}
            )
            if same and entry["status"] != "disconnected" and (named or name is None):
                return entry
        return None


def last_opened(client: RunicornRemoteClient, connection: dict[str, Any]) -> dict[str, Any] | None:
    """Return what was last opened on a connection's host, by whomever: ``env_name``, ``remote_root``.

    Parameters
    ----------
    client
        A client of the server that holds the connection.
    connection
        As ``list_connections`` gives it.
    """
    place = (connection["host"], connection["username"])
    return next((entry for entry in client.recent() if (entry["host"], entry["username"]) == place), None)


def _choice(connection: dict[str, Any]) -> str:
    name, ident = connection["name"], connection["connection_id"]
    return f"{name} ({ident})"
