"""The Python environments of a remote, and runicorn's configuration there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from runicorn_jupyter.models.base import (
    ConnectionQuery,
    EnvironmentType,
    MessageResponse,
    Model,
    Request,
    Success,
    Text,
)

__all__ = [
    "CancelSetupQuery",
    "ConfigQuery",
    "ConfigResponse",
    "CreateEnvironmentRequest",
    "CreateEnvironmentResponse",
    "DetectRequest",
    "DetectResponse",
    "Environment",
    "EnvironmentsQuery",
    "EnvironmentsResponse",
    "PythonToBring",
    "RemoveEnvironmentResponse",
    "RunicornConfig",
    "SetupPlan",
    "StorageRoot",
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


Version = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9A-Za-z.+!]{0,63}$")]
"""A version of a package (PEP 440)."""
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

    private: bool = Field(
        False, description="Whether environments/create made it, so that environments/remove removes it."
    )
    size_bytes: int | None = Field(
        None, description="The disk that it takes, of a private one; null where that is not known."
    )


class PythonToBring(Model):
    """A Python that ``POST environments/create`` would bring, if it is told to."""

    version: str
    megabytes: int = Field(description="The disk that it takes beside the environment, about, in MB.")
    comes_from: Literal["remote", "local"] = Field(
        description="Whose uv downloads it: the remote's, or this server's, which sends it."
    )


class SetupPlan(Model):
    """What ``POST environments/create`` would do, so that a person can be told before."""

    folder: str = Field(description="Where: a folder of the remote, with all of it.")
    python_path: str | None = Field(
        None,
        description="The Python that it would be made with; null: no Python of the remote is known that can.",
    )
    python_version: str | None = None
    megabytes: int = Field(description="The disk that it takes, about, in MB.")
    brings: PythonToBring | None = Field(
        None, description="Where no Python is known that can: the one that bring_python brings; else null."
    )
    problem: str | None = Field(None, description="Why none that is brought could run; null if one may.")


class StorageRoot(Model):
    """A folder of the remote that looks like a storage root of runicorn."""

    path: str
    runs: int = Field(description="How many runs it has; 1000 stands for so many or more.")


class _Looked(Model):
    notes: list[str] = Field(
        [], description="Sentences on what could not be found out, as where time ran out."
    )
    storage_candidates: list[str] = Field(
        [],
        description="Folders of the remote that look like storage roots, for environments that name none.",
    )
    storage_roots: list[StorageRoot] = Field([], description="The same, with how many runs each has.")
    setup: SetupPlan | None = Field(
        None, description="What environments/create would do there; null where no commands run."
    )


class EnvironmentsResponse(Success, _Looked):
    """Answer of ``GET environments``."""

    environments: list[Environment]
    total: int


class DetectResponse(MessageResponse, _Looked):
    """Answer of ``POST environments/detect``."""

    environments_found: int
    environments: list[Environment]


class CreateEnvironmentRequest(ConnectionQuery):
    """Body of ``POST environments/create``."""

    runicorn_version: Version | None = Field(
        None, description="Default: the one that is there, else the newest that fits the Python."
    )
    python: Text | None = Field(
        None, description="A listed environment, or the path of an interpreter; default: the best there is."
    )
    bring_python: bool = Field(
        False,
        strict=True,
        description="Whether a Python is brought, into the same folder, where the remote has none of at least"
        " 3.8; setup.brings says whether one can be had.",
    )
    wheels: Literal["remote", "local", "auto"] = Field(
        "auto",
        description="Where packages come from: the remote's own pip or uv, wheels that this server sends,"
        " or these where the others fail.",
    )


class CreateEnvironmentResponse(MessageResponse):
    """Answer of ``POST environments/create``."""

    environment: Environment
    created: bool = Field(description="False if it was there already.")


class CancelSetupQuery(Request):
    """Path argument of ``DELETE environments/create/{request_id}``."""

    request_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class RemoveEnvironmentResponse(MessageResponse):
    """Answer of ``POST environments/remove``."""

    bytes_freed: int


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
