"""Keys, certificates and known_hosts files as the tests of host keys make them."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import paramiko

from runicorn_jupyter.ssh.config.resolver import Target
from runicorn_jupyter.ssh.hostkeys.verifier import KnownHosts
from runicorn_jupyter.ssh.wire_format import is_certificate, parse_public_key, plain_blob


class Client(paramiko.Transport):
    """A transport that asks for the algorithms it is told to ask for."""

    algorithms: tuple[str, ...] = ()

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self.algorithms or tuple(super().preferred_keys)


def public(keys: Path, name: str) -> str:
    return " ".join((keys / f"{name}.pub").read_text().split()[:2])


def blob(keys: Path, name: str) -> bytes:
    return parse_public_key(*public(keys, name).split())


def certify(keys: Path, name: str, ca: str = "ca", *options: str, host: bool = True) -> bytes:
    """Have ssh-keygen sign a key; return the certificate."""
    copy = keys / f"{name}-{time.monotonic_ns()}.pub"
    shutil.copy(keys / f"{name}.pub", copy)
    command = ["ssh-keygen", "-q", "-s", str(keys / ca), "-I", "test", *(["-h"] if host else []), *options]
    subprocess.run([*command, str(copy)], check=True, capture_output=True)
    kind, encoded = copy.with_name(f"{copy.stem}-cert.pub").read_text().split()[:2]
    return parse_public_key(kind, encoded)


def record(tmp_path: Path, *lines: str) -> KnownHosts:
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"{line}\n" for line in lines))
    return KnownHosts([path], [])


def target(tmp_path: Path, **changes: object) -> Target:
    values: dict[str, object] = {
        "asked": "gpu",
        "hostname": "gpu.example",
        "port": 22,
        "username": "alice",
        "user_known_hosts": (tmp_path / "known_hosts",),
    }
    return Target(**{**values, **changes})  # type: ignore[arg-type]


class PlainKey(paramiko.PKey):
    """A key as a transport gives it, from its wire form."""

    def __init__(self, data: bytes) -> None:
        self.public_blob = paramiko.pkey.PublicBlob("", data) if is_certificate(data) else None
        self._data = plain_blob(data) or b""

    def asbytes(self) -> bytes:
        return self._data
