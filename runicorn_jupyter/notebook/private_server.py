"""The Jupyter server of a kernel that has no other: loopback, this extension only, ends with the kernel.

Run as ``python -m runicorn_jupyter.notebook.private_server`` by `runicorn_jupyter.notebook.server`.
It reads one line of JSON from standard input, ``{"token": …, "parent": pid}``, prints one line,
``{"url": …}``, once it answers, and ends when standard input closes or its parent is gone.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from traitlets.config import Config

if TYPE_CHECKING:
    import socket

__all__ = ["main"]

_STOP_SECONDS = 20.0
"""Seconds for an orderly stop; the contract gives viewers 10 of them. The lease ends what is left."""

_SECTION = "RunicornJupyter"

_FRAME_ANCESTORS = "'self' vscode-webview: vscode-file: https://*.vscode-cdn.net"
"""Where VS Code shows outputs: a webview in a window with these schemes, or in a browser with this origin.

Every page around a viewer has to be among them. In a browser the outermost is VS Code's own, so the last one
alone lets nobody frame a viewer: the window's origin is a setting, but for a codespace's.
"""

_CODESPACE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_PORTS = 10
"""How many ports are tried from the set one on: each kernel has a server of its own."""


class PrivateServer(ServerApp):
    """A server that takes nothing from the user's configuration but this extension's own settings."""

    is_stopping = False

    def load_config_file(self, suppress_errors: bool = True) -> None:  # type: ignore[override]  # as JupyterApp's
        """Keep the extension's section of the user's and the administrator's files, and drop the rest."""
        for name in ("jupyter_config", "jupyter_server_config"):
            for config, file in self._load_config_files(name, path=self.config_file_paths, log=self.log):
                self._loaded_config_files.append(file)  # what is not listed here could not be read
                if _SECTION in config:
                    self.update_config(Config({_SECTION: config[_SECTION]}))


def main() -> None:
    """Serve until the parent is gone."""
    order = json.loads(sys.stdin.buffer.readline())
    with tempfile.TemporaryDirectory(prefix="runicorn-jupyter-") as folder:
        app = _make(order["token"], folder)
        (ours,) = app.extension_manager.extension_apps["runicorn_jupyter"]
        _allow(app, ours.private_server_origins)
        listeners = _listen(ours.private_server_port)
        app.port = listeners[0].getsockname()[1]
        server = HTTPServer(app.web_app)
        server.add_sockets(listeners)
        app.io_loop.add_callback(_watch, app, order["parent"])
        app.io_loop.add_callback(_announce, app.port)
        app.start()
        server.stop()


def _make(token: str, folder: str) -> PrivateServer:
    config = Config()
    config.ServerApp.update(
        allow_root=True,
        cookie_secret=secrets.token_bytes(32),
        ip="127.0.0.1",
        jpserver_extensions={"runicorn_jupyter": True},
        open_browser=False,
        reraise_server_extension_failures=True,  # without ours it is of no use
        root_dir=folder,  # its contents API reaches nothing of the user's
        terminals_enabled=False,
    )
    config.IdentityProvider.token = token
    app = PrivateServer.instance(config=config, runtime_dir=folder)
    app.no_browser_open_file = True
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    return app


def _listen(port: int) -> list[socket.socket]:
    """Listen on loopback, at this port or one of those after it; 0 takes any."""
    for tried in range(port, min(port + _PORTS, 65536) if port else 1):
        try:
            return bind_sockets(tried, "127.0.0.1")
        except OSError as exc:
            if exc.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
    raise SystemExit(
        f"none of the {_PORTS} ports from {port} on is free (RunicornJupyter.private_server_port)"
    )


def _allow(app: ServerApp, origins: list[str]) -> None:
    """Let the pages of these origins frame a viewer, and forward requests to this server under their name."""
    codespace = os.environ.get("CODESPACE_NAME", "")
    if os.environ.get("CODESPACES") == "true" and _CODESPACE.fullmatch(codespace):
        origins = [*origins, f"https://{codespace}.github.dev"]
    settings = app.web_app.settings
    settings["runicorn_frame_ancestors"] = " ".join([_FRAME_ANCESTORS, *origins])
    hosts = [urlsplit(origin).hostname for origin in origins]
    settings["local_hostnames"] = [*settings["local_hostnames"], *hosts]


def _announce(port: int) -> None:
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    # The kernel reads no further; whatever prints later must not block on a full pipe.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _watch(app: PrivateServer, parent: int) -> None:
    """Stop the server when the parent is gone, however it went.

    Standard input is a pipe that the kernel alone holds open, so it ends with the kernel; but a
    process that the kernel forked holds it open too. Linux therefore also watches the process
    itself (``pidfd_open(2)``).
    """
    _when_readable(app, sys.stdin.fileno())
    if hasattr(os, "pidfd_open"):
        try:
            _when_readable(app, os.pidfd_open(parent))
        except ProcessLookupError:
            _stop(app)
    if os.name == "posix" and os.getppid() != parent:
        _stop(app)


def _when_readable(app: PrivateServer, descriptor: int) -> None:
    def ready(fd: Any, _events: int) -> None:
        app.io_loop.remove_handler(fd)
        _stop(app)

    app.io_loop.add_handler(descriptor, ready, app.io_loop.READ)


def _stop(app: PrivateServer) -> None:
    if app.is_stopping:  # a second stop would end the loop under the first one's feet
        return
    app.is_stopping = True
    deadline = threading.Timer(_STOP_SECONDS, os._exit, args=(1,))
    deadline.daemon = True
    deadline.start()
    app.stop()


if __name__ == "__main__":
    main()
