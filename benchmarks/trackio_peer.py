"""Logs runs by trackio, and shows its page; run by an environment's Python that has it.

``trackio_peer.py log RUNS STEPS``: so many runs of so many steps of ``loss``. ``trackio_peer.py show PORT``
serves the page until it is ended. Both in the folder that ``TRACKIO_DIR`` names.
"""

from __future__ import annotations

import math
import random
import sqlite3
import sys
from contextlib import closing

import trackio
from trackio.sqlite_storage import SQLiteStorage

PROJECT = "bench"
DIFFERENT = 4
"""A run takes it more than a second to write: those beyond so many are copies of these."""
COPY = """
insert into metrics (run_id, run_name, timestamp, step, metrics)
select :copy, :copy, timestamp, step, metrics from metrics where run_id = :run order by step
"""


def log(runs: int, steps: int) -> None:
    """Write the runs by what is behind ``trackio.log``, which for one step at a time takes far longer."""
    for number in range(min(runs, DIFFERENT)):
        smooth = [math.exp(-step / steps * (1 + number / 10)) for step in range(steps)]
        rows = [{"loss": loss * random.uniform(0.85, 1.15)} for loss in smooth]
        SQLiteStorage.bulk_log(PROJECT, f"run-{number}", rows)
    with closing(sqlite3.connect(SQLiteStorage.get_project_db_path(PROJECT))) as store, store:
        for number in range(DIFFERENT, runs):
            store.execute(COPY, {"copy": f"run-{number}", "run": f"run-{number % DIFFERENT}"})


if __name__ == "__main__":
    question, *numbers = sys.argv[1:]
    if question == "log":
        log(*map(int, numbers))
    else:
        trackio.show(PROJECT, server_port=int(numbers[0]), open_browser=False)
