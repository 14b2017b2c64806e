"""Runicorn's remote viewer inside Jupyter: connect once over SSH, see your runs."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from runicorn_jupyter.extension import RunicornJupyter

    return [{"module": "runicorn_jupyter", "app": RunicornJupyter}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "runicorn-jupyter"}]


def load_ipython_extension(ipython: Any) -> None:
    """Register the ``%runicorn_…`` magics (``%load_ext runicorn_jupyter``)."""
    from runicorn_jupyter.notebook.magics import RunicornMagics

    ipython.register_magics(RunicornMagics(ipython))
