"""Connections: opening and listing them, what they ask people for, their health."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from runicorn_jupyter.models.base import (
    AuthMethod,
    CheckResult,
    ConnectionQuery,
    ConnectionStatus,
    Health,
    HostName,
    MessageResponse,
    Model,
    Port,
    QueryBool,
    Request,
    Success,
    Text,
    UserName,
)
from runicorn_jupyter.models.viewers import Viewer

__all__ = [
    "ChallengeAnswerRequest",
    "ChallengeQuery",
    "ChallengeResponse",
    "ConnectRequest",
    "ConnectResponse",
    "ConnectionInfo",
    "ConnectionsResponse",
    "DisconnectQuery",
    "DisconnectResponse",
    "HealthChecks",
    "HealthResponse",
    "PingResponse",
    "Prompt",
    "ServerInfo",
]


class ConnectRequest(Request):
    """Where to connect and how to authenticate."""

    host: HostName = Field(description="A host name, an address, or an alias of the user's ssh config.")
    username: UserName | None = Field(None, description="Default: the ssh config's, else the local user's.")
    port: Port = Field(22, description="22 leaves the choice to the user's ssh config.")
    auth_method: AuthMethod = Field("key", description="`key` tries the default identities too.")
    private_key_path: Text | None = Field(None, description="Use this private key and no other.")
    key_passphrase: SecretStr | None = Field(None, max_length=4096)
    password: SecretStr | None = Field(None, max_length=4096, validate_default=True)
    timeout: float = Field(30, ge=1, le=600, strict=True, description="Seconds for all of connecting.")

    @field_validator("password")
    @classmethod
    def _password_is_there(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is None and info.data.get("auth_method") == "password":
            raise PydanticCustomError("missing", "Field required when auth_method is 'password'")
        return password


class ChallengeQuery(Request):
    """Names a challenge."""

    challenge_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ChallengeAnswerRequest(ChallengeQuery):
    """Answers to the prompts of an ``authentication_required``, in their order."""

    responses: list[Annotated[SecretStr, Field(max_length=4096)]] = Field(max_length=32)


class Prompt(Model):
    """One thing that the server, or an encrypted key, asks for."""

    text: str
    echo: bool = Field(description="Whether what the person types may be shown.")


class DisconnectQuery(ConnectionQuery):
    """Options of ``DELETE connections/{id}``."""

    cleanup_viewer: QueryBool = True


class ServerInfo(Model):
    """What the remote says of itself; all null where it lets no command run."""

    hostname: str | None = None
    os: str | None = None
    python_version: str | None = None


class ConnectionInfo(Model):
    """One entry of ``GET connections``."""

    connection_id: str
    host: str
    port: int
    username: str
    status: ConnectionStatus
    created_at: datetime
    connected_since: datetime | None = None
    reconnects: int = 0
    multiplexed: bool = Field(
        default=False,
        description="Whether it goes over a master of the user's own ssh (ControlPath).",
    )
    viewer: Viewer | None = None


class HealthChecks(Model):
    """The three checks of ``GET health``."""

    ssh_connection: CheckResult
    viewer_process: CheckResult
    tunnel_active: CheckResult


class ConnectResponse(Success):
    """Answer of ``POST connect`` and ``POST connect/{challenge_id}``."""

    connection_id: str
    host: str
    port: int
    username: str
    status: ConnectionStatus
    server_info: ServerInfo
    created_at: datetime


class ChallengeResponse(Success):
    """Answer of ``GET connect/{challenge_id}``."""

    challenge_id: str
    instruction: str
    prompts: list[Prompt]
    server_message: str = ""
    """What the server, or a ``ProxyCommand``, has said beside its questions; of several lines."""


class ConnectionsResponse(Success):
    """Answer of ``GET connections``."""

    connections: list[ConnectionInfo]
    total: int


class DisconnectResponse(MessageResponse):
    """Answer of ``DELETE connections/{id}``."""

    connection_id: str


class HealthResponse(Success):
    """Answer of ``GET health``."""

    health: Health
    checks: HealthChecks


class PingResponse(Success):
    """Answer of ``GET ping``: one SSH round trip."""

    latency_ms: float
    timestamp: datetime
