"""Build the JupyterLab side for a wheel or an sdist: hatch calls this, in pip's own build environment."""

from __future__ import annotations

import subprocess
import sys
from shutil import which
from typing import Any

from hatch_jupyter_builder import npm_builder
from hatch_jupyter_builder.utils import is_stale

NEEDS_NODE = """\
runicorn-jupyter: a checkout's JupyterLab side is built by npm, and there is none on this machine.
Install Node.js 20 or newer with npm and try again; or let `make dist` on another machine make the wheel, \
and install that: it needs no Node."""

FAILED = "runicorn-jupyter: npm could not build the JupyterLab side; the lines above say why."


def build(target_name: str, version: str, **kwargs: Any) -> None:
    """Run npm where a source is newer than what is there; end with a sentence where that cannot be.

    Parameters
    ----------
    target_name
        ``wheel`` or ``sdist``.
    version
        ``standard`` or ``editable``.
    kwargs
        What `npm_builder` takes: ``build-kwargs`` in ``pyproject.toml``.
    """
    if not is_stale(kwargs["build_dir"], kwargs["source_dir"]):
        return
    if which("npm") is None:
        sys.exit(NEEDS_NODE)
    try:
        npm_builder(target_name, version, **kwargs)
    except subprocess.CalledProcessError:
        sys.exit(FAILED)
