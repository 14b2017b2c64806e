"""A real environment in which ``runicorn.viewer`` was replaced: its page attacks whoever opens it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.world.environments import base_python
from tests.world.layouts import site_packages

ATTACK = Path(__file__).parents[1] / "data" / "hostile"


def hostile_env(prefix: Path, like: Path, attack: Path = ATTACK) -> Path:
    """Make an environment whose runicorn is an attack.

    Parameters
    ----------
    prefix
        Where.
    like
        An environment with a real runicorn: its dependencies are used, and its metadata.
    attack
        The folder with ``viewer.py`` and what that serves.
    """
    subprocess.run([base_python(), "-m", "venv", "--without-pip", prefix], check=True)
    site, real = site_packages(prefix), site_packages(like)
    (site / "real.pth").write_text(f"{real}\n")
    for entry in real.glob("runicorn-*.dist-info"):
        shutil.copytree(entry, site / entry.name)
    viewer = site / "runicorn" / "viewer"
    viewer.mkdir(parents=True)
    version = next(real.glob("runicorn-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    (site / "runicorn" / "__init__.py").write_text(f"__version__ = {version!r}\n")
    for file in attack.glob("*.*"):
        shutil.copy(file, viewer / ("__init__.py" if file.name == "viewer.py" else file.name))
    return prefix


def reports(home: Path) -> list[dict[str, Any]]:
    """Give what the attacks of viewers with this ``HOME`` have said so far."""
    path = home / "attack-report.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
