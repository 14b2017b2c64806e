"""What a person uses in a notebook: magics, the panel, and the viewer in an output."""

from __future__ import annotations

from typing import Any

__all__ = ["RunicornPanel"]


def __getattr__(name: str) -> Any:
    if name == "RunicornPanel":
        from runicorn_jupyter.notebook.panel.panel import RunicornPanel  # noqa: PLC0415 - widgets take 200 ms to import

        return RunicornPanel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
