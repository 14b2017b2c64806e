"""The viewer that a connection holds."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from runicorn_jupyter.models.base import (
    ConnectionQuery,
    MessageResponse,
    Model,
    Success,
    Text,
    ViewerHealth,
    ViewerState,
)

__all__ = [
    "LogsQuery",
    "LogsResponse",
    "Viewer",
    "ViewerStartRequest",
    "ViewerStartResponse",
    "ViewerStatusResponse",
    "ViewerStopRequest",
    "ViewerStopResponse",
]


class ViewerStartRequest(ConnectionQuery):
    """Body of ``POST viewer/start``."""

    env_name: Text
    remote_root: Text | None = Field(
        None, description="The storage root: absolute or ~/…; default: the environment's."
    )
    auto_open: bool = Field(True, strict=True, description="Tell the front ends to show it.")
    replace: bool = Field(
        False,
        strict=True,
        description="End the viewer that this connection holds, by force if need be and whoever else holds"
        " it, and start anew under the same URL.",
    )


class ViewerStopRequest(ConnectionQuery):
    """Body of ``POST viewer/stop``."""

    cleanup: bool = Field(True, strict=True, description="Also remove its log and state on the remote.")


class LogsQuery(ConnectionQuery):
    """Options of ``GET viewer/logs``."""

    lines: int = Field(100, ge=1, le=10000)


class Viewer(Model):
    """The viewer that a connection holds."""

    status: ViewerState
    url: str | None = None
    local_port: int | None = None
    remote_port: int | None = None
    pid: int | None = None
    env_name: str | None = None
    remote_root: str | None = None
    runicorn_version: str | None = None
    started_at: datetime | None = None
    uptime_seconds: float = 0
    health: ViewerHealth | None = Field(
        None,
        description="unresponsive: it has answered nothing for some seconds, or is gone; unknown: it is"
        " starting, or cannot be reached now; null: there is none.",
    )


class ViewerStatusResponse(Success):
    """Answer of ``GET viewer/status``."""

    viewer: Viewer


class ViewerStopResponse(MessageResponse):
    """Answer of ``POST viewer/stop``."""

    ended: bool = Field(description="Whether its process has ended; false: it stays for others who hold it.")


class ViewerStartResponse(MessageResponse):
    """Answer of ``POST viewer/start``."""

    viewer: Viewer


class LogsResponse(Success):
    """Answer of ``GET viewer/logs``: oldest line first."""

    logs: list[str]
    total_lines: int
