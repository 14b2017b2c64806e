"""What the TypeScript sources say a second time agrees with what the package says."""

from __future__ import annotations

import re
from pathlib import Path

from runicorn_jupyter.api.routes import OPERATIONS
from runicorn_jupyter.proxy.csp import SANDBOX

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "labextension" / "src"
# FakeViewer's documented class has these names already.
UPSTREAM = {
    "getConfig": "getRemoteConfig",
    "viewerStatus": "getViewerStatus",
    "viewerLogs": "getViewerLogs",
    "health": "healthCheck",
}


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def test_each_operation_is_a_method_of_the_client_by_its_name() -> None:
    text = (SOURCES / "api" / "client.ts").read_text(encoding="utf-8")
    methods = set(re.findall(r"^  async (\w+)\(", text, re.MULTILINE))
    names = {_camel(operation.name) for operation in OPERATIONS}
    assert {UPSTREAM.get(name, name) for name in names} - methods == set()


def test_every_frame_that_shows_a_viewer_has_the_sandbox_of_its_pages() -> None:
    frames = (SOURCES / "viewer" / "frame.ts", ROOT / "runicorn_jupyter/notebook/viewer_widget.py")
    for path in frames:
        words = re.findall(r"[\"'](allow-scripts[a-z -]*)[\"']", path.read_text(encoding="utf-8"))
        assert words == [SANDBOX], path
