"""What stands before the viewer: nothing passes without the secret. ASGI; runs on the remote (Python >= 3.8).

Every request and WebSocket needs the secret header, compared in constant time before anything looks at the
path. Below ``/__runicorn_jupyter__/`` the holders of the viewer talk to it, by JSON over POST:

``prove``
    The one that needs no secret: ``{"nonce"}`` is answered by ``{"nonce", "proof"}``, an HMAC-SHA256 with
    the secret over both nonces and the port, so that the secret is only ever sent to who knows it.
``renew`` (``{"holder", "lease_seconds", "client"}``), ``leave`` (``{"holder", "stop", "cleanup"}``),
``drop`` (``{"holders"}``), ``info``
    As ``lease.Lease`` has them; all answer by the info. Whoever leaves last says whether to clean up.

A connection on which nothing is asked stays open as long as the viewer lives: its end is the viewer's.
"""

import hashlib
import hmac
import json
import secrets
import time
from typing import Any, Awaitable, Callable, Dict, List, Optional

from runicorn_jupyter.remote.lease import Lease, TooManyHolders

__all__ = ["CONTROL_PATH", "SECRET_HEADER", "Guard", "proof"]

CONTROL_PATH = "/__runicorn_jupyter__/"
SECRET_HEADER = "X-Runicorn-Secret"  # noqa: S105 - its name
MAX_BODY_BYTES = 16384
MIN_LEASE_SECONDS, MAX_LEASE_SECONDS = 1.0, 7 * 86400.0

Message = Dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def proof(secret: str, asked: str, answered: str, port: int) -> str:
    """Return what only a viewer that knows the secret and listens on this port can answer.

    Parameters
    ----------
    secret
        The viewer's.
    asked, answered
        The nonces of the two sides.
    port
        Where the viewer listens: a stranger on another port cannot pass the question on.
    """
    message = f"runicorn-jupyter viewer\n{port}\n{asked}\n{answered}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class _Refused(Exception):
    """A control request that is answered by this status and sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Guard:
    """The ASGI application before the viewer's.

    Parameters
    ----------
    app
        The viewer.
    secret, port
        What it knows and where it listens.
    lease
        Who holds it; used on the event loop only.
    facts
        Returns what ``info`` answers, besides the lease.
    end
        Called when the viewer is to end, with whether to clean up.
    """

    def __init__(
        self,
        app: App,
        *,
        secret: str,
        port: int,
        lease: Lease,
        facts: Callable[[], Dict[str, Any]],
        end: Callable[[bool], None],
    ) -> None:
        self._app = app
        self._secret = secret
        self._port = port
        self._lease = lease
        self._facts = facts
        self._end = end
        self._started = time.monotonic()
        self._ending = False
        self._cleanup = False
        self._actions: Dict[str, Callable[[Dict[str, Any]], Optional[Dict[str, Any]]]] = {
            "prove": self._prove,
            "renew": self._renew,
            "leave": self._leave,
            "drop": self._drop,
            "info": lambda _body: None,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        proving = scope["type"] == "http" and scope["path"] == f"{CONTROL_PATH}prove"
        if not proving and not self._knows_secret(scope):
            await self._refuse(scope, send)
        elif scope["path"].startswith(CONTROL_PATH) and scope["type"] == "http":
            await self._control(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _knows_secret(self, scope: Message) -> bool:
        name = SECRET_HEADER.lower().encode()
        given = [value for key, value in scope["headers"] if key.lower() == name]
        scope["headers"] = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        return len(given) == 1 and hmac.compare_digest(given[0], self._secret.encode())

    async def _refuse(self, scope: Message, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _answer(send, 403, {"error": "The secret is missing or wrong."})

    async def _control(self, scope: Message, receive: Receive, send: Send) -> None:
        act = self._actions.get(scope["path"][len(CONTROL_PATH) :])
        if act is None or scope["method"] != "POST":
            await _answer(send, 404, {"error": "There is no such action."})
            return
        try:
            answer = act(await _read_json(receive))
        except _Refused as refused:
            await _answer(send, refused.status, {"error": refused.message})
            return
        await _answer(send, 200, self.describe() if answer is None else answer)
        if self._ending:
            self._end(self._cleanup)

    def describe(self) -> Dict[str, Any]:
        """Return what the viewer says of itself."""
        return {
            **self._facts(),
            "uptime_seconds": time.monotonic() - self._started,
            "lease_remaining_seconds": self._lease.remaining,
            "holders": {name: holder.client for name, holder in self._lease.holders().items()},
            "ending": self._ending,
        }

    def _prove(self, body: Dict[str, Any]) -> Dict[str, Any]:
        nonce = secrets.token_hex(16)
        return {"nonce": nonce, "proof": proof(self._secret, _text(body, "nonce"), nonce, self._port)}

    def _renew(self, body: Dict[str, Any]) -> None:
        seconds = body.get("lease_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise _Refused(400, "lease_seconds must be a number.")
        seconds = min(max(float(seconds), MIN_LEASE_SECONDS), MAX_LEASE_SECONDS)
        client = body.get("client")
        try:
            self._lease.renew(_text(body, "holder"), seconds, None if client is None else str(client)[:256])
        except TooManyHolders:
            raise _Refused(429, "Too many connections hold this viewer.") from None

    def _leave(self, body: Dict[str, Any]) -> None:
        stop, cleanup = body.get("stop"), body.get("cleanup")
        if not isinstance(stop, bool) or not isinstance(cleanup, bool):
            raise _Refused(400, "stop and cleanup must be true or false.")
        if self._lease.leave(_text(body, "holder"), stop):
            self._ending, self._cleanup = True, cleanup

    def _drop(self, body: Dict[str, Any]) -> None:
        names = body.get("holders")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _Refused(400, "holders must be a list of names.")
        self._lease.drop(names)


async def _read_json(receive: Receive) -> Dict[str, Any]:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Refused(400, "The body is incomplete.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise _Refused(413, "The body is too large.")
    try:
        value = json.loads(body.decode("utf-8")) if body else {}
    except ValueError:
        raise _Refused(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise _Refused(400, "The body is not an object.")
    return value


def _text(body: Dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise _Refused(400, f"{name} must be a text of at most 128 characters.")
    return value


async def _answer(send: Send, status: int, value: Dict[str, Any]) -> None:
    body = json.dumps(value).encode("utf-8")
    headers: List[Any] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
