"""The Python client of the remote API, for scripts, notebooks and the magics."""

from runicorn_jupyter.client.client import (
    ApiError,
    ApiTimeout,
    RunicornRemoteClient,
    ServerNotReached,
    still_reading,
)

__all__ = ["ApiError", "ApiTimeout", "RunicornRemoteClient", "ServerNotReached", "still_reading"]
