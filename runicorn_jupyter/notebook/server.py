"""The Jupyter server that this kernel talks to: the one that started it, else a private one."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import IO

from runicorn_jupyter.client import discovery
from runicorn_jupyter.client.runtime_files import is_alive
from runicorn_jupyter.client.server import Server

__all__ = ["PrivateServerFailed", "ServerRefuses", "current_server", "is_there", "private_because"]

_START_SECONDS = 30.0
"""Seconds for the private server to answer; it needs about one, and a cold disk some more."""

_lock = threading.Lock()


class PrivateServerFailed(RuntimeError):
    """The private server did not start; the message holds its last line."""


class ServerRefuses(RuntimeError):
    """The server that started this kernel has the extension and does not answer."""


def current_server() -> Server:
    """Return the server of this process, starting a private one where there is none.

    A kernel uses the server whose kernels list it. One that was started without a Jupyter server
    (VS Code, nbclient, plain IPython), or by a server without this extension, gets its own.

    Raises
    ------
    PrivateServerFailed
        It could not be started.
    ServerRefuses
        The server of this kernel has the extension and does not answer.
    """
    with _lock:
        if _private is not None and _private.poll() is not None:
            discovery.use_for_process(None)  # someone ended it
        kernel = discovery.kernel_id()
        server = discovery.find_server(kernel=kernel, strict=kernel is not None)
        if server is None:
            parent = discovery.parent_server()
            if parent is not None and parent.credential:
                raise ServerRefuses(
                    f"The Jupyter server of this notebook, {parent.url}, has Runicorn's extension and does"
                    " not answer this kernel; restart that server, and see its log if that does not help."
                )
            server = _start()
            discovery.use_for_process(server)
        return server


def private_because(server: Server) -> str | None:
    """Say in a sentence why this kernel has a private server; None where it has another one.

    Parameters
    ----------
    server
        As `current_server` returned it.
    """
    if server.source != "private":
        return None
    parent = discovery.parent_server()
    if parent is None:
        reason = "No Jupyter server started this kernel"
    else:
        reason = (
            f"The Jupyter server of this notebook, {parent.url}, does not have Runicorn's extension (install"
            " runicorn-jupyter where that server runs, and restart it)"
        )
    return f"{reason}, so Runicorn uses a private one, which ends with the kernel."


def is_there(server: Server) -> bool:
    """Whether the server's process lives, as far as this machine knows of it.

    Parameters
    ----------
    server
        As `current_server` returned it.
    """
    if _private is not None and server.pid == _private.pid:
        return _private.poll() is None
    return server.pid is None or is_alive(server.pid)


_private: subprocess.Popen[bytes] | None = None


def _start() -> Server:
    global _private  # noqa: PLW0603 - a process has one
    token = secrets.token_hex(32)
    process = subprocess.Popen(
        [sys.executable, "-m", "runicorn_jupyter.notebook.private_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # an interrupt of the kernel is not meant for it
    )
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise PrivateServerFailed("The private Jupyter server has no pipes.")
    printed: deque[str] = deque(maxlen=50)
    log = threading.Thread(
        target=_drain, args=(process.stderr, printed), daemon=True, name="runicorn-server-log"
    )
    log.start()
    deadline = threading.Timer(_START_SECONDS, process.kill)
    deadline.daemon = True
    deadline.start()
    try:
        # The token goes by a pipe: arguments and environment are seen by others.
        process.stdin.write(json.dumps({"token": token, "parent": os.getpid()}).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = b""
    finally:
        deadline.cancel()
        process.stdout.close()
    if not line:
        with suppress(BrokenPipeError):  # what was written and not read
            process.stdin.close()
        process.wait()
        log.join()
        reason = next((text for text in reversed(printed) if text.strip()), "it said nothing")
        raise PrivateServerFailed(f"The private Jupyter server did not start: {reason}")
    _private = process
    return Server(url=json.loads(line)["url"], token=token, source="private", pid=process.pid)


def _drain(stream: IO[bytes], printed: deque[str]) -> None:
    with stream:
        for line in stream:
            printed.append(line.decode(errors="replace").rstrip())
