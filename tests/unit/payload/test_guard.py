"""The guard understands a control request the same, however its body is cut."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from runicorn_jupyter.payload.attendance import Attendance
from runicorn_jupyter.payload.guard import CONTROL_PATH, Guard, Purpose, Ticket
from runicorn_jupyter.payload.lease import Lease
from tests.world.exchanges import cuts

SECRET, PORT = "secret", 4711
RENEWAL = json.dumps({"holder": "h1", "lease_seconds": 60, "client": "中文"}, ensure_ascii=False).encode()


def scope(action: str, purpose: Purpose = Purpose.CONTROL) -> dict[str, Any]:
    """Return the ASGI scope of a control request with a valid ticket."""
    target = CONTROL_PATH + action
    name, value = Ticket(SECRET, PORT, "POST", target, purpose=purpose).header
    return {
        "type": "http",
        "method": "POST",
        "path": target,
        "raw_path": target.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode())],
    }


async def answer(
    lease: Lease, messages: list[dict[str, Any]], asked: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """Have the guard answer ``renew``, or another request, with a body that comes in these messages."""

    async def app(*_: Any) -> None:
        raise AssertionError("this request is none of the viewer's")

    guard = Guard(
        app,
        secret=SECRET,
        port=PORT,
        lease=lease,
        facts=dict,
        end=lambda _: None,
        taking_up=lambda: False,
        attendance=Attendance(),
    )
    sent: list[dict[str, Any]] = []
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await guard(asked or scope("renew"), receive, send)
    if sent[0]["type"] == "websocket.close":
        return sent[0]["code"], None
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


@pytest.mark.parametrize(
    "target",
    [
        "/__runicorn_jupyter__/renew",
        "/%5F_runicorn_jupyter__/renew",
        "/__%72unicorn_jupyter__/renew",
        "/__runicorn_jupyter__%2Frenew",
        "/%255F_runicorn_jupyter__/renew",
        "/__Runicorn_Jupyter__/renew",
        "/__runicorn_jupyter__",
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_pages_ticket_reaches_no_control(target: str, kind: str) -> None:
    """However the path is written, decoded or not."""
    lease = Lease(5)
    name, value = Ticket(SECRET, PORT, "POST", target).header
    asked = {
        **scope("renew"),
        "type": kind,
        "path": unquote(target),
        "raw_path": target.encode(),
        "headers": [(name.encode(), value.encode())],
    }
    status, _ = await answer(lease, parts([RENEWAL]), asked)
    assert (status, lease.holders()) == (403 if kind == "http" else 1008, {})


async def test_a_ticket_for_control_is_good_for_nothing_else() -> None:
    for change in (
        {"raw_path": b"/api/runs", "path": "/api/runs"},
        {"raw_path": b"/%5F_runicorn_jupyter__/renew"},
    ):
        target = change["raw_path"].decode()
        name, value = Ticket(SECRET, PORT, "POST", target, purpose=Purpose.CONTROL).header
        asked = {**scope("renew"), **change, "headers": [(name.encode(), value.encode())]}
        assert (await answer(Lease(5), parts([RENEWAL]), asked))[0] == 403


async def test_control_opens_no_websocket() -> None:
    assert (await answer(Lease(5), [], {**scope("renew"), "type": "websocket"}))[0] == 1008


@pytest.mark.parametrize("body", [b"[" * 16_000, b"{", b"[]", b"\xff"], ids=["deep", "open", "list", "bytes"])
async def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    lease = Lease(5)
    status, told = await answer(lease, parts([body]))
    assert (status, lease.holders()) == (400, {})
    assert told["error"]
