"""The viewer in an output: live where the front end can, and nothing secret in what is saved.

What a cell shows is saved with the notebook. So the output says which viewer it is (host, user,
environment, root) and never where it is: a viewer's URL is a capability. Our front-end extension for
JupyterLab and Notebook 7 draws the live viewer from that. Other front ends show how to open it again,
and where one is known to keep widget state out of the file, a widget with the live frame.
"""

from __future__ import annotations

import html
import os
import shlex
from typing import Any

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.notebook.results import NO_MATH, plain

__all__ = ["MIME_TYPE", "RunicornViewer", "forgets_widgets"]

MIME_TYPE = "application/vnd.runicorn.viewer+json"
"""The MIME type that ``labextension/`` renders."""

DEFAULT_HEIGHT = 600
"""Height of the frame in CSS pixels."""


class RunicornViewer:
    """A running viewer, to be shown in a notebook.

    Parameters
    ----------
    client
        A client of the server that holds the connection.
    connection
        As ``list_connections`` gives it, with its ``viewer``.
    height
        Height of the frame in CSS pixels.
    """

    def __init__(
        self, client: RunicornRemoteClient, connection: dict[str, Any], *, height: int = DEFAULT_HEIGHT
    ) -> None:
        viewer = connection.get("viewer") or {}
        self._client = client
        self.connection_id: str = connection["connection_id"]
        self.host: str = connection["host"]
        self.port: int = connection["port"]
        self.username: str = connection["username"]
        self.env_name: str | None = viewer.get("env_name")
        self.remote_root: str | None = viewer.get("remote_root")
        self.height = height

    @property
    def url(self) -> str:
        """The address to open in a browser. Whoever has it can use the viewer, so it is never saved."""
        url: str = self._client.get_viewer_status(self.connection_id)["viewer"]["url"]
        return url

    @property
    def status(self) -> str:
        """``running``, ``reconnecting``, ``crashed``, …, as it is now."""
        status: str = self._client.get_viewer_status(self.connection_id)["viewer"]["status"]
        return status

    def command(self) -> str:
        """Return the magic that opens this viewer again (after ``%load_ext runicorn_jupyter``)."""
        words = ["%runicorn_connect", self.host, "-u", self.username]
        if self.port != 22:
            words += ["-p", str(self.port)]
        if self.env_name:
            words += ["--env", self.env_name]
        if self.remote_root:
            words += ["--root", self.remote_root]
        return shlex.join(plain(word) for word in words).replace("'%runicorn_connect'", "%runicorn_connect")

    def __repr__(self) -> str:
        where = f"{plain(self.username)}@{plain(self.host)}"
        what = f"environment {plain(self.env_name)}, {plain(self.remote_root)}"
        again = f"%load_ext runicorn_jupyter\n{self.command()}"
        return (
            f"Runicorn viewer of {where}, {what}\nThe live viewer is not saved; it opens again with:\n{again}"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        title = html.escape(
            f"{plain(self.username)}@{plain(self.host)} · {plain(self.env_name)} · {plain(self.remote_root)}"
        )
        return {
            MIME_TYPE: {
                "version": 1,
                "host": self.host,
                "port": self.port,
                "username": self.username,
                "env_name": self.env_name,
                "remote_root": self.remote_root,
                "height": self.height,
            },
            "text/html": (
                f'<p class="{NO_MATH}"><b>Runicorn viewer</b> · {title}<br>'
                "The live viewer is not part of a notebook's file. It opens again with "
                f"<code>%load_ext runicorn_jupyter</code> and <code>{html.escape(self.command())}</code></p>"
            ),
            "text/plain": repr(self),
        }


def forgets_widgets(shell: Any) -> bool:
    """Whether the front end shows widgets and is known to leave their state out of the saved file.

    That is VS Code (its Jupyter extension's issue 4404, open since 2021, asks for saving it). Our own
    renderer serves JupyterLab and Notebook; nbclient saves all widget state and draws nothing live.

    Parameters
    ----------
    shell
        The IPython shell, in whose namespace VS Code leaves the notebook's path.
    """
    return "__vsc_ipynb_file__" in getattr(shell, "user_ns", {}) or "VSCODE_PID" in os.environ
