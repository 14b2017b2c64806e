"""What all models of the contract share: words, checked texts, the bases of requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypeAliasType

__all__ = [
    "AuthMethod",
    "CheckResult",
    "ConnectionId",
    "ConnectionQuery",
    "ConnectionStatus",
    "EnvironmentType",
    "ErrorResponse",
    "Health",
    "HostName",
    "MessageResponse",
    "Model",
    "Port",
    "QueryBool",
    "Request",
    "Success",
    "Text",
    "UserName",
    "ViewerHealth",
    "ViewerState",
]

AuthMethod = TypeAliasType("AuthMethod", Literal["key", "password", "agent"])
CheckResult = TypeAliasType("CheckResult", Literal["pass", "fail", "skip"])
ConnectionStatus = TypeAliasType(
    "ConnectionStatus", Literal["connecting", "connected", "reconnecting", "disconnected"]
)
EnvironmentType = TypeAliasType("EnvironmentType", Literal["conda", "venv", "pyenv", "system"])
Health = TypeAliasType("Health", Literal["healthy", "degraded", "unhealthy"])
ViewerHealth = TypeAliasType("ViewerHealth", Literal["healthy", "unresponsive", "unknown"])
ViewerState = TypeAliasType(
    "ViewerState", Literal["starting", "running", "reconnecting", "crashed", "stopped"]
)
_TRUE = {"true", "True", "1", "yes", "on"}
_FALSE = {"false", "False", "0", "no", "off"}


def _query_bool(value: Any) -> Any:
    if isinstance(value, str):
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise ValueError("must be one of true, True, 1, yes, on, false, False, 0, no, off")
    return value


QueryBool = Annotated[bool, BeforeValidator(_query_bool)]
"""A boolean in a query string, with the spellings that docs/contract.md lists."""
# No control characters and no leading dash: such a name never means anything else to a tool.
HostName = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*$")
]
UserName = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\s\x00-\x1f\x7f-][^\x00-\x1f\x7f]*$")
]
ConnectionId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


class Model(BaseModel):
    """Base of all models: immutable."""

    model_config = ConfigDict(frozen=True)


class Request(Model):
    """Base of bodies and queries: unknown fields are refused, ``null`` means absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {
                key: value
                for key, value in data.items()
                if value is not None or key not in cls.model_fields or cls.model_fields[key].is_required()
            }
        return data


class ConnectionQuery(Request):
    """Names a connection."""

    connection_id: ConnectionId


class Success(Model):
    """Base of every answer with status 200."""

    is_long: ClassVar[bool] = False
    """Whether the body may take a while to make, so that a thread is to do it."""

    success: Literal[True] = True

    def to_json(self) -> str | bytes:
        """Give the answer's body."""
        return self.model_dump_json()


class MessageResponse(Success):
    """Answer of routes that only say what they did."""

    message: str


class ErrorResponse(Model):
    """Every failure."""

    success: Literal[False] = False
    error: str
    message: str
    details: dict[str, Any] | None = None
