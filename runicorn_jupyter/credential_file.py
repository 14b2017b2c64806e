"""The credential that a Jupyter server leaves for programs of its own user, and the file that holds it.

It lies beside the server's own runtime file, readable by that user alone, and is good for
``/api/remote`` of that server process and for nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from runicorn_jupyter.json_text import InvalidJson, read_json
from runicorn_jupyter.private_files import read_own, write_own

__all__ = ["SCHEME", "CredentialFile", "credential_path", "read_credential", "write_credential"]

SCHEME = "Runicorn"
"""The scheme of the ``Authorization`` header that carries it (RFC 9110, section 11.6.2)."""

_MAX_FILE_BYTES = 65536
"""The longest file that is read; a chain of certificates takes some kB."""


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """What the file says.

    Parameters
    ----------
    credential
        The secret, in ASCII.
    certificate
        The server's own certificate in PEM, or None for a server without TLS.
    """

    credential: str = field(repr=False)
    certificate: str | None = None


def credential_path(runtime_dir: Path, pid: int) -> Path:
    """Return the file of a server process.

    Parameters
    ----------
    runtime_dir
        Jupyter's folder of runtime files.
    pid
        The server's process id.
    """
    return runtime_dir / f"runicorn-jupyter-{pid}.json"


def write_credential(path: Path, content: CredentialFile) -> None:
    """Write the file with mode 0600.

    Parameters
    ----------
    path
        As `credential_path` gives it.
    content
        What to write.

    Raises
    ------
    OSError
        It cannot be written.
    """
    document = {"credential": content.credential, "certificate": content.certificate}
    write_own(path, json.dumps(document).encode())


def read_credential(path: Path) -> CredentialFile | None:
    """Read the file; None where there is none, or where another user could have written it.

    Parameters
    ----------
    path
        As `credential_path` gives it.
    """
    try:
        content = read_own(path, _MAX_FILE_BYTES)
        found = read_json(content, max_size=_MAX_FILE_BYTES) if content else None
    except (OSError, InvalidJson):
        return None
    if not isinstance(found, dict):
        return None
    credential, certificate = found.get("credential"), found.get("certificate")
    if not isinstance(credential, str) or not credential.isascii() or not credential.isprintable():
        return None
    return CredentialFile(credential, certificate if isinstance(certificate, str) else None)
