"""Where a machine has no Node.js, or an old one, `make` gets itself one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a space that has the scripts."""
    folder = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


def ensure(checkout: Path, path: str) -> str:
    """Run the script to its end with a PATH, and return what it said."""
    done = subprocess.run(
        [checkout / "scripts" / "node.sh"],
        env={**os.environ, "PATH": path, "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_an_old_one_is_left_and_another_is_fetched_once(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for name in ("node", "npm"):
        program = old / name
        program.write_text("#!/bin/sh\nexit 1\n")  # what an old one answers to the question for its version
        program.chmod(0o755)
    path = f"{checkout / '.cache' / 'node' / 'programs'}:{old}:/usr/bin:/bin"
    assert "installing one into .cache/node" in ensure(checkout, path)
    for command in (["node", "-p", "process.versions.node"], ["npm", "--version"]):
        done = subprocess.run(
            command, env={"PATH": path, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True
        )
        assert int(done.stdout.split(".")[0]) >= (22 if command[0] == "node" else 10)
    assert ensure(checkout, path) == ""


def test_one_that_is_new_enough_is_used(checkout: Path) -> None:
    assert ensure(checkout, os.environ["PATH"]) == ""
    assert not (checkout / ".cache").exists()
