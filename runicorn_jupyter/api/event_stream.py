"""The WebSocket with this extension's events, for clients that Jupyter's own would not let in."""

from __future__ import annotations

from jupyter_server.services.events.handlers import SubscribeWebsocket

from runicorn_jupyter.api.events import SCHEMA_ID
from runicorn_jupyter.api.handlers import EnvelopeHandler


class EventsHandler(EnvelopeHandler, SubscribeWebsocket):
    """Sends the events of our schema, and no others, as Jupyter's ``/api/events/subscribe`` would."""

    def open(self) -> None:
        """Begin to listen."""
        self.event_logger.add_listener(schema_id=SCHEMA_ID, listener=self.event_listener)
