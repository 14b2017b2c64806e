"""The world of the API's tests, here as well."""

from tests.api.conftest import session_world

__all__ = ["session_world"]
