"""What the browser lets a viewer's page do: the headers that stand on every answer below a capability."""

from __future__ import annotations

import re
from functools import lru_cache

SANDBOX = "allow-scripts allow-forms allow-popups allow-downloads allow-modals"
"""The sandbox's words; an iframe that shows a viewer carries the same ones as its attribute."""

HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
"""A ``Host`` that can stand in a policy: nothing in it ends a source or a directive."""

_ORIGIN = re.compile(rf"(https?)://({HOST.pattern})")


def content_security_policy(origin: str, prefix: str, ancestors: str = "'self'") -> str:
    """Return the content security policy that keeps a viewer's page in an opaque origin.

    Parameters
    ----------
    origin
        ``scheme://host[:port]`` that the browser reached us by.
    prefix
        The viewer's path, with slashes at both ends.
    ancestors
        The policy's sources that may frame the page; the private server of a kernel adds VS Code's.

    Raises
    ------
    ValueError
        If the origin is none.
    """
    matched = _ORIGIN.fullmatch(origin)
    if matched is None:
        raise ValueError("not an origin")
    scheme, host = matched.groups()
    http = f"{scheme}://{host}{prefix}"
    web_socket = f"{'wss' if scheme == 'https' else 'ws'}://{host}{prefix}"
    return (
        f"sandbox {SANDBOX}; default-src 'none'; "
        f"script-src {http} 'unsafe-inline' 'unsafe-eval' blob:; "
        f"style-src {http} 'unsafe-inline'; img-src {http} data: blob:; font-src {http} data:; "
        f"connect-src {http} {web_socket}; worker-src blob:; media-src {http} blob: data:; "
        f"form-action {http}; base-uri 'none'; frame-src 'none'; frame-ancestors {ancestors}"
    )


@lru_cache(maxsize=256)
def security_headers(origin: str, prefix: str, ancestors: str = "'self'") -> dict[str, str]:
    """Return the headers of every answer below the viewers' path, errors and 304 included."""
    return {
        "Content-Security-Policy": content_security_policy(origin, prefix, ancestors),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


CORS_HEADERS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
"""What lets a page read an answer: only where the capability is known, lest other sites see that we are here.

The page's origin is opaque, so all it asks for is cross-origin: anyone may read who has the capability, and
never with credentials.
"""


PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "7200",
}
"""What a page may ask for. ``*`` does not cover ``Authorization``; 7200 s is Chromium's own bound."""


def may_open_websocket(page_origin: str | None, hosts: set[str]) -> bool:
    """Return whether a page of this origin may open a WebSocket.

    Parameters
    ----------
    page_origin
        The request's ``Origin``. A viewer's page is sandboxed: ``null``. Programs send none.
    hosts
        ``host[:port]`` by which browsers reach this server. The scheme is not compared: behind a proxy
        that ends TLS it is not known here.
    """
    if page_origin in (None, "null"):
        return True
    matched = _ORIGIN.fullmatch(page_origin or "")
    return matched is not None and matched.group(2) in hosts
