"""The viewers' side of the server: HTTP and WebSockets from the browser to a remote viewer, and back."""

from runicorn_jupyter.proxy.http import viewer_handlers
from runicorn_jupyter.proxy.logs import mask_log_records
from runicorn_jupyter.proxy.origin import Capabilities, Endpoint
from runicorn_jupyter.proxy.storage import StorageFolder

__all__ = ["Capabilities", "Endpoint", "StorageFolder", "mask_log_records", "viewer_handlers"]
