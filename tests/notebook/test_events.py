"""Events reach a kernel's listeners from a real server, and again after it was away."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from runicorn_jupyter.client.events import RESYNC, SCHEMA_ID, EventStream, event_stream
from runicorn_jupyter.client.server import Server
from tests.world.jupyter import JupyterServer
from tests.world.relay import Relay

SECONDS = 60


def emit(jupyter: JupyterServer, **data: str) -> None:
    """Emit one of our events, through the server's own route for it."""
    body = {"schema_id": SCHEMA_ID, "version": "1", "data": data}
    headers = {"Authorization": f"token {jupyter.token}"}
    requests.post(f"{jupyter.url}api/events", json=body, headers=headers, timeout=60).raise_for_status()


def server_of(jupyter: JupyterServer) -> Server:
    """The server as the kernel finds it."""
    return Server(jupyter.url.rstrip("/"), jupyter.token)


def readers() -> list[threading.Thread]:
    """The threads that read events."""
    return [thread for thread in threading.enumerate() if thread.name == "runicorn-events"]


def test_listeners_get_our_events_until_they_leave(jupyter: JupyterServer) -> None:
    stream = EventStream(server_of(jupyter))
    first: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    second: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    leave_first = stream.subscribe(first.put, wait=SECONDS)
    leave_second = stream.subscribe(second.put, wait=SECONDS)
    thread = readers()
    assert len(thread) == 1
    emit(jupyter, type="viewer", connection_id="conn_1", status="running")
    for received in (first.get(timeout=SECONDS), second.get(timeout=SECONDS)):
        assert received["type"] == "viewer"
        assert received["connection_id"] == "conn_1"
    leave_first()
    emit(jupyter, type="closed", connection_id="conn_1")
    assert second.get(timeout=SECONDS)["type"] == "closed"
    assert first.empty()
    leave_second()
    leave_second()  # a second time does nothing
    thread[0].join(SECONDS)
    assert not thread[0].is_alive()


def test_a_failing_listener_does_not_keep_events_from_others(jupyter: JupyterServer, caplog: Any) -> None:
    stream = EventStream(server_of(jupyter))
    received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def fails(_event: dict[str, Any]) -> None:
        raise LookupError("a mistake")

    leave = [stream.subscribe(fails, wait=SECONDS), stream.subscribe(received.put, wait=SECONDS)]
    emit(jupyter, type="profiles")
    assert received.get(timeout=SECONDS)["type"] == "profiles"
    for each in leave:
        each()
    assert "a mistake" in caplog.text


def test_after_a_cut_it_says_that_events_may_be_missing(
    jupyter: JupyterServer, make_relay: Callable[..., Relay]
) -> None:
    line = make_relay("127.0.0.1", urlsplit(jupyter.url).port)
    received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    far = Server(f"http://127.0.0.1:{line.port}", jupyter.token)
    leave = EventStream(far).subscribe(received.put, wait=SECONDS)
    line.cut()
    emit(jupyter, type="closed", connection_id="conn_1")  # nobody hears of it
    line.mend()
    assert received.get(timeout=SECONDS)["type"] == RESYNC
    emit(jupyter, type="profiles")
    assert received.get(timeout=SECONDS)["type"] == "profiles"
    leave()


def test_a_wrong_token_gets_nothing_and_ends_when_asked(jupyter: JupyterServer) -> None:
    stream = EventStream(Server(jupyter.url.rstrip("/"), "wrong"))
    leave = stream.subscribe(lambda _event: None, wait=0.01)
    thread = readers()[0]
    leave()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_a_process_shares_one_stream_a_server() -> None:
    one = Server("http://127.0.0.1:1", "a")
    assert event_stream(one) is event_stream(Server("http://127.0.0.1:1", "a"))
    assert event_stream(Server("http://127.0.0.1:1", "b")).server.token == "b"
