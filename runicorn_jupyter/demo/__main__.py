"""``python -m runicorn_jupyter.demo``: one command that starts everything, and ends all of it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

NEEDED = ("asyncssh", "jupyterlab", "psutil")

if __name__ == "__main__":
    if sys.platform == "win32":
        sys.exit("The demo runs on Linux and macOS; on Windows, start it in WSL.")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        sys.exit(
            f"The demo needs {', '.join(missing)}: python -m pip install {' '.join(missing)}"
            " (the extra `demo` of runicorn-jupyter has them)."
        )
    from runicorn_jupyter.demo.command import main

    sys.exit(main())
