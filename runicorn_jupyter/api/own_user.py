"""Programs of the server's own user: log them in to ``/api/remote`` by the credential file."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server import CallContext
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from runicorn_jupyter.credential_file import SCHEME, CredentialFile, credential_path, write_credential

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

SETTING = "runicorn_own_credential"
"""The name of the credential among the web application's settings."""

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")

OWN_USER = User(username="runicorn-jupyter", display_name="A program of this server's user")
"""The user whom an authorizer sees."""


class OwnCredential:
    """The credential of one server process.

    Parameters
    ----------
    server
        The server, whose runtime folder and certificate count.
    """

    def __init__(self, server: ServerApp) -> None:
        self.credential = secrets.token_urlsafe(32)
        self._server = server
        self._path = credential_path(Path(server.info_file).parent, os.getpid())

    def write(self) -> None:
        """Write the file; without one, programs need the server's token, and the log says so."""
        try:
            write_credential(self._path, CredentialFile(self.credential, _certificate(self._server.certfile)))
        except OSError as exc:
            self._server.log.warning(
                "Notebooks and programs need this server's token for Runicorn: %s cannot be written (%s)",
                self._path.name,
                exc.strerror,
            )

    def remove(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


def _certificate(certfile: str) -> str | None:
    """Return the certificate that the server shows, in PEM; None without TLS, or if it cannot be read."""
    if not certfile:
        return None
    try:
        text = Path(certfile).read_text(encoding="ascii", errors="replace")
    except OSError:  # Jupyter itself says what is wrong with it
        return None
    first = _CERTIFICATE.search(text)
    return first[0] + "\n" if first and _is_certificate(first[0]) else None


def _is_certificate(pem: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return False
    return True


class AcceptsOwnUser(JupyterHandler):
    """Accepts the own credential in place of Jupyter's login."""

    async def prepare(self) -> None:  # type: ignore[override]  # as JupyterHandler itself does
        """Log in a program of the server's own user; leave everybody else to Jupyter."""
        if not self._has_own_credential():
            await JupyterHandler.prepare(self)
            return
        CallContext.set(CallContext.JUPYTER_HANDLER, self)
        if not self.check_host():
            raise web.HTTPError(403)
        # No page can know the credential, so no XSRF token is asked for, as Jupyter does with its own token.
        self.current_user = self._jupyter_current_user = OWN_USER

    def _has_own_credential(self) -> bool:
        scheme, _, credential = self.request.headers.get("Authorization", "").partition(" ")
        expected = self.settings.get(SETTING)
        if not isinstance(expected, str) or scheme.lower() != SCHEME.lower():
            return False
        return hmac.compare_digest(credential.strip().encode(), expected.encode())
