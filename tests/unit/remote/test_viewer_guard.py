"""The guard understands a control request the same, however its body is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runicorn_jupyter.remote.lease import Lease
from runicorn_jupyter.remote.viewer_guard import CONTROL_PATH, Guard, Ticket
from tests.world.exchanges import cuts

SECRET, PORT = "secret", 4711
RENEWAL = json.dumps({"holder": "h1", "lease_seconds": 60, "client": "中文"}, ensure_ascii=False).encode()


def scope(action: str) -> dict[str, Any]:
    """Return the ASGI scope of a control request with a valid ticket."""
    target = CONTROL_PATH + action
    name, value = Ticket(SECRET, PORT, "POST", target).header
    return {
        "type": "http",
        "method": "POST",
        "path": target,
        "raw_path": target.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode())],
    }


async def answer(lease: Lease, messages: list[dict[str, Any]]) -> tuple[int, Any]:
    """Have the guard answer ``renew`` with a body that comes in these messages."""

    async def app(*_: Any) -> None:
        raise AssertionError("a control request is none of the viewer's")

    guard = Guard(
        app,
        secret=SECRET,
        port=PORT,
        lease=lease,
        facts=dict,
        end=lambda _: None,
        taking_up=lambda: False,
    )
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await guard(scope("renew"), receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


def parts(pieces: list[bytes]) -> list[dict[str, Any]]:
    """Return the messages by which a server hands on a body that is read in these pieces."""
    last = len(pieces) - 1
    return [
        {"type": "http.request", "body": piece, "more_body": number < last}
        for number, piece in enumerate(pieces)
    ]


async def test_a_body_is_understood_however_it_is_cut() -> None:
    for pieces in cuts(RENEWAL):
        for padded in (pieces, [b"", *pieces], [*pieces, b""], [pieces[0], b"", *pieces[1:]]):
            lease = Lease(5)
            status, told = await answer(lease, parts(padded))
            assert (status, list(told["holders"])) == (200, ["h1"]), padded
            assert lease.remaining == pytest.approx(60)


async def test_a_body_that_ends_early_changes_nothing_wherever_it_ends() -> None:
    for size in range(len(RENEWAL)):
        lease = Lease(5)
        cut = [{"type": "http.request", "body": RENEWAL[:size], "more_body": True}]
        status, told = await answer(lease, [*cut, {"type": "http.disconnect"}])
        assert (status, lease.holders()) == (400, {})
        assert told["error"]
        if size:
            status, _ = await answer(lease, [{"type": "http.request", "body": RENEWAL[:size]}])
            assert (status, lease.holders()) == (400, {})
