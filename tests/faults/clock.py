"""A wall clock of a process's own, that can be set while it runs.

The library is loaded before the C library and adds an offset to what the kernel says of the real
time; everything else, monotonic clocks and waits, is the kernel's. (libfaketime will not do: with its
``DONT_FAKE_MONOTONIC`` it breaks ``clock_nanosleep``, and with that ``time.sleep`` of Python 3.11 and later.)
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# The offset is a file's time of change, so that asking for it is one system call.
_SOURCE = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static time_t offset(void) {
    struct stat found;
    const char *path = getenv("RUNICORN_TEST_CLOCK");
    return path && syscall(SYS_newfstatat, -100, path, &found, 0) == 0 ? found.st_mtime - 1000000000 : 0;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *out) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    if (out) *out = real.tv_sec;
    return real.tv_sec;
}
"""


class Clock:
    """A clock for processes that are started with its ``environment``.

    Parameters
    ----------
    folder
        Where its files go.
    """

    def __init__(self, folder: Path) -> None:
        source, library, self._offset = (folder / f"clock.{end}" for end in ("c", "so", "offset"))
        source.write_text(_SOURCE)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
        self._offset.touch()
        self.environment = {"LD_PRELOAD": str(library), "RUNICORN_TEST_CLOCK": str(self._offset)}
        self.set(0)

    def set(self, seconds: int) -> None:
        """Let it be so many seconds later than it is."""
        os.utime(self._offset, (0, 1_000_000_000 + seconds))
