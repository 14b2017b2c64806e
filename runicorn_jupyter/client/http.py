"""Calls of the remote API: bounded HTTP requests, and their answers or errors."""

from __future__ import annotations

from typing import Any, Literal, Self

import requests
from requests.cookies import RequestsCookieJar

from runicorn_jupyter.client.server import Server, open_session

__all__ = ["ApiError", "ApiTimeout", "Method", "ServerClient", "ServerNotReached", "call"]

Method = Literal["GET", "POST", "DELETE"]

CONNECT_SECONDS = 10.0
"""Seconds to reach the Jupyter server itself."""

ANSWER_SECONDS = 60.0
"""Seconds for an answer; each takes the server at most one round of commands on the remote."""


class ApiError(requests.exceptions.HTTPError):
    """An answer that says what went wrong.

    Parameters
    ----------
    message
        One sentence a person can act on.
    code
        The error code of the API, for programs.
    details
        Facts for programs, as the API documents them per code.
    response
        The HTTP answer; ``error.response.json()`` is the whole envelope.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal_error",
        details: dict[str, Any] | None = None,
        response: requests.Response | None = None,
    ) -> None:
        super().__init__(message, response=response)
        self.message = message
        self.code = code
        self.details = details or {}

    @property
    def status(self) -> int:
        """The HTTP status, 0 where there was no answer."""
        return 0 if self.response is None else self.response.status_code


class ApiTimeout(ApiError, requests.exceptions.Timeout):
    """Connecting did not finish in time (408): an ``HTTPError`` and a ``Timeout`` at once."""


class ServerNotReached(requests.exceptions.ConnectionError):
    """No Jupyter server answers at the client's address."""


class ServerClient:
    """A session with one Jupyter server.

    Attributes
    ----------
    server
        Where it is, with its token.
    base_url
        Its address without a trailing slash.
    session
        The `requests.Session`; the token goes to ``base_url`` only.
    """

    server: Server
    base_url: str
    session: requests.Session

    @classmethod
    def for_server(
        cls, server: Server, *, request_id: str | None = None, cookies: RequestsCookieJar | None = None
    ) -> Self:
        """Make a client of a server that `runicorn_jupyter.client.discovery` found.

        Parameters
        ----------
        server
            Where it is, with its token.
        request_id
            Comes back in the server's events about this client's requests.
        cookies
            Shared with other clients, so that Jupyter takes them for the same person.
        """
        client = cls.__new__(cls)
        client._use(server)
        if cookies is not None:
            client.session.cookies = cookies
        if request_id:
            client.session.headers["X-Request-Id"] = request_id
        return client

    def _use(self, server: Server) -> None:
        self.server = server
        self.base_url = server.url
        self.session = open_session(server)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def close(self) -> None:
        """Close the HTTP session; connections on the server stay."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        self.close()

    def _call(
        self,
        method: Method,
        route: str,
        *,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> dict[str, Any]:
        return call(self.session, self.base_url, method, route, params=params, json=json, seconds=seconds)

    def _list(self, route: str, key: str, **params: Any) -> list[Any]:
        """GET a route whose answer is a list under a key."""
        found: list[Any] = self._call("GET", route, params=params or None)[key]
        return found


def call(
    session: requests.Session,
    base_url: str,
    method: Method,
    route: str,
    *,
    params: dict[str, Any] | None = None,
    json: dict[str, Any] | None = None,
    seconds: float,
) -> dict[str, Any]:
    """Make one call below ``/api/remote`` and return its JSON.

    Parameters
    ----------
    session
        Carries the token; redirects are not followed, as the token is for this server only.
    base_url
        The Jupyter server's address without a trailing slash.
    method, route, params, json
        As docs/http-api.md lists them; ``route`` is already quoted.
    seconds
        How long the answer may take.

    Raises
    ------
    ApiError
        The server says no.
    ServerNotReached
        Nothing answers at ``base_url``.
    requests.exceptions.Timeout
        It did not answer within ``seconds``.
    """
    try:
        response = session.request(
            method,
            f"{base_url}/api/remote/{route}",
            params=params,
            json=json,
            timeout=(CONNECT_SECONDS, seconds),
            allow_redirects=False,
        )
    except (requests.exceptions.Timeout, requests.exceptions.SSLError):
        raise  # both may be ConnectionErrors too, and say better what happened
    except requests.exceptions.ConnectionError as exc:
        raise ServerNotReached(
            f"No Jupyter server with the Runicorn extension answers at {base_url}; start one with "
            "`jupyter lab` or `jupyter runicorn`, or pass base_url= and token=.",
            request=exc.request,
        ) from exc
    return _answer(response)


def _answer(response: requests.Response) -> dict[str, Any]:
    """Return the JSON of a success; raise `ApiError` for everything else."""
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError:
        body = None
    if response.status_code == requests.codes.ok and isinstance(body, dict) and "error" not in body:
        return body
    if isinstance(body, dict) and isinstance(body.get("error"), str):
        code, message, details = body["error"], str(body.get("message", "")), body.get("details")
        error = ApiTimeout if response.status_code == requests.codes.request_timeout else ApiError
        raise error(message, code=code, details=details, response=response)
    raise _foreign_answer(response)


def _foreign_answer(response: requests.Response) -> ApiError:
    """Make the error for an answer that is not this API's: another server, or a proxy before it."""
    place = response.url.partition("/api/remote")[0]
    status = response.status_code
    if status == requests.codes.not_found:
        message = f"The server at {place} does not have the runicorn_jupyter extension enabled."
        return ApiError(message, code="not_found", response=response)
    if response.is_redirect or status in {requests.codes.unauthorized, requests.codes.forbidden}:
        message = f"The server at {place} asks for a login; pass its token as token=."
        return ApiError(message, code="forbidden", response=response)
    message = f"The server at {place} answered {status}, not as the Runicorn extension would."
    return ApiError(message, response=response)
