"""Validates HTTP requests as models; an ``invalid_parameters`` names the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from runicorn_jupyter.errors import InvalidParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tornado.httputil import HTTPServerRequest

M = TypeVar("M", bound=BaseModel)

JUPYTER_QUERY_FIELDS = frozenset({"token", "_xsrf", "no_track_activity"})
"""Query fields that Jupyter itself reads on every route (``jupyter_server.base.handlers``)."""


def read_query(request: HTTPServerRequest, path_arguments: Mapping[str, str], model: type[M]) -> M:
    """Validate a query string together with the route's path arguments.

    Raises
    ------
    InvalidParameters
        Naming each field that is missing, unknown, given twice or malformed.
    """
    fields: dict[str, Any] = {}
    for name, values in request.query_arguments.items():
        if name in JUPYTER_QUERY_FIELDS:
            continue
        if len(values) > 1:
            raise InvalidParameters.for_field(name, "is given more than once")
        try:
            fields[name] = values[0].decode("utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidParameters.for_field(name, "is not UTF-8") from exc
    return validate(model, {**fields, **path_arguments})


def read_body(request: HTTPServerRequest, path_arguments: Mapping[str, str], model: type[M]) -> M:
    """Validate a JSON body together with the route's path arguments.

    Raises
    ------
    InvalidParameters
        If it is not JSON in UTF-8 with ``Content-Type: application/json``, or a field is wrong.
    """
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise InvalidParameters.for_field("Content-Type", "must be application/json")
    try:
        fields = from_json(request.body, allow_inf_nan=False)
    except ValueError as exc:
        raise InvalidParameters.for_field("body", "is not valid JSON in UTF-8") from exc
    if not isinstance(fields, dict):
        raise InvalidParameters.for_field("body", "must be a JSON object")
    return validate(model, {**fields, **path_arguments})


def validate(model: type[M], fields: dict[str, Any]) -> M:
    """Validate ``fields`` as a model; pydantic's errors become ``details.errors``.

    What was sent is never repeated in the error, since it may be a secret.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as exc:
        errors = [
            {"field": ".".join(str(part) for part in error["loc"]) or "body", "reason": error["msg"]}
            for error in exc.errors(include_url=False, include_context=False, include_input=False)
        ]
        first = errors[0]
        raise InvalidParameters(f"{first['field']}: {first['reason']}", errors=errors) from None
