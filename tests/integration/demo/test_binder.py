"""binder/ as a BinderHub uses it: what it names is there, and its servers start beside a Jupyter."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from runicorn_jupyter.demo.folders import ALIAS, Folders
from runicorn_jupyter.demo.processes import mark_of, marked

ROOT = Path(__file__).parents[3]
BINDER = ROOT / "binder"


@pytest.fixture
def home(tmp_path: Path, second_start: Callable[[Path], Folders]) -> Path:
    """A home in which the demo's environment has been made."""
    second_start(tmp_path / ".runicorn-jupyter-demo")
    return tmp_path


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_the_environment_has_what_the_project_needs() -> None:
    made = yaml.safe_load((BINDER / "environment.yml").read_text(encoding="utf-8"))
    versions = dict(line.split("=") for line in made["dependencies"] if "=" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(versions["python"])
    assert int(versions["nodejs"]) >= 22
    assert {"openssh", "pip"} <= set(made["dependencies"])


def test_what_is_installed_is_there(home: Path) -> None:
    assert os.access(BINDER / "postBuild", os.X_OK)
    *_, install, prepare = (BINDER / "postBuild").read_text(encoding="utf-8").splitlines()
    words = install.split()
    assert words[:4] == ["python", "-m", "pip", "install"]
    assert (ROOT / words[words.index("-c") + 1]).is_file()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert words[-1].strip("'.[]") in extras["optional-dependencies"]
    done = subprocess.run(
        ["bash", "-c", prepare], env=_environment(home), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "A Python environment with runicorn" in done.stdout


async def test_the_servers_start_beside_jupyter(home: Path) -> None:
    """What it is given runs at once, and the ssh config leads to the servers once they are up."""
    process = await asyncio.create_subprocess_exec(
        *[BINDER / "start", "sh", "-c", 'echo "in place of Jupyter: $0 $1"; exec cat', "a b", "c"],
        env=_environment(home),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed = b""
    while b"Ctrl-C here ends everything" not in printed:
        line = await process.stdout.readline()
        assert line, printed
        printed += line
    config = home / ".ssh" / "config"
    ssh = await asyncio.create_subprocess_exec(
        *["ssh", "-F", str(config), ALIAS, "echo $HOME"], stdout=subprocess.PIPE
    )
    listed, _ = await ssh.communicate()
    os.killpg(process.pid, signal.SIGTERM)
    rest, _ = await process.communicate()
    assert b"in place of Jupyter: a b c\n" in printed
    assert listed.decode().strip() == str(home / ".runicorn-jupyter-demo" / "gpu-server")
    assert config.parent.stat().st_mode & 0o077 == 0
    assert b"Nothing is left running." in rest
    assert marked(mark_of(home / ".runicorn-jupyter-demo")) == []
