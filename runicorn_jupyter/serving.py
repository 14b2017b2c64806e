"""What the extension's routes need: the service, the proxy, SSH. Imported with the first request for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.utils import url_path_join

from runicorn_jupyter.api.client_js import client_handlers
from runicorn_jupyter.api.handlers import COUNT_FAILURE
from runicorn_jupyter.api.misconfigured import misconfigured_handlers
from runicorn_jupyter.api.routes import remote_handlers
from runicorn_jupyter.proxy.capabilities import Capabilities
from runicorn_jupyter.proxy.handler import viewer_handlers
from runicorn_jupyter.proxy.local_storage import StorageFolder
from runicorn_jupyter.proxy.pace import Pace
from runicorn_jupyter.service.remote_service import RemoteService

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jupyter_server.serverapp import ServerApp
    from tornado.web import Application, RequestHandler

    from runicorn_jupyter.api.events import EventSink
    from runicorn_jupyter.service.settings import ServiceSettings

__all__ = ["Plan", "Serving", "serve_nothing"]


@dataclass(frozen=True)
class Plan:
    """What the administrator's settings come to.

    Parameters
    ----------
    service
        The service's settings.
    viewer_origin
        The ``viewer_origin`` traitlet.
    asset_cache_bytes
        How much of viewers' static files is kept.
    emit
        Sends an event to the front ends.
    show
        Opens a URL on this machine's screen; None where a front end does that, or there is no screen.
    """

    service: ServiceSettings
    viewer_origin: str
    asset_cache_bytes: int
    emit: EventSink
    show: Callable[[str], object] | None


class Serving:
    """The service behind the routes of one server, and the viewers' proxy.

    Parameters
    ----------
    server
        The Jupyter server, which gets the routes.
    plan
        The settings.
    """

    def __init__(self, server: ServerApp, plan: Plan) -> None:
        rate = plan.service.viewer_bytes_per_second
        self.capabilities = Capabilities(
            StorageFolder(Path(server.data_dir) / "runicorn_jupyter" / "storage"),
            Pace(rate) if rate else None,
        )
        self.service = RemoteService(plan.service, self.capabilities, plan.emit, plan.show)
        server.web_app.settings[COUNT_FAILURE] = self.service.metrics.failed
        proxy = viewer_handlers(
            self.capabilities, viewer_origin=plan.viewer_origin, asset_cache_bytes=plan.asset_cache_bytes
        )
        _add(server, [*remote_handlers(self.service), *proxy, *client_handlers()])

    async def close(self) -> None:
        """End viewers and connections."""
        await self.service.close()
        await self.capabilities.close()


def serve_nothing(server: ServerApp, names: list[str]) -> None:
    """Answer 503 on all routes of a server, with the names of the settings that are wrong."""
    _add(server, [*misconfigured_handlers(names), *client_handlers()])


def _add(server: ServerApp, rules: Sequence[tuple[str, type[RequestHandler], dict[str, Any]]]) -> None:
    """Add rules without the base URL as an extension that is loaded does."""
    base_url = server.web_app.settings["base_url"]
    application: Application = server.web_app  # whose own method has no types
    application.add_handlers(
        ".*$", [(url_path_join(base_url, path), handler, options) for path, handler, options in rules]
    )
