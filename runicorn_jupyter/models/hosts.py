"""Hosts of the user's ssh config, their keys, and saved connections."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from runicorn_jupyter.models.base import (
    AuthMethod,
    HostName,
    MessageResponse,
    Model,
    Port,
    Request,
    Success,
    Text,
    UserName,
)

__all__ = [
    "HostAlias",
    "HostKey",
    "HostsResponse",
    "KnownHost",
    "KnownHostAccept",
    "KnownHostRemove",
    "KnownHostsResponse",
    "LastChoice",
    "Profile",
    "ProfileQuery",
    "ProfilesImportRequest",
    "ProfilesImportResponse",
    "ProfilesResponse",
]


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


class ProfilesImportRequest(Request):
    """Body of ``POST profiles/import``."""

    aliases: list[Annotated[str, StringConstraints(min_length=1, max_length=255)]] | None = Field(
        None, max_length=2000, description="Aliases of `GET hosts`; default: all of them."
    )


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
    identity_file: str | None = Field(
        None,
        description="The first key file that the config names, as written; null: the default keys.",
    )


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
    recent: list[LastChoice] = Field([], description="What was last opened on each host, the latest first.")
    total: int


class ProfilesImportResponse(MessageResponse):
    """Answer of ``POST profiles/import``."""

    imported: list[Profile]
    skipped: list[str] = Field(
        description="Aliases that were left as they are: a connection of that name is saved already, "
        "or no host name has such characters."
    )
