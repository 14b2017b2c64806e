"""The command ``jupyter runicorn``: what it can be told, and how ``--help`` shows it."""

from __future__ import annotations

from typing import Any

from jupyter_core.application import base_aliases, base_flags
from jupyter_server.serverapp import JupyterServerListApp, JupyterServerStopApp
from jupyter_server.serverapp import aliases as server_aliases
from jupyter_server.serverapp import flags as server_flags

__all__ = ["ALIASES", "DEFAULT_PORT", "EXAMPLES", "FLAGS", "SUBCOMMANDS"]

DEFAULT_PORT = 23300
"""Runicorn's own port (its seed examples' default)."""

EXAMPLES = """
jupyter runicorn                        # JupyterLab with the Runicorn panel, on port 23300
jupyter runicorn --port=8890            # on another port
jupyter runicorn --no-browser           # open nothing, print the URL
jupyter runicorn ~/notebooks            # begin in this folder
jupyter runicorn --allowed-hosts='*.cluster.example' --host-key-policy=strict
jupyter runicorn list                   # the running Jupyter servers
jupyter runicorn doctor gpu1            # what is there, and what hinders connecting to gpu1
"""

ALIASES: dict[Any, Any] = {
    **base_aliases,
    **{name: server_aliases[name] for name in ("ip", "notebook-dir", "browser")},
    "port": (
        "ServerApp.port",
        f"The port to listen on; {DEFAULT_PORT} if neither this nor a configuration says one.",
    ),
    "allowed-hosts": "RunicornJupyter.allowed_hosts",
    "host-key-policy": "RunicornJupyter.host_key_policy",
    "max-connections": "RunicornJupyter.max_connections",
}

FLAGS: dict[Any, Any] = {
    **base_flags,
    **{name: server_flags[name] for name in ("debug", "allow-root", "no-browser")},
}

SUBCOMMANDS: dict[str, Any] = {
    "doctor": (
        "runicorn_jupyter.doctor.app.DoctorApp",  # imported where it is asked for
        "Say what is there, and what hinders connecting to a host.",
    ),
    "list": (JupyterServerListApp, "List the running Jupyter servers."),
    "stop": (JupyterServerStopApp, "Stop the Jupyter server on a port."),
}
