"""RunicornPanel against a real server and a real sshd: what its widgets do when they are used."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import pytest

from runicorn_jupyter.notebook import RunicornPanel
from runicorn_jupyter.notebook.panel.form import KEY, PASSWORD
from runicorn_jupyter.notebook.session import NotebookSession
from tests.api.conftest import World
from tests.world.sshd import Sshd, make_key

SECONDS = 60
THREADS = {"runicorn-call", "runicorn-events", "runicorn-panel", "runicorn-panel-refresh"}
MIME = "application/vnd.runicorn.viewer+json"


class Used:
    """A panel and a person who looks at it."""

    def __init__(self, panel: RunicornPanel) -> None:
        self.panel = panel
        self._news = threading.Event()
        for widget in widgets_of(panel):
            widget.observe(self._changed)

    def _changed(self, _change: object) -> None:
        self._news.set()

    def until(self, condition: Callable[[], Any]) -> None:
        """Look again at each change until the condition holds."""
        while not condition():
            assert self._news.wait(SECONDS), self.panel.status.value
            self._news.clear()

    def says(self, text: str) -> None:
        """Wait until the status line says this."""
        self.until(lambda: text in self.panel.status.value)

    def click(self, button: widgets.Button) -> None:
        """Press a button as soon as it can be pressed."""
        self.until(lambda: not button.disabled)
        button.click()

    def fill(self, host: str, **fields: Any) -> None:
        """Fill the form and press Connect."""
        form = self.panel.form
        form.host.value = host
        for name, value in fields.items():
            getattr(form, name).value = value
        self.click(form.connect_button)

    def press(self, label: str) -> None:
        """Press a button of the question."""
        self.until(lambda: self.panel.question.children)
        (row,) = [child for child in self.panel.question.children if isinstance(child, widgets.HBox)]
        next(button for button in row.children if button.description == label).click()

    def type(self, text: str) -> widgets.Text:
        """Type into the question's first field."""
        self.until(lambda: self.panel.question.children)
        fields = [child for child in self.panel.question.children if isinstance(child, widgets.Text)]
        assert fields, self.panel.question.children
        fields[0].value = text
        return fields[0]


def widgets_of(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """A widget and all within it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from widgets_of(child)


def visible(widget: widgets.Widget) -> bool:
    """Whether the panel shows it."""
    return widget.layout.display != "none"


@pytest.fixture
def session(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotebookSession]:
    """What a kernel in the world's home would have."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(world.jupyter.info_file.parent))
    for name in ("JUPYTERHUB_SERVICE_URL", "JUPYTER_SERVER_URL", "JPY_PARENT_PID", "VSCODE_PID"):
        monkeypatch.delenv(name, raising=False)
    made = NotebookSession()
    assert made.server.url == world.jupyter.url.rstrip("/"), (
        made.server,
        sorted(world.jupyter.info_file.parent.iterdir()),
    )
    yield made
    made.close()
    # What a thread that ends later asks for would be asked of another server: that of the next test's world.
    for thread in [t for t in threading.enumerate() if t.name in THREADS]:
        thread.join(SECONDS)
        assert not thread.is_alive(), thread.name


@pytest.fixture
def used(session: NotebookSession) -> Iterator[Used]:
    """A panel that somebody looks at."""
    panel = RunicornPanel(session)
    yield Used(panel)
    panel.close()


def test_the_whole_job(used: Used, world: World) -> None:
    panel = used.panel
    assert visible(panel.form)
    assert panel.form.advanced.selected_index is None
    assert not visible(panel.form.secret)
    assert not visible(panel.actions)
    assert "gpu1" in panel.form.host.options
    used.fill("gpu1")
    used.until(lambda: visible(panel.actions))
    used.says("gpu1: connected")
    assert not visible(panel.form)
    used.until(lambda: panel.actions.environment.options)
    assert "not installed" in panel.actions.table.value
    assert [value for _, value in panel.actions.environment.options] == ["rc050", "rc060", "rc072"]

    panel.actions.environment.value = "rc072"
    used.click(panel.actions.open_button)
    used.until(lambda: panel.viewer.children)
    (output,) = panel.viewer.children
    assert output.outputs[0]["data"][MIME]["env_name"] == "rc072"
    used.says("viewer running in rc072")

    used.click(panel.actions.runs_button)
    used.until(lambda: re.search(r"<p>\d+ runs?</p>", panel.logs.value))
    used.click(panel.actions.logs_button)
    used.until(lambda: "<pre" in panel.logs.value)
    used.click(panel.actions.stop_button)
    used.until(lambda: not panel.viewer.children)
    used.click(panel.actions.disconnect_button)
    used.until(lambda: visible(panel.form))
    assert world.jupyter.get("connections").json()["connections"] == []
    assert world.sshd.left() == []

    used.fill("gpu1")
    used.until(lambda: panel.actions.environment.value == "rc072")  # not the first: that of the last time
    used.until(lambda: panel.actions.root.value.startswith("/"))


def test_a_viewer_that_answers_nothing_is_told_and_restarted_by_a_click(used: Used, world: World) -> None:
    panel = used.panel
    used.fill("gpu1")
    used.until(lambda: panel.actions.environment.options)
    panel.actions.environment.value = "rc072"
    used.click(panel.actions.open_button)
    used.says("viewer running in rc072")
    (before,) = (each["viewer"] for each in world.jupyter.get("connections").json()["connections"])
    os.kill(before["pid"], signal.SIGSTOP)
    used.says("viewer unresponsive in rc072: it answers nothing; Restart viewer starts it anew")
    used.click(panel.actions.restart_button)
    used.says("viewer running in rc072")
    (after,) = (each["viewer"] for each in world.jupyter.get("connections").json()["connections"])
    assert after["url"] == before["url"]
    assert after["pid"] != before["pid"]


def test_steps_are_shown_while_it_connects(used: Used) -> None:
    said: list[str] = []
    used.panel.status.observe(lambda change: said.append(change["new"]), "value")
    used.fill("gpu1")
    used.says("connected")
    assert any("Connecting to gpu1 …" in text for text in said)
    assert sum("…" in text for text in said) >= 3, said  # steps came by events


def test_it_follows_what_others_do_and_a_new_one_finds_it_all(
    used: Used, session: NotebookSession, world: World
) -> None:
    ident = world.connect()
    used.until(lambda: ident in [value for _, value in used.panel.connections.options])
    used.panel.connections.value = ident
    used.until(lambda: used.panel.actions.environment.options)
    url = world.start(ident, "rc072", auto_open=False)["url"]
    used.until(lambda: used.panel.viewer.children)
    panel = RunicornPanel(session)  # as after a restart of the kernel
    again = Used(panel)
    again.until(lambda: panel.viewer.children and panel.actions.environment.options)
    assert panel.connections.value == ident
    panel.close()
    # No widget holds a capability while the viewer shows: their state can be saved.
    state = json.dumps(widgets.Widget.get_manager_state())
    assert url.rstrip("/").rpartition("/")[2] not in state
    assert "runicorn/v/" not in state
    world.jupyter.delete(f"connections/{ident}")
    used.until(lambda: visible(used.panel.form))
    used.until(lambda: "connected" not in used.panel.status.value)


def test_an_unknown_host_is_asked_about_and_no_is_the_first_answer(
    used: Used, world: World, make_sshd: Callable[..., Sshd]
) -> None:
    other = make_sshd()
    fields = {"username": other.user, "port": other.port, "auth": KEY, "key": str(other.key_path)}
    used.fill(other.host, **fields)
    used.until(lambda: used.panel.question.children)
    text, row = used.panel.question.children
    assert "SHA256:" in text.value
    assert [button.description for button in row.children] == ["Don't connect", "Trust and connect"]
    used.press("Don't connect")
    used.says("is not trusted")
    assert not visible(used.panel.question)
    used.click(used.panel.form.connect_button)
    used.press("Trust and connect")
    used.says("connected")


def test_a_passphrase_is_typed_hidden_and_forgotten(
    used: Used, world: World, make_sshd: Callable[..., Sshd]
) -> None:
    other = make_sshd()
    world.home.trust(other)
    key = make_key(other.root / "locked", passphrase="canary phrase")
    other.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    used.fill(other.host, username=other.user, port=other.port, auth=KEY, key=str(key))
    field = used.type("canary phrase")
    assert isinstance(field, widgets.Password)
    used.press("Continue")
    used.says("connected")
    assert field.value == ""
    assert "canary" not in json.dumps(widgets.Widget.get_manager_state())


def test_a_password_leaves_the_widgets_state_at_once_and_is_not_saved(
    used: Used, world: World, make_sshd: Callable[..., Sshd]
) -> None:
    other = make_sshd(password="canary-Passw0rd")
    world.home.trust(other)
    fields = {"username": other.user, "port": other.port, "auth": PASSWORD, "save_as": "by password"}
    used.fill(other.host, **fields, secret="canary-Passw0rd")
    assert used.panel.form.secret.value == ""
    used.says("connected")
    state = json.dumps(widgets.Widget.get_manager_state())
    assert "canary" not in state
    assert "canary" not in repr(used.panel)
    saved = world.jupyter.get("profiles").json()["profiles"]
    world.jupyter.delete("profiles", name="by password")
    assert [(each["name"], each["auth_method"], each["port"]) for each in saved] == [
        ("by password", "password", other.port)
    ]
    assert "canary" not in json.dumps(saved)


def test_what_draws_no_widget_says_what_the_panel_is(used: Used) -> None:
    bundle = used.panel._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert "Run this cell to have it here." in bundle["text/html"]


def test_failures_are_said_and_the_panel_goes_on(used: Used) -> None:
    used.fill("")
    used.says("Say which host")
    used.fill("127.0.0.1", port=1)
    used.until(lambda: 'role="alert"' in used.panel.status.value)
    used.until(lambda: not used.panel.form.connect_button.disabled)
    used.fill("gpu1", port=22)
    used.says("connected")


def test_every_field_has_a_label() -> None:
    panel_fields = (widgets.Text, widgets.Dropdown, widgets.BoundedIntText)
    from runicorn_jupyter.notebook.panel.form import ConnectForm, ViewerForm

    for form in (ConnectForm(), ViewerForm()):
        fields = [w for w in widgets_of(form) if isinstance(w, panel_fields)]
        assert fields
        assert all(field.description for field in fields)


def test_a_saved_connection_fills_the_form(session: NotebookSession, world: World) -> None:
    world.jupyter.post("profiles", name="my lab", host="gpu1", username="someone", port=2222)
    try:
        panel = RunicornPanel(session)
        assert "my lab" in panel.form.host.options
        panel.form.host.value = "my lab"
        assert panel.form.host.value == "gpu1"
        assert panel.form.username.value == "someone"
        assert panel.form.port.value == 2222
        panel.close()
    finally:
        world.jupyter.delete("profiles", name="my lab")


def test_a_closed_panel_leaves_no_thread(session: NotebookSession) -> None:
    before = set(threading.enumerate())
    panel = RunicornPanel(session)
    mine = set(threading.enumerate()) - before
    assert {thread.name for thread in mine} >= {"runicorn-events", "runicorn-panel-refresh"}
    gone = weakref.ref(panel)
    panel.close()
    del panel
    for thread in mine:
        thread.join(SECONDS)
        assert not thread.is_alive()
    gc.collect()
    assert gone() is None


def test_a_panel_that_is_closed_while_it_asks_gives_up(
    session: NotebookSession, world: World, make_sshd: Callable[..., Sshd]
) -> None:
    other = make_sshd()
    panel = RunicornPanel(session)
    used = Used(panel)
    fields = {"username": other.user, "port": other.port, "auth": KEY, "key": str(other.key_path)}
    used.fill(other.host, **fields)
    used.until(lambda: panel.question.children)
    (asking,) = [thread for thread in threading.enumerate() if thread.name == "runicorn-panel"]
    panel.close()
    asking.join(SECONDS)
    assert not asking.is_alive()
    assert world.jupyter.get("connections").json()["connections"] == []
