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
OTHERS = ("demo-gpu-2", "demo-gpu-3")
"""Two more servers, with GPUs and without runs."""
NOTEBOOK = "quickstart.ipynb"

_NO_QUESTIONS = {"checkForUpdates": False, "fetchNews": "false"}  # JupyterLab's, before the first click

# Lab's own form of a layout, as it saves it: the panel, the notebook, and the machines beside it.
_MACHINES = "runicorn-machines:runicorn-machines"
_LAYOUT = {
    "layout-restorer:data": {
        "main": {
            "dock": {
                "type": "split-area",
                "orientation": "horizontal",
                "sizes": [0.5, 0.5],
                "children": [
                    {"type": "tab-area", "currentIndex": 0, "widgets": [f"notebook:{NOTEBOOK}"]},
                    {"type": "tab-area", "currentIndex": 0, "widgets": [_MACHINES]},
                ],
            },
            "current": f"notebook:{NOTEBOOK}",
        },
        "left": {"collapsed": False, "current": "runicorn-panel", "widgets": ["runicorn-panel"]},
    },
    f"notebook:{NOTEBOOK}": {"data": {"path": NOTEBOOK, "factory": "Notebook"}},
    _MACHINES: {"data": {}},
}

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
        self.other_homes = {alias: self.root / alias.replace("demo-", "") for alias in OTHERS}
        self.runs = self.remote_home / "runs"
        self.environment = self.remote_home / ".virtualenvs" / "train"
        self.log = self.root / "demo.log"
        self.jupyter_log = self.root / "jupyterlab.log"
        homes = (self.remote_home, *self.other_homes.values())
        for folder in (self.root, self.home, self.notebooks, self.ssh, *homes):
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
        layout = self.home / ".jupyter/lab/workspaces/default-37a8.jupyterlab-workspace"  # Lab's name of it
        if not layout.exists():
            layout.parent.mkdir(parents=True, exist_ok=True)
            workspace = {"data": _LAYOUT, "metadata": {"id": "default"}}
            layout.write_text(json.dumps(workspace), encoding="utf-8")
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

    def write_ssh_config(
        self, port: int, key: Path, host_key: str, others: Mapping[str, int] | None = None
    ) -> None:
        """Let ``ssh demo-gpu`` lead to the demo's server, for any user whose home this is.

        Parameters
        ----------
        port
            The server's port at 127.0.0.1.
        key
            The client's private key.
        host_key
            The server's public key, ``TYPE BASE64``.
        others
            The ports of more servers with the same keys, by their alias.
        """
        ports = {ALIAS: port, **(others or {})}
        known_hosts = self.ssh / "known_hosts"
        lines = [f"[127.0.0.1]:{each} {host_key}\n" for each in ports.values()]
        known_hosts.write_text("".join(lines), encoding="utf-8")
        hosts = [
            f"Host {alias}\n"
            f"  HostName 127.0.0.1\n"
            f"  Port {each}\n"
            f"  User {getpass.getuser()}\n"
            f'  IdentityFile "{key}"\n'
            f"  IdentitiesOnly yes\n"
            f'  UserKnownHostsFile "{known_hosts}"\n'
            for alias, each in ports.items()
        ]
        text = "# Written by runicorn_jupyter.demo at each start.\n" + "".join(hosts)
        (self.ssh / "config").write_text(text, encoding="utf-8")
