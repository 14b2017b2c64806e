"""A ``ProxyCommand`` of the tests' own, for machines without ``nc``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_proxy_command"]

RELAY = """
import socket, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while d := os.read(0, 65536): s.sendall(d)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while d := s.recv(65536):
    while d: d = d[os.write(1, d):]
"""


def write_proxy_command(script: Path, *, before: str = "") -> Path:
    """Write a Python script that carries its standard input and output to the host and port that it is given.

    Parameters
    ----------
    script
        Where to write it.
    before
        Statements that come before it connects; ``os``, ``sys`` and ``time`` are imported.
    """
    script.write_text(f"import os, sys, time\n{before}{RELAY}")
    return script
