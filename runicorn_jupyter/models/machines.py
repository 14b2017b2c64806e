"""The machines behind the connections: processors, memory, disk, and accelerators with their processes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from runicorn_jupyter.models.base import Model, Request, Success
from runicorn_jupyter.models.runs import RunKey, RunsProblem

__all__ = [
    "Gpu",
    "GpuProcess",
    "Machine",
    "MachineCpu",
    "MachineDisk",
    "MachineMemory",
    "MachinesQuery",
    "MachinesResponse",
]

_Version = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class MachinesQuery(Request):
    """Options of ``GET machines``."""

    changed_since: _Version | None = Field(
        None, description="`version` of an answer: only the machines that changed since."
    )
    wait: float = Field(
        0, ge=0, le=60, description="With `changed_since`: seconds to wait for a change, if there is none."
    )


class MachineCpu(Model):
    """The processors."""

    count: int | None
    used_percent: float | None = Field(description="Of all together.")
    load1: float | None = Field(description="Load average of the last minute.")


class MachineMemory(Model):
    """The main memory."""

    total: int | None = Field(description="Bytes.")
    used: int | None = Field(description="Bytes that programs could not have.")


class MachineDisk(Model):
    """The file system of the storage root; of the home where no viewer is open."""

    path: str
    total: int = Field(description="Bytes.")
    free: int = Field(description="Bytes that this account can write.")


class GpuProcess(Model):
    """A process that uses an accelerator."""

    pid: int
    user: str | None = Field(description="Null where the server does not show it.")
    command: str | None = Field(description="As `ps` shows it there, secrets masked.")
    memory: int | None = Field(description="Bytes of the accelerator's memory.")
    mine: bool | None = Field(description="Whether it runs as this connection's account; null: unknown.")
    run: RunKey | None = Field(description="The run that it belongs to, as far as a viewer knows it.")


class Gpu(Model):
    """An accelerator."""

    index: int
    uuid: str | None
    name: str | None
    vendor: str = Field(description="`nvidia`, `amd` or `ascend`.")
    used_percent: float | None
    memory_total: int | None = Field(description="Bytes.")
    memory_used: int | None = Field(description="Bytes.")
    temperature_c: float | None
    power_w: float | None
    processes: list[GpuProcess]


class Machine(Model):
    """The machine at the other end of a connection; null is what is not known."""

    connection_id: str
    host: str
    cpu: MachineCpu
    memory: MachineMemory
    disk: MachineDisk | None
    gpus: list[Gpu] | None = Field(description="Empty where there are none; null: not known yet.")
    as_of: datetime | None = Field(description="When it was last heard of; null: not yet.")
    error: RunsProblem | None = Field(description="Why something is missing, or old.")


class MachinesResponse(Success):
    """Answer of ``GET machines``, in the order of the connections; of ``changed_since``: what changed."""

    machines: list[Machine]
    removed: list[str] = Field(description="With `changed_since`: ids of connections that are gone.")
    reset: bool = Field(description="`changed_since` is not of this server: begin again with this answer.")
    version: str = Field(description="For `changed_since`.")
