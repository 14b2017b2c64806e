"""Logs runs by trackio, and shows its page; run by an environment's Python that has it.

``trackio_peer.py log RUNS STEPS``: so many runs of so many steps of ``loss``. ``trackio_peer.py show PORT``
serves the page until it is ended. Both in the folder that ``TRACKIO_DIR`` names.
"""

from __future__ import annotations

import math
import random
import sys

import trackio
from trackio.sqlite_storage import SQLiteStorage

PROJECT = "bench"


def log(runs: int, steps: int) -> None:
    """Write the runs by what is behind ``trackio.log``, which for one step at a time takes far longer."""
    for number in range(runs):
        smooth = [math.exp(-step / steps * (1 + number / 10)) for step in range(steps)]
        rows = [{"loss": loss * random.uniform(0.85, 1.15)} for loss in smooth]
        SQLiteStorage.bulk_log(PROJECT, f"run-{number}", rows)


if __name__ == "__main__":
    question, *numbers = sys.argv[1:]
    if question == "log":
        log(*map(int, numbers))
    else:
        trackio.show(PROJECT, server_port=int(numbers[0]), open_browser=False)
