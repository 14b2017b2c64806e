"""Real kernels: one that a Jupyter server started, or one alone, and what a cell did in it."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.world.jupyter import JupyterServer, session_of_single_requests

CELL_SECONDS = 90


@dataclass
class Cell:
    """What a cell did, as the kernel's messages say it."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    status: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What it printed."""
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream")

    @property
    def result(self) -> dict[str, Any]:
        """The MIME bundle of its value."""
        bundles = [m["content"]["data"] for m in self.messages if m["msg_type"] == "execute_result"]
        assert bundles, f"the cell has no value: {self.text} {self.errors}"
        last: dict[str, Any] = bundles[-1]
        return last

    @property
    def steps(self) -> list[str]:
        """What the progress line said, one after the other."""
        kinds = {"display_data", "update_display_data"}
        return [m["content"]["data"].get("text/plain", "") for m in self.messages if m["msg_type"] in kinds]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The messages of exceptions."""
        return [m["content"] for m in self.messages if m["msg_type"] == "error"]

    @property
    def everything(self) -> str:
        """All that was sent, as a front end would get it."""
        return json.dumps([{"type": m["msg_type"], "content": m["content"]} for m in self.messages])


class Kernel:
    """A running kernel.

    Parameters
    ----------
    client
        Connected to it.
    pid
        Of its process.
    """

    def __init__(self, client: BlockingKernelClient, pid: int) -> None:
        self.client = client
        self.pid = pid

    def run(self, code: str, *, answers: list[str] | None = None, allow_stdin: bool = True) -> Cell:
        """Run a cell to its end, giving ``answers`` to what it asks for."""
        cell = Cell()
        left = list(answers or [])

        def ask(message: dict[str, Any]) -> None:
            cell.asked.append(message["content"])
            self.client.input(left.pop(0) if left else "")

        reply = self.client.execute_interactive(
            code,
            allow_stdin=allow_stdin,
            output_hook=cell.messages.append,
            stdin_hook=ask,
            timeout=CELL_SECONDS,
        )
        cell.status = reply["content"]["status"]
        assert not left, f"nothing asked for {left}: {cell.text}"
        return cell

    def good(self, code: str, **options: Any) -> Cell:
        """Run a cell that has to succeed."""
        cell = self.run(code, **options)
        assert cell.status == "ok", f"{code}\n{cell.text}\n{cell.errors}"
        return cell

    def value(self, code: str) -> Any:
        """Evaluate an expression whose value JSON can carry."""
        cell = self.good(f"import json as _json; print(_json.dumps({code}))")
        return json.loads(cell.text)

    def interrupt(self) -> None:
        """Interrupt what runs."""
        os.kill(self.pid, signal.SIGINT)

    def wait_message(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the next message that ``matches``."""
        while True:
            try:
                message: dict[str, Any] = self.client.get_iopub_msg(timeout=CELL_SECONDS)
            except queue.Empty:
                raise TimeoutError("the kernel did not send what was waited for") from None
            if matches(message):
                return message


def _connect(client: BlockingKernelClient) -> Kernel:
    """Return the kernel once it answers and its output arrives; a busy machine may take its time."""
    for _ in range(CELL_SECONDS):
        client.kernel_info()
        with suppress(queue.Empty):
            client.get_iopub_msg(timeout=1)
            break
    kernel = Kernel(client, 0)
    kernel.pid = kernel.value("__import__('os').getpid()")
    return kernel


@contextmanager
def server_kernel(jupyter: JupyterServer) -> Iterator[Kernel]:
    """A kernel that this Jupyter server started."""
    with session_of_single_requests() as session:
        session.headers["Authorization"] = f"token {jupyter.token}"
        with started_kernel(session, jupyter.url, jupyter.info_file.parent) as kernel:
            yield kernel


@contextmanager
def started_kernel(session: requests.Session, url: str, runtime: Path) -> Iterator[Kernel]:
    """A kernel that a server starts, whose address and runtime folder are given, for a logged-in session."""
    answer = session.post(f"{url}api/kernels", json={"name": "python3"}, timeout=60)
    answer.raise_for_status()
    ident = answer.json()["id"]
    file = runtime / f"kernel-{ident}.json"
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    try:
        yield _connect(client)
    finally:
        client.stop_channels()
        session.delete(f"{url}api/kernels/{ident}", timeout=60)


@contextmanager
def lone_kernel(env: dict[str, str], cwd: Path) -> Iterator[Kernel]:
    """A kernel that no Jupyter server knows of."""
    manager = KernelManager(kernel_name="python3")
    manager.connection_file = str(cwd / "kernel-alone.json")
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(env=env, cwd=str(cwd))
    client = manager.blocking_client()
    client.start_channels()
    try:
        yield _connect(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
