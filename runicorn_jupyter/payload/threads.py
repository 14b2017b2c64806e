"""Threads that are there before they are needed. Python >= 3.8.

Where memory is short, a thread may begin and fail before it says that it runs: ``Thread.start`` waits for
that word for ever, and with it the event loop that wanted the thread.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

__all__ = ["started_threads"]


def started_threads(count: int, name: str) -> ThreadPoolExecutor:
    """Return an executor all of whose threads run already, so that it never starts another.

    Parameters
    ----------
    count
        How many.
    name
        What their names begin with.
    """
    executor = ThreadPoolExecutor(count, thread_name_prefix=name)
    all_run = threading.Barrier(count + 1)
    for _ in range(count):
        executor.submit(all_run.wait)
    all_run.wait()
    return executor
