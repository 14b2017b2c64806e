"""Keys that are never accepted: ssh's ``RevokedHostKeys`` files, plain lists or OpenSSH's KRLs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.child_process import run
from runicorn_jupyter.ssh.wire_format import parse_public_key, public_key_line

__all__ = ["is_revoked"]

_KRL_MAGIC = b"SSHKRL\n\0"
_KRL_SECONDS = 20.0


def is_revoked(blob: bytes, paths: Iterable[Path]) -> bool:
    """Return whether a key is in one of the files.

    Parameters
    ----------
    blob
        The key in wire form.
    paths
        The files; as with ssh, one that cannot be read revokes everything.

    Raises
    ------
    SshUnavailable
        A file cannot be read.
    """
    return any(_is_in(blob, path) for path in paths)


def _is_in(blob: bytes, path: Path) -> bool:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise SshUnavailable(
            f"The file of revoked host keys ({path.name}) that your ssh config names cannot be read."
        ) from exc
    if data.startswith(_KRL_MAGIC):
        return _is_in_krl(blob, path)
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split()
        if len(fields) >= 2 and not line.lstrip().startswith("#"):
            try:
                if parse_public_key(fields[0], fields[1]) == blob:
                    return True
            except ValueError:
                continue
    return False


def _is_in_krl(blob: bytes, path: Path) -> bool:
    """Look a key up in a KRL by ssh-keygen, which exits with 0 for a key that is not revoked."""
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as key:
        key.write(public_key_line(blob) + "\n")
        key.flush()
        try:
            status = run(["ssh-keygen", "-Q", "-f", str(path), key.name], timeout=_KRL_SECONDS).status
        except OSError as exc:  # also TimeoutError
            raise SshUnavailable(
                "ssh-keygen is needed to read the revoked host keys of your ssh config."
            ) from exc
    if status not in (0, 1):
        raise SshUnavailable("The file of revoked host keys that your ssh config names cannot be read.")
    return status == 1
