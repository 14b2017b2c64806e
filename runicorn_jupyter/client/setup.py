"""The part of the client that sets up runicorn on a remote, and takes it away again."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from runicorn_jupyter.client.runs import RunsClient

__all__ = ["SetupClient"]

_SETUP_SECONDS = 1860.0
"""Seconds for setting up an environment: the server's own limit, and a little."""


class SetupClient(RunsClient):
    """Makes and removes the private environment with runicorn of a remote."""

    def create_environment(
        self,
        connection_id: str,
        *,
        runicorn_version: str | None = None,
        python: str | None = None,
        bring_python: bool = False,
        wheels: Literal["auto", "remote", "local"] = "auto",
    ) -> dict[str, Any]:
        """Set up a private environment with runicorn on the remote, or find the one that is there.

        It takes about 110 MB below ``~/.local/share/runicorn-jupyter/``; `remove_environment` takes it away.

        Parameters
        ----------
        connection_id
            From `connect`.
        runicorn_version
            Default: the one that is there, else the newest that fits the Python.
        python
            A listed environment, or the path of an interpreter; default: the best there is.
        bring_python
            Whether a Python of about 100 MB is brought, into the same folder, where the remote has none of at
            least 3.8: by uv, the remote's or this server's. ``read_environments()["setup"]["brings"]`` says
            whether one can be had.
        wheels
            Where packages come from: ``remote``, its own pip or uv; ``local``, this server; ``auto``, the
            second where the first fails.

        Returns
        -------
        dict
            With ``environment``, for `start_viewer`, and ``created``; False if it was there already.

        Raises
        ------
        ApiError
            For example ``python_not_found``, ``disk_full``, ``packages_unreachable``.
        """
        body: dict[str, Any] = {"connection_id": connection_id, "wheels": wheels}
        if bring_python:
            body["bring_python"] = True
        if runicorn_version is not None:
            body["runicorn_version"] = runicorn_version
        if python is not None:
            body["python"] = python
        return self._call("POST", "environments/create", json=body, seconds=_SETUP_SECONDS)

    def cancel_environment(self, request_id: str) -> dict[str, Any]:
        """Cancel a `create_environment` that another client has under way.

        Parameters
        ----------
        request_id
            What that client sends as ``X-Request-Id``.
        """
        return self._call("DELETE", f"environments/create/{quote(request_id, safe='')}")

    def remove_environment(self, connection_id: str) -> dict[str, Any]:
        """Remove what `create_environment` has set up on the remote, by this connection or an earlier one.

        Parameters
        ----------
        connection_id
            From `connect`.

        Returns
        -------
        dict
            With ``bytes_freed``.

        Raises
        ------
        ApiError
            ``environment_in_use`` while a viewer runs in it, ``environment_not_found`` if there is none.
        """
        return self._call(
            "POST", "environments/remove", json={"connection_id": connection_id}, seconds=_SETUP_SECONDS
        )
