"""The reverse proxy from browsers to remote viewers, for HTTP and WebSockets."""

from runicorn_jupyter.proxy.capabilities import Capabilities
from runicorn_jupyter.proxy.endpoint import Endpoint
from runicorn_jupyter.proxy.handler import viewer_handlers
from runicorn_jupyter.proxy.local_storage import StorageFolder
from runicorn_jupyter.proxy.log_masking import mask_log_records

__all__ = ["Capabilities", "Endpoint", "StorageFolder", "mask_log_records", "viewer_handlers"]
