"""The Python environments of a remote, and runicorn's configuration there."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runicorn_jupyter.models.base import (
    ConnectionQuery,
    EnvironmentType,
    MessageResponse,
    Model,
    Success,
    Text,
)

__all__ = [
    "ConfigQuery",
    "ConfigResponse",
    "DetectRequest",
    "DetectResponse",
    "Environment",
    "EnvironmentsQuery",
    "EnvironmentsResponse",
    "RunicornConfig",
    "StorageRootSource",
]


class EnvironmentsQuery(ConnectionQuery):
    """Options of ``GET environments``."""

    filter: Literal["all", "runicorn_only"] = "all"


class DetectRequest(ConnectionQuery):
    """Body of ``POST environments/detect``."""

    force_refresh: bool = Field(False, strict=True)


class ConfigQuery(ConnectionQuery):
    """Options of ``GET config``."""

    env_name: Text


StorageRootSource = Literal["RUNICORN_DIR", "config", "default"]
"""What names a storage root."""


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
    storage_root_from: StorageRootSource = Field(
        "default",
        description="What names the storage root: the variable RUNICORN_DIR, runicorn's config.json, "
        "or nothing, which leaves it to runicorn's default.",
    )
    problem: str | None = Field(
        None,
        description="Why its Python cannot run, in the remote's own words, as far as that has been seen.",
    )


class _Looked(Model):
    notes: list[str] = Field(
        [], description="Sentences on what could not be found out, as where time ran out."
    )
    storage_candidates: list[str] = Field(
        [],
        description="Folders of the remote that look like storage roots, for environments that name none.",
    )


class EnvironmentsResponse(Success, _Looked):
    """Answer of ``GET environments``."""

    environments: list[Environment]
    total: int


class DetectResponse(MessageResponse, _Looked):
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
