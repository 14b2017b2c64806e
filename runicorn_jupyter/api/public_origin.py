"""The origin by which the user's browser reaches this server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest


def public_origin(request: HTTPServerRequest, configured: str = "") -> str:
    """Return the origin of a viewer's absolute URL.

    Behind a proxy that ends TLS the server sees neither the public scheme nor, sometimes, the
    public host. A browser says both in ``Origin`` or ``Referer``; they are believed only where
    they name the host that the request itself names, so no other site can choose the URL.

    Parameters
    ----------
    request
        The request that asks for the URL.
    configured
        The ``viewer_origin`` traitlet; wins where it is set.

    Returns
    -------
    str
        ``scheme://host[:port]`` without a trailing slash.
    """
    if configured:
        return configured.rstrip("/")
    for header in ("Origin", "Referer"):
        parts = urlsplit(request.headers.get(header, ""))
        if parts.scheme in ("http", "https") and parts.netloc == request.host:
            return f"{parts.scheme}://{parts.netloc}"
    return f"{request.protocol}://{request.host}"
