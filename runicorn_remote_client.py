"""The name under which upstream's examples import the client."""

from runicorn_jupyter.client import ApiError, ApiTimeout, RunicornRemoteClient, ServerNotReached

__all__ = ["ApiError", "ApiTimeout", "RunicornRemoteClient", "ServerNotReached"]
