"""``python -m runicorn_jupyter.demo``: one command that starts everything, and ends all of it."""

from __future__ import annotations

import sys

from runicorn_jupyter.demo.command import main

if __name__ == "__main__":
    sys.exit(main())
