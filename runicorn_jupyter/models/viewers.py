"""The viewer that a connection holds."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from runicorn_jupyter.models.base import (
    ConnectionQuery,
    Health,
    MessageResponse,
    Model,
    Success,
    Text,
    ViewerState,
)


class ViewerStartRequest(ConnectionQuery):
    """Body of ``POST viewer/start``."""

    env_name: Text
    remote_root: Text | None = Field(
        None, description="Absolute or ~/…; default: the environment's storage_root."
    )
    auto_open: bool = Field(True, strict=True, description="Tell the front ends to show it.")


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
    health: Health | None = None


class ViewerStatusResponse(Success):
    """Answer of ``GET viewer/status``."""

    viewer: Viewer


class ViewerStartResponse(MessageResponse):
    """Answer of ``POST viewer/start``."""

    viewer: Viewer


class LogsResponse(Success):
    """Answer of ``GET viewer/logs``: oldest line first."""

    logs: list[str]
    total_lines: int
