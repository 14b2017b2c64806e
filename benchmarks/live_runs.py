"""Runs that log a step a second each, all by one process; run by an environment's Python, not imported.

``live_runs.py ROOT COUNT STEPS``: so many runs, which have so many steps when the process says ``ready``. The
end of its input ends them.
"""

from __future__ import annotations

import math
import sys
import threading

import runicorn


def main() -> None:
    """Log until the input ends."""
    root, count, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    printed, sys.stdout = sys.stdout, sys.stderr  # runicorn's own messages are not the answer
    runs = [
        runicorn.init(storage=root, capture_env=False, path=f"live/run-{number}", alias=f"run-{number}")
        for number in range(count)
    ]

    def log(step: int) -> None:
        for number, run in enumerate(runs):
            run.log({"loss": math.exp(-step / (100 + number))}, step=step)

    for step in range(steps):
        log(step)
    print("ready", file=printed, flush=True)
    has_ended = threading.Event()

    def go_on() -> None:
        step = steps
        while not has_ended.wait(1):
            log(step)
            step += 1

    logging = threading.Thread(target=go_on)
    logging.start()
    sys.stdin.read()
    has_ended.set()
    logging.join()
    for run in runs:
        run.finish()


if __name__ == "__main__":
    main()
