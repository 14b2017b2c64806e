"""The HTTP contract of ``/api/remote`` as pydantic models, the only definition of it.

Requests forbid unknown fields and hold secrets as ``SecretStr``; answers carry every key,
always. ``openapi.json`` is generated from these classes. Pure: imports nothing of ours.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

AuthMethod = Literal["key", "password", "agent"]
CheckResult = Literal["pass", "fail", "skip"]
ConnectionStatus = Literal["connecting", "connected", "reconnecting", "disconnected"]
EnvironmentType = Literal["conda", "venv", "pyenv", "system"]
Health = Literal["healthy", "degraded", "unhealthy"]
ViewerState = Literal["starting", "running", "reconnecting", "crashed", "stopped"]

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
"""A boolean in a query string, with the spellings that API.md lists."""

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


class ConnectionQuery(Request):
    """Names a connection."""

    connection_id: ConnectionId


class DisconnectQuery(ConnectionQuery):
    """Options of ``DELETE connections/{id}``."""

    cleanup_viewer: QueryBool = True


class EnvironmentsQuery(ConnectionQuery):
    """Options of ``GET environments``."""

    filter: Literal["all", "runicorn_only"] = "all"


class DetectRequest(ConnectionQuery):
    """Body of ``POST environments/detect``."""

    force_refresh: bool = Field(False, strict=True)


class ConfigQuery(ConnectionQuery):
    """Options of ``GET config``."""

    env_name: Text


class ViewerStartRequest(ConnectionQuery):
    """Body of ``POST viewer/start``."""

    env_name: Text
    remote_root: Text | None = Field(
        None, description="Absolute or ~/…; default: the environment's storage_root."
    )
    auto_open: bool = Field(True, strict=True, description="Tell the front ends to show it.")


class ViewerStopRequest(ConnectionQuery):
    """Body of ``POST viewer/stop``."""

    cleanup: bool = Field(True, strict=True, description="Also remove its log and state on the remote.")


class LogsQuery(ConnectionQuery):
    """Options of ``GET viewer/logs``."""

    lines: int = Field(100, ge=1, le=10000)


class KnownHostAccept(Request):
    """Body of ``POST known-hosts``: exactly what a ``host_key_unknown`` offered."""

    host: HostName
    port: Port = 22
    public_key: Annotated[str, StringConstraints(min_length=1, max_length=16384)] = Field(
        description="`TYPE BASE64`, as `details.host_key.public_key` gave it."
    )


class KnownHostRemove(Request):
    """Query of ``DELETE known-hosts``."""

    host: HostName
    port: int = Field(22, ge=1, le=65535)


class Profile(Request):
    """A saved connection: all that connecting needs but its secrets."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
    host: HostName
    username: UserName | None = None
    port: Port = 22
    auth_method: AuthMethod = "key"
    private_key_path: Text | None = None
    timeout: float = Field(30, ge=1, le=600, strict=True)
    env_name: Text | None = None
    remote_root: Text | None = None


class LastChoice(Model):
    """What a person last opened on a host: what front ends offer first."""

    host: str = Field(description="As it was asked for.")
    username: str
    env_name: str
    remote_root: str | None = None
    used_at: datetime


class ProfileQuery(Request):
    """Names a saved connection."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]


class HostKey(Model):
    """A host key as a person compares it and as ``POST known-hosts`` takes it."""

    host: str
    port: int
    key_type: str
    fingerprint_sha256: str = Field(description="`SHA256:…` as `ssh-keygen -lf` prints it.")
    public_key: str = Field(description="`TYPE BASE64`.")
    expected_fingerprint_sha256: str | None = Field(
        None, description="For a changed key: the fingerprint that is on record."
    )


class Viewer(Model):
    """The viewer that a connection holds."""

    status: ViewerState
    url: str | None = None
    local_port: int | None = None
    remote_port: int | None = None
    pid: int | None = None
    env_name: str | None = None
    remote_root: str | None = None
    runicorn_version: str | None = None
    started_at: datetime | None = None
    uptime_seconds: float = 0
    health: Health | None = None


class ServerInfo(Model):
    """What the remote says of itself; all null where it lets no command run."""

    hostname: str | None = None
    os: str | None = None
    python_version: str | None = None


class Environment(Model):
    """A Python environment of the remote."""

    name: str
    type: EnvironmentType
    python_version: str | None
    python_path: str
    prefix: str
    runicorn_installed: bool
    runicorn_version: str | None = None
    storage_root: str | None = None


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
    viewer: Viewer | None = None


class HealthChecks(Model):
    """The three checks of ``GET health``."""

    ssh_connection: CheckResult
    viewer_process: CheckResult
    tunnel_active: CheckResult


class KnownHost(Model):
    """One entry of ``GET known-hosts``."""

    host: str
    port: int
    key_type: str
    fingerprint_sha256: str
    revoked: bool
    authority: bool = Field(False, description="Signs the keys of the hosts that `host` matches.")


class HostAlias(Model):
    """One alias of the user's ssh config."""

    alias: str
    hostname: str
    username: str
    port: int
    proxy_jump: str | None = None


class Success(Model):
    """Base of every answer with status 200."""

    success: Literal[True] = True


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


class ConnectionsResponse(Success):
    """Answer of ``GET connections``."""

    connections: list[ConnectionInfo]
    total: int


class MessageResponse(Success):
    """Answer of routes that only say what they did."""

    message: str


class DisconnectResponse(MessageResponse):
    """Answer of ``DELETE connections/{id}``."""

    connection_id: str


class EnvironmentsResponse(Success):
    """Answer of ``GET environments``."""

    environments: list[Environment]
    total: int


class DetectResponse(MessageResponse):
    """Answer of ``POST environments/detect``."""

    environments_found: int
    environments: list[Environment]


class RunicornConfig(BaseModel):
    """The user's runicorn ``config.json``, whatever keys it has, less its secrets."""

    model_config = ConfigDict(extra="allow")

    user_root_dir: str | None = None
    viewer_port: int = Field(23300, description="No file has it: runicorn's own default.")

    __pydantic_extra__: dict[str, JsonValue]


class ConfigResponse(Success):
    """Answer of ``GET config``."""

    config: RunicornConfig
    runicorn_version: str | None


class ViewerStatusResponse(Success):
    """Answer of ``GET viewer/status``."""

    viewer: Viewer


class ViewerStartResponse(MessageResponse):
    """Answer of ``POST viewer/start``."""

    viewer: Viewer


class LogsResponse(Success):
    """Answer of ``GET viewer/logs``: oldest line first."""

    logs: list[str]
    total_lines: int


class HealthResponse(Success):
    """Answer of ``GET health``."""

    health: Health
    checks: HealthChecks


class PingResponse(Success):
    """Answer of ``GET ping``: one SSH round trip."""

    latency_ms: float
    timestamp: datetime


class HostsResponse(Success):
    """Answer of ``GET hosts``."""

    hosts: list[HostAlias]
    total: int


class KnownHostsResponse(Success):
    """Answer of ``GET known-hosts``."""

    known_hosts: list[KnownHost]
    total: int


class ProfilesResponse(Success):
    """Answer of ``GET profiles``."""

    profiles: list[Profile]
    recent: list[LastChoice] = Field(
        default_factory=list, description="What was last opened on each host, the latest first."
    )
    total: int


class ErrorResponse(Model):
    """Every failure."""

    success: Literal[False] = False
    error: str
    message: str
    details: dict[str, Any] | None = None
