"""``RunicornRemoteClient``: the remote API for scripts and notebooks, with upstream's signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from runicorn_jupyter.client.discovery import DEFAULT_URL, find_server, kernel_id, server_at
from runicorn_jupyter.client.http import ApiError, ApiTimeout, ServerNotReached
from runicorn_jupyter.client.machines import MachinesClient
from runicorn_jupyter.client.runs import still_reading
from runicorn_jupyter.client.server import Server
from runicorn_jupyter.client.setup import SetupClient

__all__ = ["ApiError", "ApiTimeout", "RunicornRemoteClient", "ServerNotReached", "still_reading"]

_VIEWER_START_SECONDS = 180.0
"""Seconds for starting a viewer: a cold file server makes its imports take minutes."""

_PERSON_SECONDS = 300.0
"""Seconds that the server gives a person from the host's first words on, beside its ``timeout``."""
_MARGIN_SECONDS = 15.0
"""Seconds for the server's answer to come, beyond what its work may take."""
_MOST_CONNECT_SECONDS = 600.0
"""Seconds that ``timeout`` may be; the answer to a challenge does not know which one the request had."""

_SECRETS = {"key": ("private_key_path", "key_passphrase"), "password": ("password",), "agent": ()}
_OPTIONS = {"private_key_path", "key_passphrase", "password", "timeout"}


class RunicornRemoteClient(SetupClient, MachinesClient):
    """Client of the remote viewer API.

    Without arguments it finds the running Jupyter server and its token (see
    `runicorn_jupyter.client.discovery`); where there is none it keeps upstream's default address. Every
    method raises `ApiError` when the server says no, `ApiTimeout` for a 408, and
    `requests.exceptions.ConnectionError` or ``Timeout`` when the server itself does not answer.

    Parameters
    ----------
    base_url
        The server's address, with its base path. Given alone, a token goes there only if this
        user's own runtime files name that server.
    token
        The server's token.
    """

    def __init__(self, base_url: str | None = None, *, token: str | None = None) -> None:
        if base_url is not None:
            server = server_at(base_url, token)
        else:
            server = find_server(kernel=kernel_id()) or Server(DEFAULT_URL, source="default")
            if token is not None:
                server = Server(server.url, token, server.source, server.pid)
        self._use(server)

    # -- connections ------------------------------------------------------------------------------

    def connect(
        self,
        host: str,
        username: str | None = None,
        auth_method: str = "key",
        port: int = 22,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Connect to a server over SSH.

        Parameters
        ----------
        host
            A host name, an address, or an alias of the ssh config.
        username
            Default: the ssh config's, else the local user's.
        auth_method
            ``key``, ``password`` or ``agent``.
        port
            22 leaves the choice to the ssh config.
        **kwargs
            ``private_key_path``, ``key_passphrase`` (with ``key``), ``password`` (with ``password``),
            ``timeout`` (seconds for all of connecting, 1 to 600).

        Returns
        -------
        dict
            The answer, with ``connection_id``.

        Raises
        ------
        ApiError
            For example ``authentication_failed``, ``host_key_unknown``, ``ssh_unavailable``.
        ApiTimeout
            It took longer than ``timeout``, or than the 300 s that a person has for what the host's words
            ask for; ``details["server_message"]`` has these.
        ValueError
            ``auth_method="password"`` without a ``password``.
        """
        unknown = sorted(set(kwargs) - _OPTIONS)
        if unknown:
            raise TypeError(f"connect() got an unexpected keyword argument {unknown[0]!r}")
        payload: dict[str, Any] = {
            "host": host,
            "port": port,
            "username": username,
            "auth_method": auth_method,
        }
        if auth_method == "password" and "password" not in kwargs:
            raise ValueError("Password required for password authentication")
        for name in (*_SECRETS.get(auth_method, ()), "timeout"):
            if name in kwargs:
                payload[name] = kwargs[name]
        timeout = kwargs.get("timeout")
        seconds = float(timeout) if isinstance(timeout, int | float) else 30.0
        seconds += _PERSON_SECONDS + _MARGIN_SECONDS
        return self._call("POST", "connect", json=payload, seconds=seconds)

    def answer_challenge(self, challenge_id: str, responses: Sequence[str]) -> dict[str, Any]:
        """Answer the prompts of an ``authentication_required``.

        Parameters
        ----------
        challenge_id
            ``error.details["challenge_id"]``.
        responses
            One answer for each of ``error.details["prompts"]``, in their order.

        Returns
        -------
        dict
            The same as `connect`'s. A further round raises ``authentication_required`` with a new id.
        """
        return self._call(
            "POST",
            f"connect/{quote(challenge_id, safe='')}",
            json={"responses": list(responses)},
            seconds=_MOST_CONNECT_SECONDS + _PERSON_SECONDS + _MARGIN_SECONDS,
        )

    def get_challenge(self, challenge_id: str) -> dict[str, Any]:
        """Read the prompts of an open challenge again, in another process for example.

        Parameters
        ----------
        challenge_id
            ``error.details["challenge_id"]``.
        """
        return self._call("GET", f"connect/{quote(challenge_id, safe='')}")

    def drop_challenge(self, challenge_id: str) -> dict[str, Any]:
        """Drop a challenge unanswered, and the attempt to connect with it.

        Parameters
        ----------
        challenge_id
            ``error.details["challenge_id"]``.
        """
        return self._call("DELETE", f"connect/{quote(challenge_id, safe='')}")

    def list_connections(self) -> list[dict[str, Any]]:
        """List all connections, each with its viewer or None."""
        return self._list("connections", "connections")

    def disconnect(self, connection_id: str, cleanup_viewer: bool = True) -> dict[str, Any]:
        """End a connection.

        Parameters
        ----------
        connection_id
            From `connect`.
        cleanup_viewer
            Also end its viewer; else that stays until its lease ends, for a later `start_viewer` to adopt.
        """
        return self._call(
            "DELETE",
            f"connections/{quote(connection_id, safe='')}",
            params={"cleanup_viewer": cleanup_viewer},
        )

    # -- environments -----------------------------------------------------------------------------

    def list_environments(self, connection_id: str, filter_type: str = "all") -> list[dict[str, Any]]:
        """List the Python environments of the remote.

        Parameters
        ----------
        connection_id
            From `connect`.
        filter_type
            ``all`` or ``runicorn_only``.
        """
        found: list[dict[str, Any]] = self.read_environments(connection_id, filter_type)["environments"]
        return found

    def read_environments(self, connection_id: str, filter_type: str = "all") -> dict[str, Any]:
        """Read the Python environments of the remote, with what else was found there.

        Parameters
        ----------
        connection_id, filter_type
            As for `list_environments`.

        Returns
        -------
        dict
            With ``environments``, ``notes`` on what could not be found out, and ``storage_candidates``.
        """
        return self._call(
            "GET", "environments", params={"connection_id": connection_id, "filter": filter_type}
        )

    def detect_environments(self, connection_id: str, force_refresh: bool = False) -> dict[str, Any]:
        """Look for environments again.

        Parameters
        ----------
        connection_id
            From `connect`.
        force_refresh
            Also when the last look was less than a minute ago.

        Returns
        -------
        dict
            With ``environments_found`` and ``environments``.
        """
        return self._call(
            "POST",
            "environments/detect",
            json={"connection_id": connection_id, "force_refresh": force_refresh},
        )

    def get_remote_config(self, connection_id: str, env_name: str) -> dict[str, Any]:
        """Return that user's runicorn configuration on the remote.

        Parameters
        ----------
        connection_id
            From `connect`.
        env_name
            An environment's name, prefix or interpreter.
        """
        return self._call("GET", "config", params={"connection_id": connection_id, "env_name": env_name})

    # -- viewer -----------------------------------------------------------------------------------

    def start_viewer(
        self,
        connection_id: str,
        env_name: str,
        remote_root: str | None = None,
        auto_open: bool = True,
        *,
        replace: bool = False,
    ) -> dict[str, Any]:
        """Start the viewer in an environment of the remote, or adopt the one that runs there.

        Parameters
        ----------
        connection_id
            From `connect`.
        env_name
            An environment's name, prefix or interpreter.
        remote_root
            The storage root; default: the environment's ``storage_root``.
        auto_open
            Let JupyterLab, or else the browser, show it.
        replace
            End the viewer that the connection holds, by force if need be and whoever else holds it, and start
            anew under the same URL.

        Returns
        -------
        dict
            With ``viewer``, whose ``url`` opens in the browser.
        """
        payload: dict[str, Any] = {
            "connection_id": connection_id,
            "env_name": env_name,
            "auto_open": auto_open,
        }
        if remote_root:
            payload["remote_root"] = remote_root
        if replace:
            payload["replace"] = True
        return self._call("POST", "viewer/start", json=payload, seconds=_VIEWER_START_SECONDS)

    def stop_viewer(self, connection_id: str, cleanup: bool = True) -> dict[str, Any]:
        """Stop the connection's viewer.

        Parameters
        ----------
        connection_id
            From `connect`.
        cleanup
            Also remove its log and state on the remote.

        Returns
        -------
        dict
            With ``ended``; False: the process stays for other connections that hold it.
        """
        return self._call("POST", "viewer/stop", json={"connection_id": connection_id, "cleanup": cleanup})

    def get_viewer_status(self, connection_id: str) -> dict[str, Any]:
        """Return the state of the connection's viewer.

        Parameters
        ----------
        connection_id
            From `connect`.
        """
        return self._call("GET", "viewer/status", params={"connection_id": connection_id})

    def get_viewer_logs(self, connection_id: str, lines: int = 100) -> list[str]:
        """Return the last lines that the viewer logged, oldest first.

        Parameters
        ----------
        connection_id
            From `connect`.
        lines
            How many at most, 1 to 10000.
        """
        return self._list("viewer/logs", "logs", connection_id=connection_id, lines=lines)

    def health_check(self, connection_id: str) -> dict[str, Any]:
        """Check the connection, the viewer and the tunnel between.

        Parameters
        ----------
        connection_id
            From `connect`.
        """
        return self._call("GET", "health", params={"connection_id": connection_id})

    def ping(self, connection_id: str) -> dict[str, Any]:
        """Measure one SSH round trip, ``latency_ms``.

        Parameters
        ----------
        connection_id
            From `connect`.
        """
        return self._call("GET", "ping", params={"connection_id": connection_id})

    # -- beyond upstream's examples ---------------------------------------------------------------

    def list_hosts(self) -> list[dict[str, Any]]:
        """List the aliases of the ssh config, as the server sees it."""
        return self._list("hosts", "hosts")

    def list_known_hosts(self) -> list[dict[str, Any]]:
        """List the known host keys."""
        return self._list("known-hosts", "known_hosts")

    def accept_known_host(self, host: str, public_key: str, port: int = 22) -> dict[str, Any]:
        """Trust a host key from now on, after a person compared its fingerprint.

        Parameters
        ----------
        host, port, public_key
            Exactly as ``error.details["host_key"]`` of a ``host_key_unknown`` offered them.
        """
        return self._call("POST", "known-hosts", json={"host": host, "port": port, "public_key": public_key})

    def remove_known_host(self, host: str, port: int = 22) -> dict[str, Any]:
        """Forget a host's keys.

        Parameters
        ----------
        host, port
            As `list_known_hosts` gives them.
        """
        return self._call("DELETE", "known-hosts", params={"host": host, "port": port})

    def list_profiles(self) -> list[dict[str, Any]]:
        """List the saved connections; none holds a secret."""
        return self._list("profiles", "profiles")

    def save_profile(self, name: str, host: str, **fields: Any) -> dict[str, Any]:
        """Save a connection under a name.

        Parameters
        ----------
        name
            A saved one of the same name is replaced.
        host
            As for `connect`.
        **fields
            ``username``, ``port``, ``auth_method``, ``private_key_path``, ``timeout``, ``env_name``,
            ``remote_root``.
        """
        return self._call("POST", "profiles", json={"name": name, "host": host, **fields})

    def import_profiles(self, aliases: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Save aliases of the ssh config as connections, and return those that were not saved before.

        Parameters
        ----------
        aliases
            As `list_hosts` gives them; default: all.
        """
        body = {} if aliases is None else {"aliases": list(aliases)}
        imported: list[dict[str, Any]] = self._call("POST", "profiles/import", json=body)["imported"]
        return imported

    def recent(self) -> list[dict[str, Any]]:
        """List what was last opened on each host, the latest first: ``env_name``, ``remote_root``, …."""
        return self._list("profiles", "recent")

    def delete_profile(self, name: str) -> dict[str, Any]:
        """Remove a saved connection.

        Parameters
        ----------
        name
            As `list_profiles` gives it.
        """
        return self._call("DELETE", "profiles", params={"name": name})

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI 3.1 description of the server's remote API."""
        return self._call("GET", "openapi.json")
