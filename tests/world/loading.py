"""What a Jupyter server or IPython loads, and what that costs, in a process that has done nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.world.jupyter import server_environment

_SERVER = """
from jupyter_server.serverapp import ServerApp
extensions = {"runicorn_jupyter": with_us}
app = ServerApp(jpserver_extensions=extensions, open_browser=False, port=0, allow_root=True)
begin()
app.initialize(argv=[], find_extensions=False)
"""
_KERNEL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
begin()
if with_us:
    shell.extension_manager.load_extension("runicorn_jupyter")
"""
_PROGRAM = """
import json, sys, time
with_us = json.loads(sys.argv[1])
began = []
def begin():
    began.append(time.process_time())
{code}
spent = time.process_time() - began[0]
pss = [line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")][0]
print(json.dumps([sorted(sys.modules), spent, int(pss) / 1024]))
"""


@dataclass
class Loaded:
    """A process that has loaded something.

    Attributes
    ----------
    modules
        All that were imported.
    cpu_ms
        What loading it took, milliseconds of CPU.
    memory_mib
        The process's proportional set size.
    """

    modules: set[str]
    cpu_ms: float
    memory_mib: float


def load_server(home: Path, *, with_us: bool) -> Loaded:
    """Initialise a Jupyter server that has no other extension, with ours or without any."""
    return _load(_SERVER, home, with_us=with_us)


def load_magics(home: Path, *, with_us: bool) -> Loaded:
    """Start IPython, with ``%load_ext runicorn_jupyter`` or without."""
    return _load(_KERNEL, home, with_us=with_us)


def _load(code: str, home: Path, *, with_us: bool) -> Loaded:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(code=code), json.dumps(with_us)],
        env=server_environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules, seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return Loaded(set(modules), seconds * 1000, memory)
