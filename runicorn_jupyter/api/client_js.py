"""Serves the JavaScript client as one ES module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from runicorn_jupyter.api.handlers import AUTH_RESOURCE

CLIENT_JS = Path(__file__).parents[1] / "static" / "client.js"


class ClientJsHandler(JupyterHandler):
    """Serves ``client.js`` to pages and programs that are logged in."""

    auth_resource = AUTH_RESOURCE

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the module."""
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.finish(CLIENT_JS.read_bytes())


def client_handlers() -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """Return Tornado's rule for the client, without the base URL."""
    return [(r"/runicorn/client\.js", ClientJsHandler, {})]
