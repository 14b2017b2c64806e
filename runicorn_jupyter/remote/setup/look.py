"""Asks a remote whether the private environment is there and whole: one command, which is sent no input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runicorn_jupyter.errors import InternalError
from runicorn_jupyter.json_text import InvalidJson, read_json_object
from runicorn_jupyter.ssh.channels.ready import PRINT_READY, READY

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.connection import Connection

__all__ = ["FOLDER", "look"]

FOLDER = ".local/share/runicorn-jupyter"
"""Where everything is that is set up on a remote, below the home."""
MAX_FACTS_BYTES = 65536
MAX_OUTPUT_BYTES = 2 * MAX_FACTS_BYTES
# What `payload/setup/place.py` reads, without the start of a Python.
_COMMAND = (
    f"exec /bin/sh -c '{PRINT_READY}; "
    f'{{ cd -P "$HOME/{FOLDER}/runicorn" && test -x bin/python && '
    '{ IFS= read -r f <runicorn-jupyter.json; printf %s "$PWD"; echo; printf %s "$f"; echo; }; } '
    "2>/dev/null'"
)


async def look(connection: Connection) -> dict[str, Any] | None:
    """Return the facts of the private environment; None where there is none that is whole.

    Parameters
    ----------
    connection
        Leads to the remote.

    Raises
    ------
    ConnectionTimeout, ConnectionLost, SshUnavailable
        As `Connection.run` has them.
    """
    try:
        done = await connection.run(_COMMAND, ready=READY, max_output=MAX_OUTPUT_BYTES)
        prefix, _, facts = done.stdout.partition(b"\n")
        found = read_json_object(facts, max_size=MAX_FACTS_BYTES)
    except (InternalError, InvalidJson):
        return None
    return found if found.get("prefix") == prefix.decode("utf-8", "surrogateescape") else None
