"""The live viewer in a widget, for front ends that keep widget state out of the saved file."""

from __future__ import annotations

import html
from urllib.parse import urlsplit

import ipywidgets as widgets

from runicorn_jupyter.notebook.display import RunicornViewer
from runicorn_jupyter.notebook.results import plain

__all__ = ["ViewerFrame"]

_SANDBOX = "allow-scripts allow-forms allow-popups allow-downloads allow-modals"
"""The words of the page's own Content-Security-Policy."""

_START = """
const box = this.parentNode, frame = box.querySelector('iframe'), hint = box.querySelector('[role=status]');
const show = () => {
  hint.hidden = true;
  frame.hidden = false;
  frame.src = frame.dataset.src;
};
const how = { method: 'HEAD', mode: 'no-cors', cache: 'no-store', referrerPolicy: 'no-referrer' };
const look = () => fetch(frame.dataset.src, how).then(show, () => undefined);
box.querySelector('button').onclick = look;
this.remove();
look();
setTimeout(() => {
  if (frame.hidden) {
    hint.hidden = false;
    look();
  }
}, 5000);
"""
"""Shows the frame once its server answers: where none does, a browser draws an error of its own."""

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
"""An image that is always there: scripts in a widget's HTML do not run, and its ``onload`` does."""


class ViewerFrame(widgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """A frame with the viewer, a link to open it in a browser, and what to do where the browser is elsewhere.

    The address of a kernel's server is on loopback, which is another machine's for the browser of VS Code
    Remote, Codespaces or code-server. Five seconds without an answer, and the output says which port to
    forward.

    Parameters
    ----------
    viewer
        The viewer; its URL goes into the widget's state, so only where `forgets_widgets`.
    """

    def __init__(self, viewer: RunicornViewer) -> None:
        address = viewer.url
        url = html.escape(address, quote=True)
        title = html.escape(f"Runicorn viewer of {plain(viewer.host)}", quote=True)
        link = f'<a href="{url}" target="_blank" rel="noopener noreferrer">Open the viewer in a browser</a>'
        frame = (
            f'<iframe hidden data-src="{url}" title="{title}" width="100%" height="{int(viewer.height)}" '
            f'style="border:0" sandbox="{_SANDBOX}" allow="clipboard-write"></iframe>'
        )
        hint = f'<div role="status" hidden>{_hint(address)} <button type="button">Try again</button></div>'
        start = f'<img hidden alt="" src="{_PIXEL}" onload="{html.escape(_START, quote=True)}">'
        super().__init__(f"<div><p>{link}</p>{hint}{frame}{start}</div>")

    def __repr__(self) -> str:
        # ipywidgets saves this as the output's text/plain, and its own would show the value.
        return "ViewerFrame()"


def _hint(address: str) -> str:
    """Say in HTML what to do where the page's browser cannot reach the viewer's server."""
    parts = urlsplit(address)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return f"<p>This page cannot reach {html.escape(f'{parts.scheme}://{parts.netloc}')}.</p>"
    return (
        f"<p><b>Forward port {parts.port}.</b> The viewer's server listens on the kernel's machine, at port "
        f"{parts.port}, and this page cannot reach it there. In VS Code click the link above, which forwards "
        f"the port, or do it in the <i>Ports</i> view; elsewhere: <code>ssh -L {parts.port}:127.0.0.1:"
        f"{parts.port} HOST</code>. Then try again. <code>c.RunicornJupyter.private_server_port</code> in "
        "<code>jupyter_server_config.py</code> keeps the port the same.</p>"
    )
