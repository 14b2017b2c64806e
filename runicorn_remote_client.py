"""The name under which upstream's examples import the client."""

from runicorn_jupyter.client import RunicornRemoteClient

__all__ = ["RunicornRemoteClient"]
