"""Both ends of the range of paramiko: the newest is what the other tests run on, this is the oldest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.world.environments import build

OLDEST = "3.4.0"  # the floor in pyproject.toml


def test_the_oldest_paramiko_carries_streams_commands_and_jumps(tmp_path: Path) -> None:
    installed = next(build(f"paramiko=={OLDEST}").glob("lib/python*/site-packages/paramiko"))
    (tmp_path / "paramiko").symlink_to(installed)  # it alone: what it needs is here
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import paramiko; print(paramiko.__version__)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == OLDEST
    here = Path(__file__).parent
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::cryptography.utils.CryptographyDeprecationWarning",
            "-k",
            "(stream and not 256) or relay or command or algorithms or jump_hosts or (learns and hashed)",
            str(here / "test_stream.py"),
            str(here / "test_connection.py"),
            str(here / "test_dial.py"),
            str(here / "test_host_keys_from_elsewhere.py"),
        ],
        cwd=here.parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
