"""What the proxy answers itself below a capability: the page's storage, and waiting for the connection."""

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
    from runicorn_jupyter.proxy.handler import ViewerHandler
    from runicorn_jupyter.proxy.upstream import Upstream

CHANGE_BYTES = 16384
"""A change of the storage counts once more for each of so many bytes; see ``upstream.CHANGES_PER_SECOND``."""


async def answer_own(handler: ViewerHandler, viewer: Upstream) -> None:
    """Answer a request for a reserved path.

    Parameters
    ----------
    handler
        The request; its body is in ``received``.
    viewer
        Whose page asks.
    """
    asked = (handler.request.method, handler.tail.removeprefix(RESERVED))
    if asked == ("POST", "storage"):
        await _keep(handler, viewer)
    elif asked == ("GET", "wait"):
        state = await _wait(viewer, handler.limits.wait_seconds)
        if not await handler.may_answer():
            return
        handler.set_header("Cache-Control", "no-store")
        handler.set_header("Content-Type", "application/json")
        handler.finish(json.dumps({"state": state}))
    else:
        await handler.refuse(404, "not_found", "Nothing is there.")


async def _keep(handler: ViewerHandler, viewer: Upstream) -> None:
    body = bytes(handler.received)
    wait = viewer.changes.take(1 + len(body) // CHANGE_BYTES)
    if wait:
        await handler.refuse(
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
        viewer.storage.apply(change)
    except StorageRefused as exc:
        status = 413 if isinstance(exc, StorageFull) else 400
        await handler.refuse(status, "invalid_parameters", f"Not kept: {exc}.")
        return
    handler.clear_header("Content-Type")
    handler.set_status(204)
    handler.finish()


async def _wait(viewer: Upstream, seconds: float) -> str:
    """Wait until the viewer can be reached, and say whether it can."""
    try:
        await viewer.wait_connected(seconds)
        viewer.pool.release(await viewer.pool.acquire())
    except ViewerStopped:
        return "stopped"
    except ConnectionLost:
        return "reconnecting"
    except (OSError, RemoteError):
        return "unreachable"
    return "running"
