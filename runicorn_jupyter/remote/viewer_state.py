"""What the other side says of a running viewer, looked at before it is believed."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
)

from runicorn_jupyter.json_text import InvalidJson, read_json
from runicorn_jupyter.payload.state_files import MAX_STATE_BYTES
from runicorn_jupyter.payload.versions import STATE_VERSION

__all__ = ["ViewerStateFile", "parse_state", "read_state"]

Line = Annotated[str, StringConstraints(max_length=4096)]


class ViewerStateFile(BaseModel):
    """The state file of a viewer (``payload/state_files.py``); unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)

    version: int = Field(ge=STATE_VERSION, le=STATE_VERSION)
    host: Line
    boot: Line
    pid: int = Field(gt=1, lt=2**31)
    start_time: Line
    port: int = Field(gt=0, lt=65536)
    secret: SecretStr = Field(min_length=16, max_length=256)
    prefix: Line
    root: Line | None
    asked_root: Line | None = None
    runicorn_version: Annotated[str, StringConstraints(max_length=100)] | None
    folder: Annotated[str, StringConstraints(max_length=4096, pattern=r"^/[^\x00\r\n]*$")]
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
    adopted: bool = True

    @field_validator("secret")
    @classmethod
    def _goes_into_a_header(cls, secret: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", secret.get_secret_value()):
            raise ValueError("is not of the form")
        return secret


def read_state(text: str) -> ViewerStateFile | None:
    """Return the viewer that a state file's text describes, or None if it is no such text."""
    try:
        return parse_state(read_json(text, max_size=MAX_STATE_BYTES))
    except InvalidJson:
        return None


def parse_state(value: Any) -> ViewerStateFile | None:
    """Return the state if it is valid, else None."""
    try:
        return ViewerStateFile.model_validate(value)
    except ValidationError:
        return None
