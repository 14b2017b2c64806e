"""The panel's widgets: what it looks like, without what it does."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from runicorn_jupyter.notebook.results import NO_MATH, plain

__all__ = [
    "AGENT",
    "KEY",
    "PASSWORD",
    "ConnectForm",
    "Question",
    "StatusLine",
    "ViewerForm",
    "field",
    "show",
]


def field(kind: type[widgets.Widget], label: str, **options: Any) -> widgets.Widget:
    """Make a labelled field.

    Parameters
    ----------
    kind
        The class of widget.
    label
        What stands before it; screen readers read it too.
    **options
        The class's own.
    """
    # Each field has a layout of its own: hiding one must not hide those that share it.
    layout = widgets.Layout(width="min(100%, 36em)")
    if issubclass(kind, widgets.Text):
        # As a whole, when it is left: keys sent one by one can come after the button that is pressed next.
        options = {"continuous_update": False, **options}
    return kind(description=label, style={"description_width": "11em"}, layout=layout, **options)


# JupyterLab's panel has the same words; a test compares the two.
KEY, AGENT, PASSWORD = "SSH key", "SSH agent only", "Password"

_TIMEOUT = 30
"""Seconds for all of connecting, as the API has it."""

_METHODS = {KEY: "key", AGENT: "agent", PASSWORD: "password"}


def show(widget: widgets.Widget, visible: bool) -> None:
    """Show or hide a widget, for the keyboard and screen readers too.

    Parameters
    ----------
    widget
        The widget.
    visible
        Whether to show it.
    """
    widget.layout.display = None if visible else "none"


class StatusLine(widgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """One line that screen readers read out when it changes; an error interrupts them."""

    def say(self, text: str, *, error: bool = False) -> None:
        """Show plain text.

        Parameters
        ----------
        text
            The sentence; it is escaped.
        error
            Whether something went wrong.
        """
        role = 'role="alert" style="color:var(--jp-error-color1,#b71c1c)"' if error else 'role="status"'
        self.value = f'<div class="{NO_MATH}" {role}>{html_escape(text)}</div>'


def html_escape(text: str) -> str:
    """Escape text that came from elsewhere, and drop what could hide or reorder it."""
    return html.escape(plain(text))


class ConnectForm(widgets.VBox):  # type: ignore[misc]
    """Where to connect and how to authenticate."""

    def __init__(self) -> None:
        self.host = field(
            widgets.Combobox,
            "Host",
            placeholder="name, address, alias or saved connection",
            ensure_option=False,
        )
        self.username = field(widgets.Text, "User name", placeholder="as the ssh config says")
        self.auth = field(widgets.Dropdown, "Authentication", options=list(_METHODS))
        self.secret = field(widgets.Password, "Password")
        self.port = field(widgets.BoundedIntText, "Port", value=22, min=1, max=65535)
        self.key = field(
            widgets.Text, "Private key file", placeholder="as the ssh config says, or a default key"
        )
        self.timeout = field(widgets.BoundedIntText, "Timeout in seconds", value=_TIMEOUT, min=1, max=600)
        self.save_as = field(
            widgets.Text, "Save this connection as", placeholder="a name, without the password"
        )
        self.connect_button = widgets.Button(description="Connect", button_style="primary")
        self.auth.observe(lambda _change: self._show_fields(), "value")
        self._show_fields()
        self.advanced = widgets.Accordion(
            [widgets.VBox([self.port, self.key, self.timeout, self.save_as])], titles=("Advanced",)
        )
        super().__init__(
            [self.host, self.username, self.auth, self.secret, self.advanced, self.connect_button]
        )

    def _show_fields(self) -> None:
        show(self.key, self.auth.value == KEY)
        show(self.secret, self.auth.value == PASSWORD)

    def fill(self, profile: dict[str, Any]) -> None:
        """Take over a saved connection.

        Parameters
        ----------
        profile
            As the API lists it.
        """
        self.host.value = profile["host"]
        self.username.value = profile.get("username") or ""
        self.port.value = profile.get("port") or 22
        self.key.value = profile.get("private_key_path") or ""
        self.timeout.value = profile.get("timeout") or _TIMEOUT
        method = profile.get("auth_method") or "key"
        self.auth.value = next(label for label, value in _METHODS.items() if value == method)

    def take(self) -> dict[str, Any]:
        """Return the arguments of ``connect``, and forget the password: widget state can be saved."""
        request: dict[str, Any] = {
            "host": self.host.value.strip(),
            "username": self.username.value.strip() or None,
            "port": self.port.value,
            "auth_method": _METHODS[self.auth.value],
            "timeout": self.timeout.value,
        }
        if self.auth.value == PASSWORD:
            request["password"] = self.secret.value
        elif self.auth.value == KEY and self.key.value.strip():
            request["private_key_path"] = self.key.value.strip()
        self.secret.value = ""
        return request


class ViewerForm(widgets.VBox):  # type: ignore[misc]
    """What to do with a connection."""

    def __init__(self) -> None:
        self.table = widgets.HTML()
        self.environment = field(widgets.Dropdown, "Environment", options=[])
        self.root = field(widgets.Text, "Storage root", placeholder="as that environment has it")
        self.open_button = widgets.Button(description="Open viewer", button_style="primary")
        self.stop_button = widgets.Button(description="Stop viewer")
        self.restart_button = widgets.Button(
            description="Restart viewer", tooltip="End the viewer, by force if need be, and start it anew"
        )
        self.look_button = widgets.Button(description="Look for environments again", layout={"width": "auto"})
        self.logs_button = widgets.Button(description="Logs", tooltip="Show what the viewer printed")
        self.runs_button = widgets.Button(description="Runs", tooltip="Show the runs of this viewer")
        self.disconnect_button = widgets.Button(description="Disconnect")
        self.buttons = [
            self.open_button,
            self.stop_button,
            self.restart_button,
            self.runs_button,
            self.logs_button,
            self.look_button,
            self.disconnect_button,
        ]
        row = widgets.HBox(self.buttons, layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([self.table, self.environment, self.root, row])


class Question(widgets.VBox):  # type: ignore[misc]
    """Something that only the person can answer; empty while nothing is asked."""

    def __init__(self) -> None:
        super().__init__([])
        self._refuse: Callable[[], None] | None = None
        show(self, False)

    def ask(
        self,
        text: str,
        fields: Sequence[tuple[str, bool]],
        *,
        yes: str,
        no: str,
        done: Callable[[list[str] | None], None],
    ) -> None:
        """Show the question; ``done`` gets the answers, or ``None``.

        Parameters
        ----------
        text
            What is asked; it is escaped.
        fields
            For each answer its label, and whether what is typed may show.
        yes, no
            The buttons' labels.
        done
            Called once, from the kernel's main thread.
        """
        style = f'class="{NO_MATH}" style="white-space:pre-wrap"'
        line = widgets.HTML(f'<div role="alert" {style}>{html_escape_lines(text)}</div>')
        inputs = [field(widgets.Text if visible else widgets.Password, label) for label, visible in fields]
        refuse, accept = widgets.Button(description=no), widgets.Button(description=yes)

        def finish(answers: list[str] | None) -> None:
            for field in inputs:
                field.value = ""
            self.clear()
            done(answers)

        accept.on_click(lambda _button: finish([field.value for field in inputs]))
        refuse.on_click(lambda _button: finish(None))
        self._refuse = lambda: finish(None)
        # The safe answer comes first, so that the keyboard meets it first.
        buttons = [accept, refuse] if fields else [refuse, accept]
        self.children = (line, *inputs, widgets.HBox(buttons))
        show(self, True)

    def refuse(self) -> None:
        """Say no for a person who has gone, if something is asked."""
        if self._refuse is not None:
            self._refuse()

    def clear(self) -> None:
        """Ask nothing any more."""
        self._refuse = None
        children, self.children = self.children, ()
        for child in children:
            child.close()
        show(self, False)


def html_escape_lines(text: str) -> str:
    """Escape text of several lines."""
    return "\n".join(html_escape(line) for line in text.split("\n"))
