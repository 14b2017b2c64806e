"""The kernel's side of the live curves: what a page may ask, what it is told, and when nothing is asked."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.notebook.live_curves import LiveCurves
from tests.unit.recording import Recorder

RUNS, CURVES = "/api/remote/runs", "/api/remote/runs/curves"
TOKEN = "the-secret-of-the-server"
PATIENCE_SECONDS = 60


def run(ident: str, **fields: Any) -> dict[str, Any]:
    """A run, as far as the widget is concerned."""
    return {
        "connection_id": "conn_1", "run_id": ident, "name": f"name of {ident}", "host": "gpu1",
        "env_name": "torch", "status": "running", "metrics": {"loss": 0.5}, **fields,
    }  # fmt: skip


class Widget(LiveCurves):
    """The widget, with what it sends in a queue, as no kernel is there."""

    def __init__(self, *args: Any) -> None:
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()
        super().__init__(*args)

    def send(self, content: dict[str, Any], buffers: object = None) -> None:
        """Take what is sent to the page."""
        self.sent.put(content)

    def ask(self, **content: Any) -> dict[str, Any]:
        """Ask as the page does, and return the answer."""
        self._take(self, {"kind": "read", "id": "q", "names": ["loss"], "points": 100, **content}, [])
        return self.sent.get(timeout=PATIENCE_SECONDS)


@pytest.fixture
def widget(recorder: Recorder) -> Iterator[Widget]:
    with RunicornRemoteClient(recorder.url, token=TOKEN) as client:
        made = Widget(client, [run("a"), run("b", metrics={"acc": 1})], ["loss"])
    yield made
    made.close()


def key(ident: str, **fields: Any) -> dict[str, Any]:
    return {"connection_id": "conn_1", "run_id": ident, "since_step": 3, "version": "v-3", **fields}


def test_a_page_is_answered_about_the_widgets_own_runs(widget: Widget, recorder: Recorder) -> None:
    recorder.answer(CURVES, {"success": True, "runs": [{"run_id": "a"}]})
    answer = widget.ask(runs=[key("a")])
    assert answer == {"kind": "answer", "id": "q", "answer": {"success": True, "runs": [{"run_id": "a"}]}}
    assert recorder.asked[-1].body == {"runs": [key("a")], "names": ["loss"], "points": 100, "x": "step"}


@pytest.mark.parametrize(
    "asked",
    [{"runs": [key("z")]}, {"runs": [{}]}, {"runs": "a"}, {}, {"runs": [key("a")], "points": "many"}],
    ids=str,
)
def test_other_questions_are_refused_and_not_passed_on(
    widget: Widget, recorder: Recorder, asked: dict[str, Any]
) -> None:
    assert widget.ask(**asked)["error"]["code"] == "invalid_parameters"
    assert recorder.asked == []


def test_a_failure_has_its_code(widget: Widget, recorder: Recorder) -> None:
    recorder.answer(CURVES, {"success": False, "error": "memory_limit", "message": "Full."}, 503)
    assert widget.ask(runs=[key("a")])["error"] == {"code": "memory_limit", "message": "Full."}
    recorder.answer(CURVES, b"no JSON")
    assert widget.ask(runs=[key("a")])["error"]["code"] == "internal_error"


def page(*runs: dict[str, Any], error: dict[str, str] | None = None, server: bool = True) -> dict[str, Any]:
    servers = [{"connection_id": "conn_1", "error": error, "as_of": "2026-11-27T12:03:00Z"}]
    return {
        "success": True, "runs": list(runs), "removed": [], "reset": False, "version": "v-1",
        "next_cursor": None, "servers": servers if server else [],
    }  # fmt: skip


def look(widget: Widget, view: str, *, seen: bool) -> None:
    widget._take(widget, {"kind": "look", "view": view, "seen": seen}, [])


def until(widget: Widget, trait: str) -> threading.Event:
    """Return what is set as soon as a trait changes."""
    changed = threading.Event()
    widget.observe(lambda _change: changed.set(), trait)
    return changed


def test_runs_are_followed_while_somebody_looks(widget: Widget, recorder: Recorder) -> None:
    assert widget.offered == ["acc", "loss"]
    changed, told = until(widget, "runs"), until(widget, "problems")
    lost = {"code": "connection_lost", "message": "Down."}
    finished = run("a", status="finished", metrics={"lr": 1})
    recorder.answer(RUNS, page(finished, run("other"), error=lost))
    look(widget, "one", seen=True)
    look(widget, "two", seen=True)
    assert changed.wait(PATIENCE_SECONDS)
    assert told.wait(PATIENCE_SECONDS)
    first, second = widget.runs
    assert (first["status"], first["change"], second["change"]) == ("finished", 1, 0)
    as_of = "2026-11-27T12:03:00Z"
    lost_one = {"connection": "conn_1", "host": "gpu1", "code": "connection_lost", "as_of": as_of}
    assert widget.problems == [lost_one]
    # The socket for events asks too.
    asked = [each.query for each in recorder.asked if each.path == RUNS]
    assert asked[0] == {"connection_id": ["conn_1"], "limit": ["2000"]}

    # One of two views is out of sight.
    look(widget, "one", seen=False)
    told = until(widget, "problems")
    recorder.answer(RUNS, page(server=False))
    widget._heard({"type": "connection"})
    assert told.wait(PATIENCE_SECONDS)
    assert widget.problems[0]["code"] == "viewer_not_running"
    asked = [each.query for each in recorder.asked if each.path == RUNS]
    assert asked[-1]["changed_since"] == ["v-1"]
    look(widget, "two", seen=False)
    assert widget._unsubscribe is None


def test_a_server_that_is_gone_is_told_of(widget: Widget, recorder: Recorder) -> None:
    told = until(widget, "problems")
    recorder.answer(RUNS, {"success": False, "error": "misconfigured", "message": "Wrong."}, 503)
    look(widget, "one", seen=True)
    assert told.wait(PATIENCE_SECONDS)
    assert widget.problems[0]["code"] == "misconfigured"


def test_its_state_holds_no_address_and_no_secret(widget: Widget, recorder: Recorder) -> None:
    state = widget.get_state()
    assert "export" in state.pop("_esm")
    text = json.dumps(state)
    assert TOKEN not in text
    assert f":{recorder.port}" not in text
    assert repr(widget) == "LiveCurves()"
