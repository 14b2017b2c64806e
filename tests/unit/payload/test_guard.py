"""The guard understands a control request the same, however its body is cut."""

from __future__ import annotations

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from runicorn_jupyter.payload.attendance import Attendance
from runicorn_jupyter.payload.guard import CONTROL_PATH, Guard, Purpose, Ticket
from runicorn_jupyter.payload.lease import Lease
from runicorn_jupyter.payload.runs import changelog
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


def guard_of(app: Any, lease: Lease, root: str | None = None) -> Guard:
    """Return the guard of a viewer."""
    return Guard(
        app,
        secret=SECRET,
        port=PORT,
        lease=lease,
        facts=lambda: {"root": root},
        end=lambda _: None,
        taking_up=lambda: False,
        attendance=Attendance(),
    )


async def answer(
    lease: Lease, messages: list[dict[str, Any]], asked: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """Have the guard answer ``renew``, or another request, with a body that comes in these messages."""

    async def app(*_: Any) -> None:
        raise AssertionError("this request is none of the viewer's")

    guard = guard_of(app, lease)
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


class Followed:
    """A viewer with one run, whose guard is asked to tell of each change."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("TICK_SECONDS", "REST_SECONDS"):
            monkeypatch.setattr(changelog, name, 0.001)
        self.run = root / "20261124_175421_ab12cd"
        self.run.mkdir()
        (self.run / "status.json").write_text('{"status": "running", "started_at": 1764000000.123456}')
        self.guard = guard_of(self, Lease(60), str(root))
        self.fails = False
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.body = {"epoch": "", "version": 0, "known": 0, "wait_seconds": 60, "follow": True}
        asked = scope("runs")
        asked["headers"].append((b"accept-encoding", b"gzip"))
        self.asking = asyncio.ensure_future(self.guard(asked, self.receive, self.sent.put))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer ``GET /api/runs``."""
        if self.fails:
            raise ZeroDivisionError
        listed = [{"id": self.run.name, "run_dir": str(self.run), "status": "running"}]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps(listed).encode()})

    async def receive(self) -> dict[str, Any]:
        """Give the request's body, and then nothing."""
        if self.body:
            body, self.body = self.body, {}
            return {"type": "http.request", "body": json.dumps(body).encode()}
        nothing: dict[str, Any] = await asyncio.get_running_loop().create_future()
        return nothing

    async def message(self) -> dict[str, Any]:
        """Give what is answered next."""
        async with asyncio.timeout(60):
            return await self.sent.get()

    def step(self, step: int) -> None:
        """Let the run log one more step."""
        values = {f"metric_{number}": step / (number + 7) for number in range(4)}
        with (self.run / "events.jsonl").open("a") as file:
            file.write(json.dumps({"type": "metrics", "data": {"global_step": step, **values}}) + "\n")


async def test_one_more_step_is_a_few_bytes_of_an_answer_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = Followed(tmp_path, monkeypatch)
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    head = await viewer.message()
    assert (head["status"], (b"content-encoding", b"gzip") in head["headers"]) == (200, True)
    assert unpacking.decompress((await viewer.message())["body"]).endswith(b"\n")
    sizes = []
    for step in range(1, 9):
        viewer.step(step)
        packed = (await viewer.message())["body"]
        (run,) = json.loads(unpacking.decompress(packed))["runs"]
        assert run["step"] == step
        sizes.append(len(packed))
    # SSH, and what frames a chunk, are some 50 bytes more of the line.
    assert max(sizes[1:]) <= 250, sizes
    viewer.guard.close()
    async with asyncio.timeout(60):
        await viewer.asking


async def test_what_fails_while_an_answer_goes_on_ends_it_and_the_next_one_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    viewer = Followed(tmp_path, monkeypatch)
    assert (await viewer.message())["status"] == 200
    await viewer.message()
    viewer.fails = True
    (viewer.run / "status.json").write_text('{"status": "finished", "ended_at": 1764000001}')
    last = await viewer.message()
    assert last.get("more_body", False) is False
    await viewer.asking
    assert "ZeroDivisionError" in capfd.readouterr().err
    for version, status in ((0, 503), ("x", 400)):
        viewer.body = {"epoch": "", "version": version, "wait_seconds": 1, "follow": True}
        await viewer.guard(scope("runs"), viewer.receive, viewer.sent.put)
        assert (await viewer.message())["status"] == status
        await viewer.message()
