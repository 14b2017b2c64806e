"""Which runs pass: the filters of the list, and a condition in the language of ``where``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.service.run_values import compiled, has_words
from runicorn_jupyter.service.where import WhereError, parse_where

__all__ = ["Filter", "read_filter", "read_where"]

Filter = Callable[[m.Run], bool] | None
"""Tells whether a run passes; None: all do."""


def read_filter(query: m.RunsQuery) -> Filter:
    """Return what tells whether a run passes all filters of a query.

    Raises
    ------
    InvalidParameters
        If its condition is not of the grammar; ``details.position`` says where.
    """
    of_fields, of_where = _field_filter(query), read_where(query.where)
    if of_fields is None or of_where is None:
        return of_fields or of_where
    return lambda run: of_fields(run) and of_where(run)


def read_where(where: str | None) -> Filter:
    """Return what tells whether a run passes a condition, with times that count back from now.

    Raises
    ------
    InvalidParameters
        If it is not of the grammar; ``details.position`` says where.
    """
    try:
        node = None if where is None else parse_where(where)
        return None if node is None else compiled(node, datetime.now(UTC))
    except WhereError as exc:
        raise InvalidParameters.for_field("where", str(exc), position=exc.position) from None


def _field_filter(query: m.RunsQuery) -> Filter:
    filters = ("connection_id", "run_id", "status", "path", "project", "text", "since")
    if all(getattr(query, name) is None for name in filters):
        return None
    statuses = None if query.status is None else frozenset(query.status.split(","))
    words = [] if query.text is None else query.text.casefold().split()
    path = None if query.path is None else query.path.strip("/")

    def passes(run: m.Run) -> bool:
        return (
            (query.connection_id is None or run.connection_id == query.connection_id)
            and (query.run_id is None or run.run_id == query.run_id)
            and (statuses is None or run.status in statuses)
            and (query.project is None or run.project == query.project)
            and (path is None or run.path == path or (run.path or "").startswith(f"{path}/"))
            and (query.since is None or (run.created_at is not None and run.created_at >= query.since))
            and (not words or has_words(run, words))
        )

    return passes
