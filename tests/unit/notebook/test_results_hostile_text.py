"""Text that another machine chose stays text, whatever it holds: in terminals, in pages, in prompts."""

from __future__ import annotations

import builtins
import unicodedata
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from IPython.core.error import UsageError

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from runicorn_jupyter.notebook.display import RunicornViewer
from runicorn_jupyter.notebook.panel.form import Question, StatusLine
from runicorn_jupyter.notebook.plot import RunPlot
from runicorn_jupyter.notebook.progress import _Line
from runicorn_jupyter.notebook.prompts import CellPrompter
from runicorn_jupyter.notebook.results import Connection, Connections, Environments, Logs, Status
from runicorn_jupyter.notebook.runs import chosen, run_table
from runicorn_jupyter.notebook.session import one_line_errors
from runicorn_jupyter.notebook.viewer_widget import ViewerFrame
from tests.unit.recording import Recorder

NASTY = [
    "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x1b]52;c;cm0gLXJm\x07", "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31mC1", "back\b\b\bspace", "over\rwritten", "bell\a", "\x00nul", "\x7fdel", "two\nlines\r\nthree",
    "\u202egnp.exe", "\u2066isolate\u2069", "zero\u200bwidth", "\ufeffbom", "\u2028line\u2029paragraph",
    "tag\U000e0041", "lone \udc80 surrogate", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "\"'><b onclick='x'>", "</td></tr></table><iframe src=//evil>", "&lt;b&gt;",
    "$\\href{javascript:alert(1)}{x}$", "`$(id)`; %run x", "{{7*7}}", "![](http://evil)",
]  # fmt: skip
ALL = " ".join(NASTY)
TAGS = {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "p",
    "b",
    "br",
    "code",
    "pre",
    "button",
    "div",
    "a",
    "iframe",
    "i",
    "details",
    "summary",
}


class Page(HTMLParser):
    """The elements of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def assert_text(shown: str) -> None:
    """Nothing in it moves, hides or reorders what is shown."""
    bad = {c for c in shown if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    assert bad == set()


def assert_page(shown: str, *, frames: int = 0) -> None:
    """It holds our own elements only, and text."""
    assert_text(shown)
    elements = Page(shown).elements
    assert {tag for tag, _ in elements} <= TAGS
    assert sum(tag == "iframe" for tag, _ in elements) == frames
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    assert not [
        a["href"] for _, a in elements if "href" in a and not str(a["href"]).startswith("http://127.0.0.1")
    ]


RUN = {
    **dict.fromkeys(("connection_id", "run_id", "name", "path", "project", "host", "env_name"), ALL),
    "remote_root": ALL,
    **dict.fromkeys(("created_at", "started_at", "ended_at", "duration_seconds", "step")),
    "status": "running", "tags": NASTY, "metrics": {ALL: "NaN", "name": 1.5}, "page": f"/runs/{ALL}",
}  # fmt: skip
CONNECTION = {
    **dict.fromkeys(("name", "host", "username", "connection_id"), ALL), "port": 22, "status": ALL,
    "server_info": {"os": ALL}, "viewer": {"status": ALL, "env_name": ALL, "remote_root": ALL},
}  # fmt: skip
ENVIRONMENT = dict.fromkeys(("name", "type", "python_version", "runicorn_version", "storage_root"), ALL)
STATUS = {**CONNECTION, "health": ALL, "checks": {ALL: ALL}}


@pytest.mark.parametrize(
    "shown",
    [
        Environments([{**ENVIRONMENT, "runicorn_installed": True}]),
        Connections([CONNECTION]),
        Connection(CONNECTION),
        Status(STATUS),
        Logs(NASTY),
        run_table([RUN], [CONNECTION]),
        _Line(ALL, ALL),
        RunPlot([(ALL, {"steps": [1], "metrics": {ALL: [1.0]}})]),
    ],
    ids=lambda shown: type(shown).__name__,
)
def test_results(shown: Any) -> None:
    assert_text(repr(shown))
    bundle = shown._repr_mimebundle_() if hasattr(shown, "_repr_mimebundle_") else {}
    html = shown._repr_html_() if hasattr(shown, "_repr_html_") else bundle.get("text/html", "")
    assert_page(html)
    assert not html or "mathjax_ignore" in html or html.startswith("<pre")
    assert_text(bundle.get("text/plain", ""))


def test_a_dataframe_that_is_made_of_runs() -> None:
    table = run_table([RUN], [CONNECTION])
    assert_text(table.drop(columns="page").to_string())
    assert_text(str(dict(table.iloc[0])))
    assert list(table["name (metric)"]) == [1.5]


@pytest.fixture
def viewer(recorder: Recorder) -> Iterator[RunicornViewer]:
    recorder.answer(
        "/api/remote/viewer/status", {"success": True, "viewer": {"url": "http://127.0.0.1/x", "status": ALL}}
    )
    with RunicornRemoteClient(recorder.url) as client:
        yield RunicornViewer(client, {**CONNECTION, "connection_id": "conn_1"})


def test_a_viewer(viewer: RunicornViewer) -> None:
    bundle = viewer._repr_mimebundle_()
    assert_text(repr(viewer))
    assert_text(bundle["text/plain"])
    assert_page(bundle["text/html"])
    frame = ViewerFrame(viewer)
    # Its one script is a constant: what differs between two viewers is not in it.
    page, _, script = frame.value.partition('<img hidden alt="" src="data:image/gif;base64,')
    assert_page(page, frames=1)
    assert not [text for text in NASTY if text in script]
    frame.close()


def test_the_panel() -> None:
    status, question = StatusLine(), Question()
    status.say(ALL, error=True)
    assert_page(status.value)
    question.ask(ALL, [], yes="yes", no="no", done=lambda _: None)
    assert_page(question.children[0].value)
    question.clear()


@pytest.mark.parametrize(
    "fails",
    [
        lambda: ApiError(ALL, code="authentication_failed", details={"allowed_methods": [ALL]}),
        lambda: UsageError(ALL),
        lambda: ValueError(ALL),
    ],
)
def test_errors_are_one_line_of_text(fails: Callable[[], Exception]) -> None:
    with pytest.raises(UsageError) as raised, one_line_errors():
        raise fails()
    assert_text(str(raised.value))
    assert "\n" not in str(raised.value)


def test_a_run_that_is_not_there() -> None:
    for runs in ([], [RUN, RUN]):
        with pytest.raises(UsageError) as raised:
            chosen(runs, [ALL])
        assert_text(str(raised.value))


def test_prompts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    prompts: list[str] = []

    def answer(prompt: str = "") -> str:
        prompts.append(prompt)
        return "n"

    monkeypatch.setattr(builtins, "input", answer)
    monkeypatch.setattr("getpass.getpass", answer)
    asker = CellPrompter()
    asker.confirm_host_key({"host": ALL, "port": 22, "key_type": ALL, "fingerprint_sha256": ALL})
    asker.prompt(ALL, [{"text": ALL, "echo": True}, {"text": ALL, "echo": False}])
    assert len(prompts) == 3
    for text in [*prompts, capsys.readouterr().out]:
        assert_text(text)
