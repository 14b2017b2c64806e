"""The OpenAPI 3.1 document, made from the route table and the pydantic models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from runicorn_jupyter._version import __version__
from runicorn_jupyter.errors import Forbidden, InternalError, InvalidParameters, Misconfigured, RemoteError
from runicorn_jupyter.models import ErrorResponse, HostKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from runicorn_jupyter.api.operation import Operation

ALWAYS: tuple[type[RemoteError], ...] = (InvalidParameters, Forbidden, InternalError, Misconfigured)
_REF = "#/components/schemas/{model}"

# What an answer of this status has, and the runtime expression for it.
_CONNECTION = ("200", "connection_id", "$response.body#/connection_id")
_CHALLENGE = ("401", "challenge_id", "$response.body#/details/challenge_id")
_GIVES = {
    "connect": (_CONNECTION, _CHALLENGE),
    "answer_challenge": (_CONNECTION, _CHALLENGE),
    "start_viewer": (("200", "connection_id", "$request.body#/connection_id"),),
}
# An environment that was found is one to start: the operations that take its name as well.
_FINDS = {
    "list_environments": "$request.query.connection_id",
    "detect_environments": "$request.body#/connection_id",
}
_FIRST_NAME = "$response.body#/environments/0/name"


def openapi_document(operations: Iterable[Operation], base_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of all routes.

    Parameters
    ----------
    operations
        The route table.
    base_url
        The Jupyter server's ``base_url``, with slashes at both ends.
    """
    operations = list(operations)
    # A host key is in the details of two errors.
    models: dict[type[BaseModel], None] = {ErrorResponse: None, HostKey: None}
    for operation in operations:
        models[operation.response] = None
        if operation.request is not None:
            models[operation.request] = None
    refs, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas = definitions["$defs"]
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, refs, schemas)
        for status, links in _links_of(operation, operations).items():
            described["responses"][status]["links"] = links
        paths.setdefault("/" + operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runicorn remote viewer", "version": __version__},
        "servers": [{"url": f"{base_url}api/remote"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        },
        "security": [{"token": []}],
    }


def _describe(operation: Operation, refs: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            "200": _json("Done.", refs[operation.response, "validation"]),
            **_error_responses(operation, refs[ErrorResponse, "validation"]),
        },
    }
    if operation.request is not None:
        schema = schemas[operation.request.__name__]
        parameters = [_parameter(name, "path", schema, required=True) for name in operation.path_arguments]
        if operation.reads_body:
            described["requestBody"] = {"required": True, **_content(_body_schema(operation, refs, schema))}
        else:
            parameters += [
                _parameter(name, "query", schema, required=name in schema.get("required", []))
                for name in schema["properties"]
                if name not in operation.path_arguments
            ]
        if parameters:
            described["parameters"] = parameters
    return described


def _body_schema(operation: Operation, refs: Any, schema: dict[str, Any]) -> dict[str, Any]:
    if not operation.path_arguments:
        return dict(refs[operation.request, "validation"])
    return {
        **schema,
        "properties": {k: v for k, v in schema["properties"].items() if k not in operation.path_arguments},
        "required": [name for name in schema.get("required", []) if name not in operation.path_arguments],
    }


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema["properties"][name]}


def _error_responses(operation: Operation, ref: dict[str, Any]) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for error in (*ALWAYS, *operation.errors):
        for status in {error.status_for(is_page=is_page) for is_page in (False, True)}:
            codes.setdefault(status, []).append(error.code)
    return {
        str(status): _json(", ".join(dict.fromkeys(names)), ref) for status, names in sorted(codes.items())
    }


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, **_content(schema)}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _links_of(operation: Operation, operations: Iterable[Operation]) -> dict[str, dict[str, Any]]:
    """Return the links of an operation by the status of its answer (OpenAPI 3.1, "Link Object")."""
    links: dict[str, dict[str, Any]] = {}
    for target in operations:
        fields = set(target.request.model_fields) if target.request is not None else set()
        for status, name, expression in _GIVES.get(operation.name, ()):
            if name in fields:
                links.setdefault(status, {})[target.name] = _link(target, {name: expression})
        if operation.name in _FINDS and {"connection_id", "env_name"} <= fields:
            values = {"connection_id": _FINDS[operation.name], "env_name": _FIRST_NAME}
            links.setdefault("200", {})[target.name] = _link(target, values)
    return links


def _link(target: Operation, values: dict[str, str]) -> dict[str, Any]:
    in_path = set(target.path_arguments)
    place = "body" if target.reads_body else "query"
    parameters = {
        f"{'path' if name in in_path else place}.{name}": expression
        for name, expression in values.items()
        if name in in_path or not target.reads_body
    }
    body = {name: value for name, value in values.items() if target.reads_body and name not in in_path}
    return {
        "operationId": target.name,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": body} if body else {}),
    }
