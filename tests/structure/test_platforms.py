"""What runs in Jupyter can be imported where Python has no POSIX modules, as on Windows."""

from __future__ import annotations

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios"):
    sys.modules[name] = None
import runicorn_jupyter
for info in pkgutil.walk_packages(runicorn_jupyter.__path__, "runicorn_jupyter."):
    if not info.name.startswith(("runicorn_jupyter.payload", "runicorn_jupyter.demo")):
        importlib.import_module(info.name)
"""


def test_nothing_outside_the_remotes_side_needs_a_module_of_posix() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
