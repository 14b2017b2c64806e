"""The routes below a capability that the proxy answers itself: storage, and waiting for the connection."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING

from runicorn_jupyter.errors import ConnectionLost, RemoteError
from runicorn_jupyter.proxy.local_storage import (
    LOOP_BYTES,
    MAX_PATCH_BYTES,
    Change,
    StorageFull,
    StorageRefused,
)
from runicorn_jupyter.proxy.paths import RESERVED
from runicorn_jupyter.proxy.pool import ViewerStopped

if TYPE_CHECKING:
    from runicorn_jupyter.proxy.exchange import Exchange, Responder
    from runicorn_jupyter.proxy.upstream import Upstream

CHANGE_BYTES = 16384
"""Bytes of a storage change that count as one more change; see ``upstream.CHANGES_PER_SECOND``."""


async def answer_reserved_route(exchange: Exchange, upstream: Upstream, body: bytes) -> None:
    """Answer a request for a reserved path.

    Parameters
    ----------
    exchange
        The request, and what answers it.
    upstream
        The viewer whose page has sent it.
    body
        The request's body, or more than `MAX_PATCH_BYTES` of it.
    """
    responder = exchange.responder
    asked = (exchange.method, exchange.tail.removeprefix(RESERVED))
    if asked == ("POST", "storage"):
        await _keep(responder, upstream, body)
    elif asked == ("GET", "wait"):
        state = await _wait(upstream, exchange.timeouts.wait_seconds)
        if not await responder.may_answer():
            return
        responder.set_header("Cache-Control", "no-store")
        responder.set_header("Content-Type", "application/json")
        responder.finish(json.dumps({"state": state}))
    else:
        await responder.refuse(404, "not_found", "Nothing is there.")


async def _keep(responder: Responder, upstream: Upstream, body: bytes) -> None:
    wait = upstream.changes.take(1 + len(body) // CHANGE_BYTES)
    if wait:
        await responder.refuse(
            429,
            "too_many_requests",
            "Not kept yet: this viewer's page changes its settings too often.",
            retry_after=math.ceil(wait),
        )
        return
    try:
        if len(body) > MAX_PATCH_BYTES:
            raise StorageFull(f"a change has at most {MAX_PATCH_BYTES} bytes")
        change = await asyncio.to_thread(Change.parse, body) if len(body) > LOOP_BYTES else Change.parse(body)
        upstream.storage.apply(change)
    except StorageRefused as exc:
        status = 413 if isinstance(exc, StorageFull) else 400
        await responder.refuse(status, "invalid_parameters", f"Not kept: {exc}.")
        return
    responder.clear_header("Content-Type")
    responder.set_status(204)
    responder.finish()


async def _wait(upstream: Upstream, seconds: float) -> str:
    """Wait until the viewer can be reached; return its state."""
    try:
        await upstream.wait_connected(seconds)
        upstream.pool.release(await upstream.pool.acquire())
    except ViewerStopped:
        return "stopped"
    except ConnectionLost:
        return "reconnecting"
    except (OSError, RemoteError):
        return "unreachable"
    return "running"
