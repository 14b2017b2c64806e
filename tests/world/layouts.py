"""Environments as people's tools leave them, around a real interpreter: conda, pyenv, virtualenvs.

Each works: its ``bin/python`` runs, and imports the runicorn that the layout says is there. Nothing is
copied; they point to one of the cached environments of ``tests.world.environments``.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.world.environments import base_python


def site_packages(prefix: Path) -> Path:
    """Return an environment's ``site-packages``."""
    (found,) = prefix.glob("lib/python3*/site-packages")
    return found


def _interpreter(prefix: Path, like: Path) -> None:
    """Make ``bin/python`` run the interpreter of another environment, whatever the place says it is."""
    (prefix / "bin").mkdir(parents=True, exist_ok=True)
    script = prefix / "bin" / "python"
    script.write_text(f'#!/bin/sh\nexec "{like}/bin/python" "$@"\n')
    script.chmod(0o755)
    (prefix / "bin" / "python3").symlink_to("python")


def _runicorn(prefix: Path, like: Path, python: str) -> None:
    """Put what is in ``like``'s site-packages into those of an environment for that Python."""
    minor = ".".join(python.split(".")[:2])
    site = prefix / "lib" / f"python{minor}" / "site-packages"
    site.mkdir(parents=True, exist_ok=True)
    for entry in site_packages(like).iterdir():
        if entry.name.startswith("runicorn"):
            (site / entry.name).symlink_to(entry)


def conda_env(
    prefix: Path, like: Path, *, python: str = "3.11.7", base: bool = False, home: Path | None = None
) -> Path:
    """Make a conda environment.

    Parameters
    ----------
    prefix
        Where.
    like
        Whose runicorn and interpreter it has.
    python
        The version that its conda-meta says.
    base
        Make it the root of an installation, with conda in it.
    home
        Register it in ``~/.conda/environments.txt`` of this home.
    """
    _interpreter(prefix, like)
    _runicorn(prefix, like, python)
    meta = prefix / "conda-meta"
    meta.mkdir()
    (meta / "history").write_text("==> 2024-05-01 10:00:00 <==\n# cmd: conda create\n")
    record = {"name": "python", "version": python, "build": "h955ad1f_0_cpython"}
    (meta / f"python-{python}-h955ad1f_0_cpython.json").write_text(json.dumps(record))
    (meta / "pip-24.0-py311h06a4308_0.json").write_text("{}")
    (meta / "python_abi-3.11-5_cp311.json").write_text("{}")
    if base:
        (prefix / "condabin").mkdir()
        (prefix / "envs").mkdir()
        conda = prefix / "bin" / "conda"
        conda.write_text("#!/bin/sh\nexit 1\n")
        conda.chmod(0o755)
    if home is not None:
        (home / ".conda").mkdir(exist_ok=True)
        with (home / ".conda" / "environments.txt").open("a") as file:
            file.write(f"{prefix}\n")
    return prefix


def virtualenv(
    prefix: Path, like: Path | None = None, *, python: str = "3.11.2", key: str = "version", extra: str = ""
) -> Path:
    """Make a virtual environment.

    Parameters
    ----------
    prefix
        Where.
    like
        Whose runicorn and interpreter it has; None: the system's interpreter and no runicorn.
    python
        The version that its pyvenv.cfg says.
    key
        Under which it says so: ``version`` (venv), ``version_info`` (virtualenv, uv).
    extra
        More lines of pyvenv.cfg.
    """
    home = (like / "bin") if like else base_python().parent
    (prefix / "bin").mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text(f"home = {home}\n{key} = {python}\n{extra}")
    if like is None:
        (prefix / "bin" / "python").symlink_to(base_python())
        minor = ".".join(python.split(".")[:2])
        (prefix / "lib" / f"python{minor}" / "site-packages").mkdir(parents=True)
    else:
        _interpreter(prefix, like)
        _runicorn(prefix, like, python)
    return prefix


def pyenv_version(root: Path, version: str, like: Path) -> Path:
    """Make a version of pyenv's below its root."""
    prefix = root / "versions" / version
    _interpreter(prefix, like)
    _runicorn(prefix, like, version)
    return prefix


def pyenv_virtualenv(root: Path, version: str, name: str, like: Path) -> Path:
    """Make a virtualenv of pyenv-virtualenv's: below its version, and a link to it beside the versions."""
    prefix = virtualenv(root / "versions" / version / "envs" / name, like, python=version)
    (root / "versions" / name).symlink_to(prefix)
    return prefix


def add_environments(home: Path, **environments: Path) -> None:
    """Make environments that lie elsewhere show up in a remote home, as virtualenvwrapper's do.

    The session's sshd is shared: what another part of the tests has put there already stays.
    """
    folder = home / ".virtualenvs"
    folder.mkdir(exist_ok=True)
    for name, prefix in environments.items():
        link = folder / name
        if not (link.is_symlink() and link.readlink() == prefix):
            link.symlink_to(prefix)
