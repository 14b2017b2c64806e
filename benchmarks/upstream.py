"""The peer that runicorn 0.7.2 brings along: a viewer on this side that starts another on the other side."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from benchmarks.harness import until
from benchmarks.world import ENVIRONMENT, RUNICORN, World, answers, end_process, free_port
from runicorn_jupyter.ssh.hostkeys.verifier import fingerprint
from tests.world.environments import build

NAME = f"runicorn {RUNICORN}'s own"

# What upstream asks for the environments, and all that it asks for. A real conda takes half a second more.
_CONDA = """#!/bin/sh
for folder in "$HOME"/.virtualenvs/*; do echo "${folder##*/}  $folder"; done
"""


class FakeViewer:
    """FakeViewer's viewer on this side.

    Parameters
    ----------
    world
        Whose sshd it connects to.
    url
        Where it listens, with a slash at its end.
    """

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._url = url
        self._session = requests.Session()
        self._to = {
            "host": world.sshd.host,
            "port": world.sshd.port,
            "username": world.sshd.user,
            "private_key_path": str(world.sshd.key_path),
            "use_agent": False,
        }

    def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Ask its API; the answer has to be a success."""
        options: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        response = self._session.request(method, f"{self._url}api/remote/{path}", timeout=180, **options)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def trust(self) -> None:
        """Accept the sshd's key."""
        kind, key = self._world.sshd.host_key.split()
        self.ask(
            "POST",
            "known-hosts/accept",
            host=self._world.sshd.host,
            port=self._world.sshd.port,
            key_type=kind,
            public_key=f"{kind} {key}",
            fingerprint_sha256=fingerprint(base64.b64decode(key)),
        )

    def connect(self) -> str:
        """Connect; return its id of the connection."""
        return str(self.ask("POST", "connect", **self._to)["connection_id"])

    def start_viewer(self) -> tuple[str, str]:
        """Start the viewer; return the session's id and its URL."""
        root = str(self._world.runs)
        answer = self.ask("POST", "viewer/start", **self._to, remote_root=root, conda_env=ENVIRONMENT)
        session = answer["session"]
        return str(session["sessionId"]), f"http://127.0.0.1:{session['localPort']}/"

    def stop_viewer(self, session_id: str) -> None:
        """End the viewer."""
        self.ask("POST", "viewer/stop", session_id=session_id)

    def environments(self, connection_id: str) -> int:
        """Look for environments with runicorn; return how many there are."""
        configs = self.ask("GET", "env-configs", connection_id=connection_id)["configs"]
        return sum(one["runicornVersion"] is not None for one in configs.values())

    def disconnect(self) -> None:
        """End the connection, and what is remembered with it."""
        self.ask("POST", "disconnect", **{name: self._to[name] for name in ("host", "port", "username")})


@contextmanager
def upstream(world: World) -> Iterator[FakeViewer]:
    """Run upstream's viewer; yield it once it answers and knows the sshd's key."""
    conda = world.sshd.home / "miniconda3" / "bin" / "conda"
    conda.parent.mkdir(parents=True, exist_ok=True)
    conda.write_text(_CONDA)
    conda.chmod(0o755)
    home = world.folder / "upstream-home"
    home.mkdir(exist_ok=True)
    port = free_port()
    python = build(f"runicorn=={RUNICORN}") / "bin" / "python"
    process = subprocess.Popen(
        [str(python), "-m", "runicorn", "viewer", "--port", str(port), "--log-level", "WARNING"],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        until(lambda: answers(f"{url}api/health"), NAME)
        peer = FakeViewer(world, url)
        peer.trust()
        yield peer
    finally:
        end_process(process)
