"""Emits changes of state as Jupyter events, so that no front end polls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_events.logger import EventLogger

SCHEMA_ID = "https://schema.runicorn.dev/remote/v1"
SCHEMA_PATH = Path(__file__).with_name("events.yaml")


class EventSink:
    """Emits our events through Jupyter's logger.

    Parameters
    ----------
    logger
        The server's ``event_logger``.
    """

    def __init__(self, logger: EventLogger) -> None:
        self._logger = logger
        logger.register_event_schema(SCHEMA_PATH)

    def __call__(self, type: str, **fields: str | int | None) -> None:  # noqa: A002  # the schema's own word
        """Emit one event; fields that are ``None`` or empty are left out."""
        data = {"type": type, **{name: value for name, value in fields.items() if value}}
        self._logger.emit(schema_id=SCHEMA_ID, data=data)
