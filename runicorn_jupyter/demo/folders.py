"""The demo's folder: two homes, a person's and a GPU server's, and nothing outside of them."""

from __future__ import annotations

import getpass
import json
import os
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

ALIAS = "demo-gpu"
NOTEBOOK = "quickstart.ipynb"

_NO_QUESTIONS = {"checkForUpdates": False, "fetchNews": "false"}  # JupyterLab's, before the first click

# What would lead the demo's programs to the person's own settings, agents and runs.
_PERSONAL = ("JUPYTER", "JPY_", "IPYTHON", "XDG_", "RUNICORN", "SSH_", "PYTHON", "VIRTUAL_ENV", "CONDA")


def default_folder() -> Path:
    """Return where the demo keeps its things if nothing else is said: a folder of the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "runicorn-jupyter-demo"


def neutral(environment: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables without those that lead to a person's own settings."""
    return {name: value for name, value in environment.items() if not name.startswith(_PERSONAL)}


class Folders:
    """The parts of the demo's folder, made where they are missing; private to the user.

    Parameters
    ----------
    root
        The demo's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.home = self.root / "home"  # the person's, at the Jupyter side
        self.notebooks = self.home / "notebooks"
        self.ssh = self.home / ".ssh"
        self.remote_home = self.root / "gpu-server"
        self.runs = self.remote_home / "runs"
        self.environment = self.remote_home / ".virtualenvs" / "train"
        self.log = self.root / "demo.log"
        self.jupyter_log = self.root / "jupyterlab.log"
        for folder in (self.root, self.home, self.notebooks, self.ssh, self.remote_home):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def begin(self) -> None:
        """Make a fresh start: no runs and no logs of last time; the environment stays."""
        shutil.rmtree(self.runs, ignore_errors=True)
        self.runs.mkdir()
        for log in (self.log, self.jupyter_log):
            log.write_text("", encoding="utf-8")
        self._write_notebook()
        settings = self.home / ".jupyter/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "notification.jupyterlab-settings").write_text(
            json.dumps(_NO_QUESTIONS), encoding="utf-8"
        )
        resource = files("runicorn_jupyter.demo").joinpath("training.py")
        (self.remote_home / "training.py").write_bytes(resource.read_bytes())
        config = self.remote_home / ".config" / "runicorn"
        config.mkdir(parents=True, exist_ok=True)
        (config / "config.json").write_text(json.dumps({"user_root_dir": str(self.runs)}), encoding="utf-8")

    def _write_notebook(self) -> None:
        fresh = files("runicorn_jupyter.demo").joinpath(NOTEBOOK).read_bytes()
        path = self.notebooks / NOTEBOOK
        if path.exists() and path.read_bytes() != fresh:
            path.replace(path.with_name("quickstart-before.ipynb"))  # a person's own changes are theirs
        path.write_bytes(fresh)

    def write_ssh_config(self, port: int, key: Path, host_key: str) -> None:
        """Let ``ssh demo-gpu`` lead to the demo's server, for any user whose home this is.

        Parameters
        ----------
        port
            The server's port at 127.0.0.1.
        key
            The client's private key.
        host_key
            The server's public key, ``TYPE BASE64``.
        """
        known_hosts = self.ssh / "known_hosts"
        known_hosts.write_text(f"[127.0.0.1]:{port} {host_key}\n", encoding="utf-8")
        (self.ssh / "config").write_text(
            f"# Written by runicorn_jupyter.demo at each start.\n"
            f"Host {ALIAS}\n"
            f"  HostName 127.0.0.1\n"
            f"  Port {port}\n"
            f"  User {getpass.getuser()}\n"
            f'  IdentityFile "{key}"\n'
            f"  IdentitiesOnly yes\n"
            f'  UserKnownHostsFile "{known_hosts}"\n',
            encoding="utf-8",
        )
