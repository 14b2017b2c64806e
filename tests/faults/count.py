"""What a Jupyter server's process has, to see what a fault has left in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Count:
    """What a process of ours has: threads, descriptors, resident memory (KiB)."""

    threads: int
    descriptors: int
    rss: int

    @classmethod
    def of(cls, pid: int) -> Count:
        """Count now."""
        status = Path(f"/proc/{pid}/status").read_text()
        rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
        return cls(threads, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), int(rss))

    def is_flat(self, before: Count) -> bool:
        """Whether nothing is there that was not there before."""
        return self.threads <= before.threads and self.descriptors <= before.descriptors
