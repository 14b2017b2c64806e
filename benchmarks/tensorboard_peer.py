"""Writes the scalars of runs as TensorBoard reads them; run by an environment's Python that has it.

``tensorboard_peer.py FOLDER RUNS STEPS``: so many runs of so many steps of ``loss``.
"""

from __future__ import annotations

import math
import random
import shutil
import sys
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

DIFFERENT = 4
"""Its checksums are Python's: the runs beyond so many are copies of these."""
BEGAN = 1767225600


def main() -> None:
    """Write the runs."""
    folder, runs, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for number in range(runs):
        file = folder / f"run-{number}" / f"events.out.tfevents.{BEGAN}.peer"
        file.parent.mkdir(parents=True)
        if number >= DIFFERENT:
            shutil.copyfile(folder / f"run-{number % DIFFERENT}" / file.name, file)
            continue
        with file.open("wb") as opened:
            records = RecordWriter(opened)
            records.write(Event(wall_time=BEGAN, file_version="brain.Event:2").SerializeToString())
            for step in range(steps):
                loss = math.exp(-step / steps * (1 + number)) * random.uniform(0.85, 1.15)
                value = Summary.Value(tag="loss", simple_value=loss)
                event = Event(wall_time=BEGAN + step, step=step, summary=Summary(value=[value]))
                records.write(event.SerializeToString())


if __name__ == "__main__":
    main()
