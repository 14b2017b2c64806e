"""A viewer in an output: which one it is, and never where."""

from __future__ import annotations

import html
import json
from types import SimpleNamespace

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.notebook.display import MIME_TYPE, RunicornViewer, forgets_widgets
from runicorn_jupyter.notebook.viewer_widget import ViewerFrame
from tests.unit.recording import Recorder

URL = "http://127.0.0.1:8888/runicorn/v/0123456789abcdef0123456789abcdef/"
CONNECTION = {
    "connection_id": "conn_12345678",
    "host": "gpu<1>",
    "port": 2222,
    "username": "me",
    "viewer": {"env_name": "py torch", "remote_root": "/data/it's here", "url": URL, "status": "running"},
}


@pytest.fixture
def viewer(recorder: Recorder) -> RunicornViewer:
    recorder.answer("/api/remote/viewer/status", {"success": True, "viewer": CONNECTION["viewer"]})
    return RunicornViewer(RunicornRemoteClient(recorder.url, token="secret-token"), CONNECTION, height=480)


def test_the_output_says_which_viewer_it_is(viewer: RunicornViewer) -> None:
    bundle = viewer._repr_mimebundle_()
    assert set(bundle) == {MIME_TYPE, "text/html", "text/plain"}
    assert bundle[MIME_TYPE] == {
        "version": 1,
        "host": "gpu<1>",
        "port": 2222,
        "username": "me",
        "env_name": "py torch",
        "remote_root": "/data/it's here",
        "height": 480,
    }


def test_what_is_saved_holds_neither_url_nor_token(viewer: RunicornViewer) -> None:
    saved = json.dumps(viewer._repr_mimebundle_()) + repr(viewer) + repr(vars(viewer))
    for secret in ("0123456789abcdef", "runicorn/v", "secret-token"):
        assert secret not in saved


def test_a_page_that_nbconvert_makes_says_how_to_open_it_and_holds_no_secret(viewer: RunicornViewer) -> None:
    cell = nbformat.v4.new_code_cell("%runicorn_viewer")
    cell.outputs = [nbformat.v4.new_output("execute_result", data=viewer._repr_mimebundle_())]
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    text = html.unescape(page)
    assert "The live viewer is not part of a notebook's file" in text
    assert viewer.command() in text
    for secret in (URL, URL.split("/")[-2], "secret-token"):
        assert secret not in page


def test_the_fallback_says_how_to_open_it_again(viewer: RunicornViewer) -> None:
    command = """%runicorn_connect 'gpu<1>' -u me -p 2222 --env 'py torch' --root '/data/it'"'"'s here'"""
    assert viewer.command() == command
    assert command in repr(viewer)
    html = viewer._repr_mimebundle_()["text/html"]
    assert "gpu<1>" not in html
    assert "gpu&lt;1&gt;" in html


def test_the_url_is_there_for_code(viewer: RunicornViewer) -> None:
    assert viewer.url == URL
    assert viewer.status == "running"


@pytest.mark.parametrize("named", [True, False])
def test_vs_code_gets_a_widget(named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VSCODE_PID", raising=False)
    assert (
        forgets_widgets(SimpleNamespace(user_ns={"__vsc_ipynb_file__": "/a.ipynb"} if named else {})) is named
    )


def test_the_widgets_frame_is_sandboxed_and_named(viewer: RunicornViewer) -> None:
    frame = ViewerFrame(viewer)
    assert f'src="{URL}"' in frame.value
    assert 'sandbox="allow-scripts allow-forms allow-popups allow-downloads allow-modals"' in frame.value
    assert "allow-same-origin" not in frame.value
    assert 'title="Runicorn viewer of gpu&lt;1&gt;"' in frame.value
    assert "runicorn/v" not in str(frame._repr_mimebundle_())  # what a front end saves as the output
    frame.close()
