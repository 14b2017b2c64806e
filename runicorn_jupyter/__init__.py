"""Runicorn's remote viewer inside Jupyter: connect once over SSH, see your runs."""

from __future__ import annotations

from typing import Any

from runicorn_jupyter._version import __version__ as __version__


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from runicorn_jupyter.extension import RunicornJupyter

    return [{"module": "runicorn_jupyter", "app": RunicornJupyter}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "runicorn-jupyter"}]


def load_ipython_extension(ipython: Any) -> None:
    """Register the ``%runicorn_…`` magics (``%load_ext runicorn_jupyter``)."""
    from runicorn_jupyter.notebook.magics import RunicornMagics

    ipython.register_magics(RunicornMagics(ipython))
