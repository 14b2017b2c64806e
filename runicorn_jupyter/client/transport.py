"""How requests reach a Jupyter server: over TLS with the server's own certificate, or a Unix socket."""

from __future__ import annotations

import errno
import hashlib
import socket
import ssl
import sys
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

__all__ = ["PinnedAdapter", "UnixAdapter", "pinned_context"]


def pinned_context(certificate: str) -> ssl.SSLContext:
    """Make a TLS context for which this certificate, and no other, is good, whatever name it is for.

    Parameters
    ----------
    certificate
        The server's certificate in PEM, from a file that only this user can have written.

    Raises
    ------
    ssl.SSLError
        It is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The server's certificate itself is trusted, not who issued it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


class PinnedAdapter(HTTPAdapter):
    """Sends requests to a server that shows one certificate, and to no other.

    Parameters
    ----------
    certificate
        The certificate in PEM.

    Raises
    ------
    ValueError
        It is none.
    """

    def __init__(self, certificate: str) -> None:
        self._fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let urllib3 compare the certificate's SHA-256."""
        super().init_poolmanager(*args, **kwargs, assert_fingerprint=self._fingerprint)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send the request; the certificate is compared, in place of being traced to an authority."""
        return super().send(request, *args, **{**kwargs, "verify": False})


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, timeout: Any) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def _new_conn(self) -> socket.socket:
        if sys.platform == "win32":
            raise OSError(errno.EAFNOSUPPORT, "Python has no Unix sockets on Windows")
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.settimeout(self.timeout)
            found.connect(self._path)
        except OSError:
            found.close()
            raise
        return found


class _UnixPool(HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def _new_conn(self) -> Any:
        return _UnixConnection(self._path, self.timeout.connect_timeout)


class UnixAdapter(HTTPAdapter):
    """Sends requests for ``http://localhost`` to a Unix socket.

    Parameters
    ----------
    path
        The socket.
    """

    def __init__(self, path: str) -> None:
        self._pool = _UnixPool(path)
        super().__init__()

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Any:
        """Return the socket's pool for every request."""
        return self._pool

    def close(self) -> None:
        """Close the pool's connections."""
        self._pool.close()
        super().close()
