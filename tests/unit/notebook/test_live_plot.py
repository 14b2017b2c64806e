"""What an output with live curves holds, and what is saved of it."""

from __future__ import annotations

import base64
import json
import math
from types import SimpleNamespace
from typing import Any

import pytest

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.client.server import Server
from runicorn_jupyter.notebook import live_plot
from runicorn_jupyter.notebook.live_plot import MIME_TYPE, LivePlot
from runicorn_jupyter.notebook.plot import VEGA_LITE, RunPlot, points_each
from runicorn_jupyter.notebook.results import labels_of

TOKEN = "the-secret-of-the-server"
WIDGET = "application/vnd.jupyter.widget-view+json"
STILL_BYTES = 200_000


def made(count: int = 2, *, source: str = "kernel", steps: int | None = None) -> LivePlot:
    runs = [
        {"connection_id": "conn_1", "run_id": f"20261127_1203{at:02}_abcdef", "name": f"训练运行-{at} " * 8,
         "host": "gpu1", "env_name": "torch", "status": "running", "metrics": {"loss": 1.0}}
        for at in range(count)
    ]  # fmt: skip
    at = list(range(points_each(count) if steps is None else steps))
    curve = {"steps": at, "metrics": {"loss": [math.sin(step) / math.pi for step in at]}}
    still = RunPlot([(label, curve) for label in labels_of(runs)])
    client = RunicornRemoteClient.for_server(Server(url="http://127.0.0.1:1", token=TOKEN, source=source))
    return LivePlot(client, runs, ["loss"], still)


def test_an_output_of_the_pages_own_server_needs_no_kernel() -> None:
    data = made()._repr_mimebundle_()
    assert set(data) == {MIME_TYPE, VEGA_LITE, "image/png", "text/plain"}
    assert set(data[MIME_TYPE]) == {"version", "metrics", "runs", "as_of"}
    assert data[MIME_TYPE]["metrics"] == ["loss"]
    assert data[MIME_TYPE]["runs"][0]["run_id"] == "20261127_120300_abcdef"
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "as of 20" in json.dumps(data[VEGA_LITE])
    text = json.dumps(data)
    assert TOKEN not in text
    assert "127.0.0.1" not in text
    assert "conn_1" not in text


@pytest.mark.parametrize("where", ["private", "vs code"])
def test_another_front_end_gets_a_widget(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(user_ns={"__vsc_ipynb_file__": "a.ipynb"} if where == "vs code" else {})
    monkeypatch.setattr(live_plot, "get_ipython", lambda: shell)
    plot = made(source="private" if where == "private" else "kernel")
    data = plot._repr_mimebundle_()
    assert set(data) == {WIDGET, VEGA_LITE, "image/png", "text/plain"}
    assert data[WIDGET]["model_id"] == plot.widget.model_id
    assert plot._display_() is plot.widget
    plot.widget.close()


def test_a_still_of_many_long_runs_fits() -> None:
    data: dict[str, Any] = made(40)._repr_mimebundle_()
    still = json.dumps(data[VEGA_LITE], ensure_ascii=False).encode()
    assert len(still) + len(data.get("image/png", "")) <= STILL_BYTES


def test_runs_without_values_yet_have_no_still() -> None:
    assert set(made(steps=0)._repr_mimebundle_()) == {MIME_TYPE, "text/plain"}
