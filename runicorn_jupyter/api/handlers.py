"""The handler of every route of ``/api/remote``; maps errors to HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from jupyter_server.auth.decorator import authorized
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider
from jupyter_server.base.handlers import APIHandler
from tornado import web

from runicorn_jupyter.api.own_user import AcceptsOwnUser
from runicorn_jupyter.api.public_origin import public_origin
from runicorn_jupyter.api.validation import read_body, read_query
from runicorn_jupyter.errors import Forbidden, InternalError, InvalidParameters, NotFound, RemoteError
from runicorn_jupyter.models import ErrorResponse
from runicorn_jupyter.service.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runicorn_jupyter.api.operation import Operation
    from runicorn_jupyter.models import Success

AUTH_RESOURCE = "runicorn"
REQUEST_ID_HEADER = "X-Request-Id"
COUNT_FAILURE = "runicorn_count_failure"
"""The application's setting that has a function of an error's code, for the metrics."""
METHOD_NOT_ALLOWED = 405
PAGE_HEADERS = ("Sec-Fetch-Mode", "Origin")
"""What browsers send of their own with a page's request (W3C Fetch Metadata; RFC 6454)."""
NEEDS_LOGIN = "Log in to Jupyter first, or send its token."
NEEDS_XSRF = "Send Jupyter's _xsrf cookie as the header X-XSRFToken too, from a page of Jupyter's own."

_FROM_STATUS: dict[int, type[RemoteError]] = {
    400: InvalidParameters,
    403: Forbidden,
    404: NotFound,
    405: NotFound,
}


class EnvelopeHandler(AcceptsOwnUser, APIHandler):
    """Answers every failure, Jupyter's own too, with the envelope of ``docs/contract.md``."""

    auth_resource = AUTH_RESOURCE

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler itself does
        """Refuse what Jupyter refuses; answer ``forbidden``, not 404, to a foreign Origin."""
        await AcceptsOwnUser.prepare(self)
        if not self.check_origin():
            raise web.HTTPError(403, "Requests from other origins are not allowed.")
        # Whatever is said at a method, or forgotten there; a preflight has no credentials by design.
        if self.current_user is None and self.request.method != "OPTIONS":
            raise web.HTTPError(403, NEEDS_LOGIN)

    def check_xsrf_cookie(self) -> None:
        """Answer ``forbidden`` to a foreign Origin here too, where Jupyter answers 404."""
        try:
            super().check_xsrf_cookie()
        except web.HTTPError as exc:
            raise web.HTTPError(403, NEEDS_XSRF if self.current_user else NEEDS_LOGIN) from exc

    def get_login_url(self) -> NoReturn:
        """Refuse instead of sending a program to the login page."""
        raise web.HTTPError(403, NEEDS_LOGIN)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the envelope; the only place that maps exceptions to HTTP."""
        exc = kwargs.get("exc_info", (None, None, None))[1]
        error = exc if isinstance(exc, RemoteError) else _from_http(status_code, exc)
        self.settings.get(COUNT_FAILURE, _count_nothing)(error.code)
        is_page = any(name in self.request.headers for name in PAGE_HEADERS)
        self.set_status(error.status_for(is_page=is_page) if isinstance(exc, RemoteError) else status_code)
        if status_code == METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.allowed_methods()))
        body = ErrorResponse(error=error.code, message=error.message, details=error.details or None)
        self.finish(body.model_dump_json(exclude_none=True))

    def allowed_methods(self) -> list[str]:
        """Return the methods of this path, for ``Allow`` of a 405."""
        return ["GET"]

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log expected failures as a line, the unexpected with their traceback."""
        if isinstance(value, RemoteError):
            self.log.info("%s %s: %s (%s)", self.request.method, self.request.path, value.code, value.message)
            return
        super().log_exception(typ, value, tb)


def _count_nothing(_code: str) -> None:
    """Do nothing: where the extension is misconfigured there are no metrics."""


def _from_http(status_code: int, exc: BaseException | None) -> RemoteError:
    kind = _FROM_STATUS.get(status_code, InternalError)
    if kind is Forbidden and isinstance(exc, web.HTTPError) and exc.log_message:
        return Forbidden(exc.log_message % exc.args if exc.args else exc.log_message)
    messages: dict[type[RemoteError], str] = {
        InvalidParameters: "The request is malformed.",
        Forbidden: NEEDS_LOGIN,
        NotFound: "There is no such route; openapi.json lists them.",
        InternalError: "Something failed in the server; its log has the details.",
    }
    return kind(messages[kind])


class RemoteHandler(EnvelopeHandler):
    """Runs the operation that the route table has for this path and method."""

    def initialize(self, service: object, operations: Mapping[str, Operation]) -> None:
        """Take the operations of this path by HTTP method, and the service that has their methods."""
        self._service = service
        self._operations = operations
        self._abandonable: asyncio.Task[Success] | None = None

    def allowed_methods(self) -> list[str]:
        """Return the methods that the route table has for this path."""
        return sorted(self._operations)

    async def _run(self, **path_arguments: str) -> None:
        method = self.request.method or ""
        operation = self._operations.get(method)
        if operation is None:
            raise web.HTTPError(METHOD_NOT_ALLOWED)
        read = read_body if operation.reads_body else read_query
        model = read(self.request, path_arguments, operation.request) if operation.request else None
        work = asyncio.ensure_future(operation.call(self._service, self._caller(), model))
        if operation.ends_with_client:
            self._abandonable = work
        try:
            answer = await work
        except asyncio.CancelledError:
            if self._abandonable is None:
                raise
            raise web.Finish from None
        self.finish(await asyncio.to_thread(answer.to_json) if answer.is_long else answer.to_json())

    def on_connection_close(self) -> None:
        """Cancel the operation, if it ends with its client."""
        super().on_connection_close()
        if self._abandonable is not None:
            self._abandonable.cancel()

    def _person(self) -> str:
        """Return the user's name; empty where Jupyter has one user only, whose name is random."""
        if type(self.identity_provider) in (IdentityProvider, PasswordIdentityProvider):
            return ""
        return str(self.current_user.username)

    def _caller(self) -> Caller:
        request_id = self.request.headers.get(REQUEST_ID_HEADER, "")
        if len(request_id) > 64 or not request_id.isascii() or not request_id.replace("-", "a").isalnum():
            request_id = ""
        return Caller(
            user=self._person(),
            origin=public_origin(self.request, self.settings.get("runicorn_viewer_origin", "")),
            request_id=request_id,
        )

    @web.authenticated
    @authorized
    async def get(self, **path_arguments: str) -> None:
        """Answer a GET."""
        await self._run(**path_arguments)

    @web.authenticated
    @authorized
    async def post(self, **path_arguments: str) -> None:
        """Answer a POST."""
        await self._run(**path_arguments)

    @web.authenticated
    @authorized
    async def delete(self, **path_arguments: str) -> None:
        """Answer a DELETE."""
        await self._run(**path_arguments)

    put = patch = head = get  # answered 405 with Allow by _run


class UnknownRouteHandler(EnvelopeHandler):
    """Answers ``not_found`` below ``/api/remote`` where the table has no route."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer 404."""
        raise web.HTTPError(404)

    head = post = put = patch = delete = get
