"""The routes' answers while a setting of this server is invalid."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from tornado import web

from runicorn_jupyter.api.handlers import EnvelopeHandler
from runicorn_jupyter.api.routes import OpenApiHandler
from runicorn_jupyter.errors import Misconfigured
from runicorn_jupyter.proxy.capabilities import VIEWERS_PATTERN

TO_ANYBODY = "This Jupyter server is misconfigured; its log says how."


class MisconfiguredHandler(EnvelopeHandler):
    """Answers 503 with the settings' names to logged-in users."""

    def initialize(self, names: list[str]) -> None:
        """Store the names of the invalid settings."""
        self._names = names

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer 503 with the settings' names."""
        raise Misconfigured(
            f"The setting {', '.join(self._names)} of this Jupyter server cannot be used as it is written, so"
            " nothing is connected; the server's log says what is wrong. Correct it and start Jupyter again.",
            settings=self._names,
        )

    head = post = put = patch = delete = get


class ClosedViewerHandler(web.RequestHandler):
    """Answers 503 below the viewers' path, without details: it needs no login."""

    def check_xsrf_cookie(self) -> None:
        """Accept the request: none changes anything here."""

    def _any(self) -> None:
        self.set_status(Misconfigured.status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps({"success": False, "error": Misconfigured.code, "message": TO_ANYBODY}))

    get = head = post = put = patch = delete = options = allow_unauthenticated(_any)


def misconfigured_handlers(names: list[str]) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """Return Tornado's rules in place of those of the API and the viewers, without the base URL.

    Parameters
    ----------
    names
        The invalid settings, sections or files.
    """
    return [
        (r"/api/remote/openapi\.json", OpenApiHandler, {}),
        (r"/api/remote(?:/.*)?", MisconfiguredHandler, {"names": names}),
        (VIEWERS_PATTERN, ClosedViewerHandler, {}),
    ]
