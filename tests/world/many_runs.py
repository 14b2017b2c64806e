"""A storage root with thousands of runs: copies of one that runicorn's SDK has written.

The SDK takes a quarter of a second for a run (its ``finish`` waits and syncs the disks); a copy is a folder
with other ids and times, which the viewer takes up when it starts, as it does with what was imported.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

SECONDS_APART = 60.0
NOT_COPIED = ("assets.json", "assets.json.lock")
"""0.7 takes up a run with this file by two connections to its database: one waits 10 s for the other."""


def many_runs(root: Path, like: Path, count: int) -> list[str]:
    """Make a storage root of 0.6's and 0.7's layout, and return the ids, oldest first.

    Parameters
    ----------
    root
        The new storage root.
    like
        The folder of a finished run.
    count
        How many.
    """
    own = ("meta.json", "status.json")
    meta, status = (json.loads((like / name).read_text()) for name in own)
    shared = [path for path in like.iterdir() if path.is_file() and path.name not in (*own, *NOT_COPIED)]
    ids = []
    for number in range(count):
        run_id = f"20260101_{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}_{number:06x}"
        path = f"sweep/group-{number % 20}"
        folder = root / "runs" / path / run_id
        folder.mkdir(parents=True)
        at = 1767225600.0 + number * SECONDS_APART
        changed = {"id": run_id, "path": path, "alias": f"trial {number}", "created_at": at}
        (folder / "meta.json").write_text(json.dumps({**meta, **changed}))
        times = {"started_at": at, "ended_at": at + 30}
        (folder / "status.json").write_text(json.dumps({**status, **times}))
        for file in shared:
            os.link(file, folder / file.name)
        ids.append(run_id)
    return ids
