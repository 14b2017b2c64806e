"""Which answer leads to which request: the links of the OpenAPI document (OpenAPI 3.1, "Link Object")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runicorn_jupyter.api.routes import Operation

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


def links_of(operation: Operation, operations: Iterable[Operation]) -> dict[str, dict[str, Any]]:
    """Give the links of an operation, by the status of the answer.

    Parameters
    ----------
    operation
        The one that has answered.
    operations
        All of them: those that take what it gave are what it leads to.
    """
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
