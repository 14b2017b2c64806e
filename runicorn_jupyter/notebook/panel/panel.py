"""``RunicornPanel``: the whole job in a notebook without a line of code."""

from __future__ import annotations

import html
import queue
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
import requests
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

from runicorn_jupyter.client import ApiError, RunicornRemoteClient, still_reading
from runicorn_jupyter.client.events import Event, event_stream
from runicorn_jupyter.notebook import connect_flow
from runicorn_jupyter.notebook.coalesce import CoalescedTask
from runicorn_jupyter.notebook.display import RunicornViewer, forgets_widgets
from runicorn_jupyter.notebook.panel.form import ConnectForm, Question, StatusLine, ViewerForm, field, show
from runicorn_jupyter.notebook.progress import event_text, reading_text
from runicorn_jupyter.notebook.results import NO_MATH, Environments, Logs, plain, viewer_word
from runicorn_jupyter.notebook.server_words import ServerWords
from runicorn_jupyter.notebook.session import NotebookSession, last_opened, one_line_errors
from runicorn_jupyter.notebook.viewer_widget import ViewerFrame

__all__ = ["RunicornPanel"]

_ANSWER_SECONDS = 120.0
"""Seconds for a person to answer: as long as the server keeps a challenge open."""

_NEW = ""
"""The value of "New connection" among the connections' ids."""

_LOG_LINES = 200

_NOT_DRAWN = (
    "<b>Runicorn panel</b><br>The panel lives in the kernel that made it, and is not part of a notebook's "
    "file. Run this cell to have it here."
)


class RunicornPanel(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Connect to a server, choose an environment, see its viewer, and leave again.

    It shows the connections of the Jupyter server, whoever made them, and follows the server's
    events; after a restart of the kernel a new panel finds them again.

    Parameters
    ----------
    session
        What the magics of this kernel share; default: a new one.
    """

    _unsubscribe: Callable[[], None] | None = None  # a half-made panel is closed too

    def __init__(self, session: NotebookSession | None = None) -> None:
        self._session = session or NotebookSession()
        self._client = self._session.client
        self._lock = threading.RLock()
        self._connections: dict[str, dict[str, Any]] = {}
        self._environments: dict[str, Environments] = {}
        self._profiles: dict[str, dict[str, Any]] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._offered = _NEW
        self._shown: tuple[object, ...] | None = None
        self._request_id = self._failure = ""
        self.status = StatusLine()
        self.connections = field(widgets.Dropdown, "Connection", options=[("New connection …", _NEW)])
        self.form, self.actions, self.question = ConnectForm(), ViewerForm(), Question()
        self.viewer = widgets.VBox([])
        self.logs, self.words = widgets.HTML(), widgets.HTML()
        super().__init__(
            [
                self.connections,
                self.form,
                self.actions,
                self.words,
                self.question,
                self.status,
                self.logs,
                self.viewer,
            ]
        )
        self._refresh = CoalescedTask(self._read)
        self._wire()
        self._unsubscribe = event_stream(self._client.server).subscribe(self._heard)
        self._offer()
        self._read()

    def __repr__(self) -> str:
        return "RunicornPanel()"  # it is saved with the notebook, and ipywidgets' own shows every field

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Return what a front end shows, with a sentence for one that does not draw this kernel's widgets."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": f'<p class="{NO_MATH}">{_NOT_DRAWN}</p>'}

    def close(self) -> None:
        """Take the panel away; the connections stay."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._refresh.stop()
            self.question.refuse()
            for part in list(_parts(self)):  # ipywidgets keeps what is not closed
                part.close()
        super().close()

    def _wire(self) -> None:
        clicks: list[tuple[widgets.Button, Callable[[], None]]] = [
            (self.form.connect_button, self._connect),
            (self.actions.open_button, self._open),
            (self.actions.stop_button, self._stop),
            (self.actions.restart_button, self._restart),
            (self.actions.look_button, self._look),
            (self.actions.logs_button, self._show_logs),
            (self.actions.runs_button, self._show_runs),
            (self.actions.disconnect_button, self._disconnect),
        ]
        for button, action in clicks:
            button.on_click(lambda _button, action=action: action())
        self.connections.observe(lambda _change: self._refresh.ask(), "value")
        self.form.host.observe(self._host_chosen, "value")
        # A root that was offered with one environment is none that another has.
        self.actions.environment.observe(lambda _change: setattr(self.actions.root, "value", ""), "value")

    # -- what is there ----------------------------------------------------------------------------

    def _offer(self) -> None:
        """Offer the aliases of the ssh config and the saved connections as hosts."""
        with one_line_errors():
            aliases = [entry["alias"] for entry in self._client.list_hosts()]
            self._profiles = {entry["name"]: entry for entry in self._client.list_profiles()}
            recent = [entry["host"] for entry in self._client.recent()]
        self.form.host.options = tuple(dict.fromkeys([*recent, *self._profiles, *aliases]))

    def _host_chosen(self, change: dict[str, Any]) -> None:
        profile = self._profiles.get(change["new"])
        if profile is not None and profile["host"] != change["new"]:
            self.form.fill(profile)

    def _heard(self, event: Event) -> None:
        """Take an event, on the events' thread."""
        kind = event.get("type")
        if kind == "progress":
            if not self._request_id or event.get("request_id") != self._request_id:
                return
            if event.get("step") == "message":
                self._show_words(event.get("host"), event.get("text"))
            else:
                self.status.say(event_text(event))
        elif kind not in ("run", "runs", "more"):
            self._refresh.ask()

    def _show_words(self, host: object, text: object) -> None:
        """Show what a server says while it lets somebody in; nothing where it says nothing."""
        self.words.value = ServerWords(str(host or "The server"), str(text)).to_html() if text else ""

    def _read(self) -> None:
        """Read the connections again and draw what changed."""
        try:
            found = self._session.named(self._client.list_connections())
            with self._lock:
                self._connections = {entry["connection_id"]: entry for entry in found}
                self._draw_connections()
            self._read_environments()
        except requests.RequestException as exc:
            self._failure = self._failure or str(exc)
        with self._lock:
            self._draw()

    def _read_environments(self) -> None:
        """Read the environments of the connection that is shown, once; the server has them."""
        current = self._current
        if current is not None and current["connection_id"] not in self._environments:
            ident = current["connection_id"]
            last = last_opened(self._client, current)  # before the other, which other threads go by
            if last is not None:
                self._last[ident] = last
            self._environments[ident] = Environments.of(self._client.read_environments(ident))

    def _draw_connections(self) -> None:
        chosen = self.connections.value
        options = [("New connection …", _NEW)]
        for ident, entry in self._connections.items():
            label = f"{entry['name']} · {entry['username']}@{entry['host']} · {entry['status']}"
            options.append((plain(label), ident))
        if tuple(options) == tuple(self.connections.options):
            return
        first = not self.connections.options or self._shown is None
        self.connections.options = options
        if chosen in self._connections:
            self.connections.value = chosen
        elif first and self._connections:
            self.connections.value = next(iter(self._connections))

    @property
    def _current(self) -> dict[str, Any] | None:
        return self._connections.get(self.connections.value)

    def _draw(self) -> None:
        busy, current = bool(self._request_id), self._current
        viewer = (current or {}).get("viewer")
        show(self.form, current is None)
        show(self.actions, current is not None)
        self._draw_viewer(current, viewer)
        if current is None:
            self.logs.value = ""
        else:
            self._draw_environments(self._environments.get(current["connection_id"], Environments()))
        self.form.connect_button.disabled = busy
        for button in self.actions.buttons:
            button.disabled = busy
        for button in (self.actions.stop_button, self.actions.restart_button, self.actions.runs_button):
            button.disabled = busy or viewer is None
        self.actions.open_button.disabled = busy or not self.actions.environment.options
        if self._failure:
            self.status.say(self._failure, error=True)
        elif current is not None and not busy:
            state = f"; viewer {viewer_word(viewer)} in {viewer['env_name']}" if viewer else ""
            if viewer and viewer_word(viewer) == "unresponsive":
                state += ": it answers nothing; Restart viewer starts it anew"
            self.status.say(f"{current['username']}@{current['host']}: {current['status']}{state}.")
        elif not busy:
            self.status.say("")

    def _draw_environments(self, environments: Environments) -> None:
        self.actions.table.value = environments._repr_html_()
        options = [
            (
                plain(f"{e['name']} · Python {e['python_version']} · Runicorn {e['runicorn_version']}"),
                e["name"],
            )
            for e in environments.with_runicorn
        ]
        ident = self.connections.value
        if tuple(options) == tuple(self.actions.environment.options) and ident == self._offered:
            return
        self._offered = ident
        self.actions.environment.options = options
        self.actions.root.value = ""
        last = self._last.get(ident)
        if last is not None and last["env_name"] in [name for _, name in options]:
            self.actions.environment.value = last["env_name"]
            self.actions.root.value = last["remote_root"] or ""

    def _draw_viewer(self, current: dict[str, Any] | None, viewer: dict[str, Any] | None) -> None:
        live = viewer is not None and viewer["status"] in {"running", "reconnecting"}
        key: tuple[object, ...] = ()
        if current is not None and viewer is not None and live:
            key = (current["connection_id"], viewer["env_name"], viewer["remote_root"], viewer["started_at"])
        if key == self._shown:
            return
        self._shown = key
        if not key or current is None:
            self.viewer.children = ()
            return
        drawn = RunicornViewer(self._client, current)
        if forgets_widgets(get_ipython()):
            self.viewer.children = (ViewerFrame(drawn),)
            return
        output = widgets.Output()
        output.append_display_data(drawn)
        self.viewer.children = (output,)

    # -- what a person does -----------------------------------------------------------------------

    def _work(self, title: str, work: Callable[[RunicornRemoteClient], None]) -> None:
        """Do something on a thread of its own, so that the kernel and the panel stay free."""
        if self._request_id:
            return  # the buttons cannot be pressed meanwhile
        request_id = uuid.uuid4().hex
        try:
            with one_line_errors():
                self._reach()
                client = self._session.new_client(request_id)
        except UsageError as exc:
            self._refuse(str(exc))
            return
        with self._lock:
            self._request_id, self._failure = request_id, ""
            self.words.value = ""
            self._draw()
        self.status.say(f"{title} …")
        threading.Thread(target=self._run, args=(work, client), daemon=True, name="runicorn-panel").start()

    def _reach(self) -> None:
        """Find the server again, or start one, where the last is gone.

        Only where a person acts: a thread that ends after the panel must not start a server.
        """
        before, self._client = self._client, self._session.client
        if self._unsubscribe is not None and self._client.server != before.server:
            self._unsubscribe()
            self._unsubscribe = event_stream(self._client.server).subscribe(self._heard)

    def _run(self, work: Callable[[RunicornRemoteClient], None], client: RunicornRemoteClient) -> None:
        try:
            with one_line_errors(), client:
                work(client)
            self.words.value = ""
        except UsageError as exc:
            self._failure = str(exc)
            if isinstance(exc.__cause__, ApiError) and "server_message" in exc.__cause__.details:
                self._show_words(None, exc.__cause__.details["server_message"])
        finally:
            self._request_id = ""
            self._read()

    def _refuse(self, why: str) -> None:
        self._failure = why
        self.status.say(why, error=True)

    def _connect(self) -> None:
        request = self.form.take()
        if not request["host"]:
            self._refuse("Say which host to connect to.")
            return

        name = self.form.save_as.value.strip()

        def work(client: RunicornRemoteClient) -> None:
            answer = connect_flow.connect(lambda step: step(client), request, self)
            ident = answer["connection_id"]
            self._session.name(request["host"], ident)
            if name:
                saved = {key: value for key, value in request.items() if key not in ("host", "password")}
                client.save_profile(name, request["host"], **saved)
                self.form.save_as.value = ""
            self._read()
            self.connections.value = ident

        self._work(f"Connecting to {request['host']}", work)

    def _look(self) -> None:
        ident = self.connections.value

        def work(client: RunicornRemoteClient) -> None:
            found = client.detect_environments(ident, force_refresh=True)
            self._environments[ident] = Environments.of(found)

        self._work("Looking for environments", work)

    def _open(self) -> None:
        ident, env, root = (
            self.connections.value,
            self.actions.environment.value,
            self.actions.root.value.strip(),
        )
        if env is None:
            self._refuse("No environment has runicorn; install it there with pip and look again.")
            return
        self._work(
            f"Starting the viewer in {env}", lambda c: _ignore(c.start_viewer(ident, env, root, False))
        )

    def _restart(self) -> None:
        ident = self.connections.value
        viewer = (self._current or {}).get("viewer")
        if viewer is None:
            return  # the button cannot be pressed
        env, root = viewer["env_name"], viewer["remote_root"]
        self._work(
            f"Restarting the viewer in {env}",
            lambda c: _ignore(c.start_viewer(ident, env, root, False, replace=True)),
        )

    def _stop(self) -> None:
        ident = self.connections.value
        self._work("Stopping the viewer", lambda client: _ignore(client.stop_viewer(ident)))

    def _disconnect(self) -> None:
        ident = self.connections.value
        self._work("Disconnecting", lambda client: _ignore(client.disconnect(ident)))

    def _show_logs(self) -> None:
        ident = self.connections.value

        def work(client: RunicornRemoteClient) -> None:
            lines = Logs(client.get_viewer_logs(ident, _LOG_LINES))
            self.logs.value = f"<details open><summary>Logs</summary>{lines._repr_html_()}</details>"

        self._work("Reading the logs", work)

    def _show_runs(self) -> None:
        ident = self.connections.value

        def work(client: RunicornRemoteClient) -> None:
            from runicorn_jupyter.notebook.runs import run_table  # noqa: PLC0415 - pandas is slow

            runs = client.list_runs(connection_id=ident, on_progress=self._show_reading)
            table = run_table(runs, client.list_connections())
            servers = [s for s in client.list_run_servers() if s["connection_id"] == ident]
            text = f"{_reading(servers)}{table._repr_html_()}"
            self.logs.value = f"<details open><summary>Runs</summary>{text}</details>"

        self._work("Reading the runs", work)

    def _show_reading(self, servers: Sequence[dict[str, Any]]) -> None:
        self.logs.value = _reading(servers)

    # -- questions (the Prompter protocol), on the work's thread ---------------------------------------

    def confirm_host_key(self, host_key: dict[str, Any]) -> bool:
        """Ask whether to trust an unknown host key."""
        text = (
            f"The host {host_key['host']}, port {host_key['port']}, is not known. Its key is\n"
            f"{host_key['key_type']} {host_key['fingerprint_sha256']}\n"
            "Compare it with what the server's owner says."
        )
        return self._ask(text, [], yes="Trust and connect", no="Don't connect") is not None

    def prompt(self, instruction: str, prompts: Sequence[dict[str, Any]]) -> list[str] | None:
        """Ask for codes or passphrases."""
        fields = [(plain(p.get("text", "")).strip() or "Answer:", bool(p.get("echo"))) for p in prompts]
        return self._ask(instruction or "The server asks:", fields, yes="Continue", no="Cancel")

    def _ask(self, text: str, fields: list[tuple[str, bool]], *, yes: str, no: str) -> list[str] | None:
        answers: queue.SimpleQueue[list[str] | None] = queue.SimpleQueue()
        self.question.ask(text, fields, yes=yes, no=no, done=answers.put)
        try:
            return answers.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            self.question.clear()
            return None


def _parts(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _parts(child)
        yield child


def _ignore(_answer: object) -> None:
    """Drop an answer that the next reading tells anyway."""


def _reading(servers: Sequence[dict[str, Any]]) -> str:
    """Say which viewers still take up their runs; nothing where none does."""
    reading = still_reading(servers)
    return f"<p>{html.escape(plain(reading_text(reading)))}</p>" if reading else ""
