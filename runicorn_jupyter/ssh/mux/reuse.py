"""Finds a master of the user's own ssh that may be used for a host."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.mux.control_socket import ForeignSocket, is_supported
from runicorn_jupyter.ssh.mux.master import Master
from runicorn_jupyter.ssh.mux.messages import NotAMaster
from runicorn_jupyter.ssh.transport.link import ChannelRefused

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target

__all__ = ["find_master", "master_place"]

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""A master, and the server behind it, have at most so long to answer."""


async def find_master(hop: Target, seconds: float) -> Master | None:
    """Find a master that lives, whose server answers and opens a session.

    Parameters
    ----------
    hop
        The host, with its ``ControlPath``.
    seconds
        The longest that it may take, within `ANSWER_SECONDS`.

    Returns
    -------
    Master or None
        None where there is none, or none that may be used; the log says why.
    """
    path = hop.control_path
    if path is None or not is_supported():
        return None
    try:
        async with asyncio.timeout(min(seconds, ANSWER_SECONDS)):
            master = await _met(path)
    except FileNotFoundError:
        return None
    except TimeoutError:
        why = "it, or the server behind it, gives no answer"
    except ChannelRefused as refused:
        why = refused.text
    except (NotAMaster, ForeignSocket, SshUnavailable, OSError) as error:
        why = str(error)
    else:
        log.info("%s: using the connection of the master at %s", hop.asked, path)
        return master
    log.warning("%s: the ControlPath %s is not used: %s", hop.asked, path, why)
    return None


async def _met(path: str) -> Master:
    master = await Master.open(path)
    try:
        await master.meet_server()
    except BaseException:
        master.close()
        await master.wait_closed()
        raise
    return master


def master_place(hop: Target, master: Master) -> tuple[str, str, int, str]:
    """Return a master's part of `Dialled.way`, which no other connection has."""
    return hop.username, f"master {master.path}", hop.port, f"unknown {secrets.token_hex(16)}"
