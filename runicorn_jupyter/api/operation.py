"""An operation of the HTTP API: one row of the table of routes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel

    from runicorn_jupyter.errors import RemoteError
    from runicorn_jupyter.models import Success


@dataclass(frozen=True)
class Operation:
    """One HTTP method of one path.

    Parameters
    ----------
    method
        The HTTP method.
    path
        Below ``/api/remote/``, with ``{name}`` for path arguments.
    call
        The method of the resource's service; takes that, the caller and the request's model.
    request
        The model of body or query, path arguments included; None without parameters.
    response
        The model of the answer.
    errors
        The errors of this operation beyond those of every route.
    summary
        One sentence for the OpenAPI document.
    """

    method: str
    path: str
    call: Callable[[Any, Any, Any], Awaitable[Success]]
    request: type[BaseModel] | None
    response: type[Success]
    summary: str
    errors: tuple[type[RemoteError], ...] = field(default=())

    @property
    def name(self) -> str:
        """The operation's id: the name of the service's method."""
        return self.call.__name__

    @property
    def ends_with_client(self) -> bool:
        """Whether the operation is cancelled when its client disconnects."""
        waits = ("connect", "runs", "runs/metrics", "runs/curves", "machines")
        return self.path.startswith("connect/") or self.path in waits

    @property
    def reads_body(self) -> bool:
        """Whether the request's model comes from a JSON body."""
        return self.method == "POST"

    @property
    def path_arguments(self) -> list[str]:
        """The names in braces in the path."""
        return re.findall(r"\{(\w+)\}", self.path)
