"""What the client's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.recording import Recorder, recording_server


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A real HTTP server that writes down what it is asked."""
    with recording_server() as made:
        yield made


@pytest.fixture
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of Jupyter's of our own, and none of the variables that name a server."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    for name in (
        "JUPYTERHUB_SERVICE_URL",
        "JUPYTERHUB_API_TOKEN",
        "JUPYTER_SERVER_URL",
        "JUPYTER_TOKEN",
        "JPY_PARENT_PID",
    ):
        monkeypatch.delenv(name, raising=False)
    return folder
