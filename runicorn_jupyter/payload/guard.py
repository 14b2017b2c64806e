"""What stands before the viewer: nothing passes without the secret. ASGI; runs on the remote (Python >= 3.8).

Every request and WebSocket needs a ticket, a header that only who knows the secret can make for just this
purpose, method, path and port; it is compared in constant time, and what it was made for decides where the
request goes: a page's ticket never reaches what the holders use, however its path is written. Every answer
carries a proof, which only a process that knows the secret can make for just this ticket. The secret itself
is never sent, so another process that listens on the port by then learns nothing, and is not believed.
Both are HMAC-SHA256 (RFC 2104).

Below ``/__runicorn_jupyter__/`` the holders of the viewer talk to it, by JSON over POST:

``renew`` (``{"holder", "lease_seconds", "client"}``), ``leave`` (``{"holder", "stop", "cleanup"}``),
``drop`` (``{"holders"}``), ``info``
    As ``lease.Lease`` has them; all answer by the info. Whoever leaves last says whether to clean up. A
    ``renew`` with ``brief`` (true) is answered by ``{"ending", "holders"}`` only, the number of them.
``runs`` (``{"epoch", "version", "wait_seconds"}``)
    What changed in the list of runs since that version (``runs.changelog``); waits for it, if nothing did.
    With ``follow`` (true) the answer goes on for that time: a line of JSON for each change, as it comes.
``metrics`` (``{"runs": [{"id", "since", "version"}], "names", "points", "relative"}``)
    Some metrics of runs, or what is new of them (``runs.metrics``).

A connection on which nothing is asked stays open as long as the viewer lives: its end is the viewer's.
"""

import asyncio
import contextlib
import enum
import hmac
import json
import secrets
import time
import traceback
from typing import Any, AsyncIterator, Awaitable, Callable, Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote

from runicorn_jupyter.payload.attendance import Attendance
from runicorn_jupyter.payload.gzip_middleware import Compressor
from runicorn_jupyter.payload.lease import Lease, TooManyHolders
from runicorn_jupyter.payload.runs.changelog import RunChangelog

__all__ = ["CONTROL_PATH", "PROOF_HEADER", "TICKET_HEADER", "Guard", "Purpose", "Ticket"]

CONTROL_PATH = "/__runicorn_jupyter__/"
MAX_DECODINGS = 3
"""A path that leads to the holders' after so many decodings is no page's."""
TICKET_HEADER = "x-runicorn-ticket"
PROOF_HEADER = "x-runicorn-proof"
MAX_BODY_BYTES = 65536
MAX_METRIC_RUNS = 100
"""Of one request for metrics: what identifies them fits into such a body."""
MIN_LEASE_SECONDS, MAX_LEASE_SECONDS = 1.0, 7 * 86400.0
MAX_WAIT_SECONDS = 60.0

Message = Dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
_Place = Tuple[str, int, int, float]

_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


def _mac(secret: str, *words: str) -> str:
    text = "\n".join(("runicorn-jupyter", *words))
    return hmac.digest(secret.encode(), text.encode("latin-1"), "sha256").hex()


class Purpose(enum.Enum):
    """What a ticket is for: a page of the viewer's, or what its holders use below ``CONTROL_PATH``."""

    PAGE = "page"
    CONTROL = "control"


class Ticket:
    """What lets one request pass, and what its answer must prove.

    Parameters
    ----------
    secret
        The viewer's.
    port
        Where the viewer listens: a stranger on another port cannot pass the question on.
    method, target
        The request's; the target is as it is sent, with its query.
    purpose
        Whose request it is.
    nonce
        Default: 128 random bits.
    """

    __slots__ = ("_port", "_secret", "nonce", "value")

    def __init__(
        self,
        secret: str,
        port: int,
        method: str,
        target: str,
        *,
        purpose: Purpose = Purpose.PAGE,
        nonce: Optional[str] = None,
    ) -> None:
        self._secret = secret
        self._port = str(port)
        self.nonce = secrets.token_hex(16) if nonce is None else nonce
        words = ("ticket", purpose.value, self._port, self.nonce, method, target)
        self.value = f"{self.nonce} {_mac(secret, *words)}"

    @property
    def header(self) -> Tuple[str, str]:
        """Name and value of the header that lets the request pass."""
        return TICKET_HEADER, self.value

    @property
    def proof(self) -> str:
        """The value of ``PROOF_HEADER`` in the viewer's answer."""
        return _mac(self._secret, "proof", self._port, self.nonce)

    def is_proven_by(self, header: Callable[[str], Optional[str]]) -> bool:
        """Tell whether an answer is the viewer's.

        Parameters
        ----------
        header
            Gives the answer's header of a lower-case name, or None.
        """
        given = header(PROOF_HEADER) or ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.proof.encode())


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
    taking_up
        Tells, on any thread, whether the viewer's own list of runs is still being filled.
    attendance
        Told of a page's requests, and of the end.
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
        taking_up: Callable[[], bool],
        attendance: Attendance,
    ) -> None:
        self._app = app
        self._secret = secret
        self._port = port
        self._lease = lease
        self._facts = facts
        self._end = end
        self._attendance = attendance
        self._compressed = Compressor(self._control)
        self._runs = RunChangelog(app, lambda: facts().get("root"), taking_up)
        self._started = time.monotonic()
        self._ending = False
        self._cleanup = False
        self._actions: Dict[str, Callable[[Dict[str, Any]], Optional[Dict[str, Any]]]] = {
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
        # By the bytes that were signed: any decoding of them could be another than the signer's.
        purpose = Purpose.CONTROL if scope["raw_path"].startswith(CONTROL_PATH.encode()) else Purpose.PAGE
        ticket = self._ticket(scope, purpose)
        if purpose is Purpose.CONTROL:
            is_open = scope["type"] == "http"
        else:
            is_open = not _leads_to_control(scope["path"])
        if ticket is None or not is_open:
            await self._refuse(scope, send)
            return
        send = _proving(send, ticket.proof)
        if purpose is Purpose.CONTROL:
            await self._compressed(scope, receive, send)
        else:
            try:
                with self._attendance.during(scope):
                    await self._app(scope, receive, send)
            finally:
                if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
                    self._runs.dirty = True  # a run was renamed, moved or deleted, perhaps

    def close(self) -> None:
        """Let go of those who wait, as the viewer ends; on the event loop."""
        self._attendance.close()
        self._runs.close()

    def _ticket(self, scope: Message, purpose: Purpose) -> Optional[Ticket]:
        """Take the ticket off a request, and return it if it is valid for this purpose."""
        name = TICKET_HEADER.encode()
        given = [value for key, value in scope["headers"] if key.lower() == name]
        scope["headers"] = [(key, value) for key, value in scope["headers"] if key.lower() != name]
        if len(given) != 1:
            return None
        query = scope["query_string"]
        target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        nonce = given[0].partition(b" ")[0].decode("latin-1")
        method = scope.get("method", "GET")
        valid = Ticket(self._secret, self._port, method, target, purpose=purpose, nonce=nonce)
        return valid if hmac.compare_digest(given[0], valid.value.encode("latin-1")) else None

    async def _refuse(self, scope: Message, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _answer(send, 403, {"error": "The ticket is missing or wrong."})

    async def _control(self, scope: Message, receive: Receive, send: Send) -> None:
        action = scope["raw_path"][len(CONTROL_PATH) :].decode("latin-1")
        act = self._actions.get(action)
        asked = {"runs": self._changes, "metrics": self._metrics}.get(action)
        if (act is None and asked is None) or scope["method"] != "POST":
            await _answer(send, 404, {"error": "There is no such action."})
            return
        try:
            body = await _read_json(receive)
            if action == "runs" and body.get("follow") is True:
                await self._follow(body, receive, send)
                return
            answer = await self._ask_runs(asked, body, receive) if act is None else act(body)
        except _Refused as refused:
            await _answer(send, refused.status, {"error": refused.message})
            return
        await _answer(send, 200, self.describe() if answer is None else answer)
        if self._ending:
            self._end(self._cleanup)

    async def _ask_runs(self, asked: Any, body: Dict[str, Any], receive: Receive) -> Dict[str, Any]:
        """Answer what runicorn is asked for; what it raises goes to the log."""
        gone = asyncio.ensure_future(receive())  # nothing more comes but the end of the connection
        try:
            with _logged():
                answer: Dict[str, Any] = await asked(body, gone)
        finally:
            gone.cancel()
        return answer

    async def _follow(self, body: Dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer by a line for each change in the list of runs."""
        place, started = _place(body), False
        gone = asyncio.ensure_future(receive())
        try:
            async for answer in self._news(place, gone):
                if not started:
                    started = True
                    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
                await send({"type": "http.response.body", "body": _json(answer) + b"\n", "more_body": True})
        except _Refused:
            if not started:
                raise  # else this answer ends, and the next one says it
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b""})

    async def _news(self, place: _Place, gone: Any) -> AsyncIterator[Dict[str, Any]]:
        with _logged():
            async for answer in self._runs.follow(*place, gone):
                yield answer

    async def _changes(self, body: Dict[str, Any], gone: Any) -> Dict[str, Any]:
        return await self._runs.changes(*_place(body), gone)

    async def _metrics(self, body: Dict[str, Any], _gone: Any) -> Dict[str, Any]:
        runs, names, points = body.get("runs"), body.get("names"), body.get("points")
        if not isinstance(points, int) or not (names is None or isinstance(names, list)):
            raise _Refused(400, "points must be a number, and names a list or null.")
        if not isinstance(runs, list) or len(runs) > MAX_METRIC_RUNS:
            raise _Refused(400, f"runs must be a list of at most {MAX_METRIC_RUNS}.")
        for run in runs:
            since, version = (run.get("since"), run.get("version")) if isinstance(run, dict) else ("", "")
            if not isinstance(since, (int, type(None))) or not isinstance(version, (str, type(None))):
                raise _Refused(400, "Of each run since must be a number, and version a text.")
            _text(run, "id")
        return {"runs": await self._runs.metrics(runs, names, points, body.get("relative") is True)}

    def describe(self) -> Dict[str, Any]:
        """Return what the viewer says of itself."""
        return {
            **self._facts(),
            "uptime_seconds": time.monotonic() - self._started,
            "lease_remaining_seconds": self._lease.remaining,
            "holders": {name: holder.client for name, holder in self._lease.holders().items()},
            "ending": self._ending,
        }

    def _renew(self, body: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        seconds = body.get("lease_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise _Refused(400, "lease_seconds must be a number.")
        seconds = min(max(float(seconds), MIN_LEASE_SECONDS), MAX_LEASE_SECONDS)
        client = body.get("client")
        try:
            self._lease.renew(_text(body, "holder"), seconds, None if client is None else str(client)[:256])
        except TooManyHolders:
            raise _Refused(429, "Too many connections hold this viewer.") from None
        if body.get("brief") is True:
            return {"ending": self._ending, "holders": len(self._lease.holders())}
        return None

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


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Let what runicorn raises, whatever it is, go to the log."""
    try:
        yield
    except _Refused:
        raise
    except Exception:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        raise _Refused(503, "runicorn's list of runs fails; see the viewer's log.") from None


def _place(body: Dict[str, Any]) -> _Place:
    """Return what changes are asked for: after which epoch and version, what is known, for how long."""
    version, known, seconds = (body.get(name) for name in ("version", "known", "wait_seconds"))
    if not isinstance(version, int) or not isinstance(seconds, (int, float)):
        raise _Refused(400, "version and wait_seconds must be numbers.")
    known = known if isinstance(known, int) else 0  # other versions of ours do not say it
    seconds = min(max(float(seconds), 0.0), MAX_WAIT_SECONDS)
    return str(body.get("epoch"))[:64], version, known, seconds


def _leads_to_control(path: str) -> bool:
    """Tell whether a path is the holders' after some decodings."""
    for _ in range(MAX_DECODINGS):
        if path.lower().startswith(CONTROL_PATH.rstrip("/")):
            return True
        path = unquote(path)
    return False


def _proving(send: Send, proof: str) -> Send:
    """Put the proof on an answer, or on the agreement to a WebSocket."""
    header = (PROOF_HEADER.encode(), proof.encode())

    async def send_with_proof(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            message = {**message, "headers": [header, *message.get("headers", ())]}
        await send(message)

    return send_with_proof


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
    except (ValueError, RecursionError):
        raise _Refused(400, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise _Refused(400, "The body is not an object.")
    return value


def _text(body: Dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise _Refused(400, f"{name} must be a text of at most 128 characters.")
    return value


def _json(value: Dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


async def _answer(send: Send, status: int, value: Dict[str, Any]) -> None:
    body = _json(value)
    headers: List[Any] = [*_HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
