"""The client's part for the machines behind the connections."""

from __future__ import annotations

from typing import Any

from runicorn_jupyter.client.http import ServerClient

__all__ = ["MachinesClient"]


class MachinesClient(ServerClient):
    """Calls about the machines that the server's connections lead to."""

    def list_machines(self) -> list[dict[str, Any]]:
        """Say how the machines of all connections are, and who uses their accelerators.

        Nothing has to be installed there, and no viewer has to run. A machine is looked at while somebody
        asks; `read_machines` waits for what changes.

        Returns
        -------
        list of dict
            For each connection ``host``, ``cpu``, ``memory``, ``disk``, ``gpus``, ``as_of`` and ``error``.
            Memory and disk are in bytes. None is what is not known; ``error`` says why.
        """
        machines: list[dict[str, Any]] = self._call("GET", "machines")["machines"]
        return machines

    def read_machines(self, changed_since: str | None = None, wait: float = 0) -> dict[str, Any]:
        """Read the machines that changed, and wait for a change.

        Parameters
        ----------
        changed_since
            The ``version`` of an answer before; default: all machines.
        wait
            Seconds to wait for a change, 0 to 60.

        Returns
        -------
        dict
            With ``machines``, ``removed`` (ids of connections that are gone), ``reset`` and ``version``.
        """
        query = {"wait": wait} if changed_since is None else {"changed_since": changed_since, "wait": wait}
        return self._call("GET", "machines", params=query, seconds=wait + 15)
