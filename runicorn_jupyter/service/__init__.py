"""What the routes do, without HTTP; the only thing that ``api`` calls."""

from runicorn_jupyter.service.caller import Caller
from runicorn_jupyter.service.remote_service import RemoteService
from runicorn_jupyter.service.settings import ServiceSettings

__all__ = ["Caller", "RemoteService", "ServiceSettings"]
