"""Tornado handlers of ``/api/remote``, their OpenAPI document and their events."""
