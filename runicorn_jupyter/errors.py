"""Every way the remote API can fail: one exception per error code, with its HTTP status.

Raised anywhere below the API; turned into an HTTP answer in exactly one place
(``runicorn_jupyter.api.handlers``). ``message`` is one sentence a person can act on.
Neither ``message`` nor ``details`` may ever hold a secret, a traceback or a local path
that the user did not name.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AuthenticationFailed",
    "AuthenticationRequired",
    "ConnectionLost",
    "ConnectionNotFound",
    "ConnectionTimeout",
    "DiskFull",
    "EnvironmentInUse",
    "EnvironmentNotFound",
    "EnvironmentSetupFailed",
    "Forbidden",
    "HostKeyChanged",
    "HostKeyUnknown",
    "HostNotAllowed",
    "InternalError",
    "InvalidParameters",
    "MemoryLimit",
    "Misconfigured",
    "NotFound",
    "PackagesUnreachable",
    "PythonNotFound",
    "QuotaReached",
    "RemoteError",
    "RunicornNotInstalled",
    "SetupCancelled",
    "SshUnavailable",
    "TooManyConnections",
    "ViewerAlreadyRunning",
    "ViewerNotRunning",
    "ViewerStartFailed",
]


class RemoteError(Exception):
    """Base of all errors that the API reports.

    Parameters
    ----------
    message
        One English sentence a person can act on.
    details
        JSON-serialisable facts for programs, as ``docs/contract.md`` lists them per code.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    page_status: ClassVar[int | None] = None
    """The status in an answer to a page, where it is another one."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details

    @classmethod
    def status_for(cls, *, is_page: bool) -> int:
        """Return the HTTP status of its answer, to a page or to a program."""
        return (is_page and cls.page_status) or cls.status


class InvalidParameters(RemoteError):
    """The body or query is not valid; ``details.errors`` lists field and reason."""

    code = "invalid_parameters"
    status = 400

    @classmethod
    def for_field(cls, field: str, reason: str, **details: Any) -> InvalidParameters:
        """Make the error for a single field.

        Parameters
        ----------
        field
            The field's name as the client wrote it.
        reason
            What is wrong with it, as a sentence without its subject's name.
        **details
            What else is known of the mistake.
        """
        return cls(f"{field}: {reason}", errors=[{"field": field, "reason": reason}], **details)


class AuthenticationFailed(RemoteError):
    """The SSH server refused these credentials; ``details.allowed_methods`` says what it takes."""

    code = "authentication_failed"
    status = 401


class AuthenticationRequired(RemoteError):
    """The server asks for more: ``details.challenge_id`` and ``details.prompts``."""

    code = "authentication_required"
    status = 401


class Forbidden(RemoteError):
    """Jupyter's own authentication refused the request."""

    code = "forbidden"
    status = 403


class HostNotAllowed(RemoteError):
    """The administrator's ``allowed_hosts`` does not include this host."""

    code = "host_not_allowed"
    status = 403


class NotFound(RemoteError):
    """Nothing is there: an unknown route, challenge or profile."""

    code = "not_found"
    status = 404


class ConnectionNotFound(RemoteError):
    """No connection has this id."""

    code = "connection_not_found"
    status = 404


class EnvironmentNotFound(RemoteError):
    """No environment of the remote has this name, prefix or interpreter."""

    code = "environment_not_found"
    status = 404


class ViewerNotRunning(RemoteError):
    """The connection holds no viewer."""

    code = "viewer_not_running"
    status = 404


class ConnectionTimeout(RemoteError):
    """Connecting did not finish within ``timeout`` seconds."""

    code = "connection_timeout"
    status = 408
    page_status = 504  # a browser sends what 408 answers again by itself (RFC 9110, 15.5.9)


class HostKeyUnknown(RemoteError):
    """The host's key is in no known_hosts file; ``details.host_key`` is what it offered."""

    code = "host_key_unknown"
    status = 409


class HostKeyChanged(RemoteError):
    """The host's key differs from the known one, or is revoked."""

    code = "host_key_changed"
    status = 409


class ViewerAlreadyRunning(RemoteError):
    """The connection already holds a viewer: ``details.viewer``."""

    code = "viewer_already_running"
    status = 409


class RunicornNotInstalled(RemoteError):
    """The chosen environment has no importable runicorn."""

    code = "runicorn_not_installed"
    status = 424


class TooManyConnections(RemoteError):
    """The ``max_connections`` or ``max_connections_per_user`` traitlet is reached."""

    code = "too_many_connections"
    status = 429


class QuotaReached(RemoteError):
    """Another quota of the administrator's is reached: ``details.quota`` names its traitlet."""

    code = "quota_reached"
    status = 429


class PythonNotFound(RemoteError):
    """The remote has no Python that a private environment can be made with."""

    code = "python_not_found"
    status = 424


class EnvironmentInUse(RemoteError):
    """The private environment has a viewer that runs in it, or is just being made or removed."""

    code = "environment_in_use"
    status = 409


class SetupCancelled(RemoteError):
    """The making of a private environment was cancelled by ``DELETE environments/create/{request_id}``."""

    code = "setup_cancelled"
    status = 409


class EnvironmentSetupFailed(RemoteError):
    """The private environment cannot be made or removed; ``details.log`` holds the last lines about it."""

    code = "environment_setup_failed"
    status = 500


class PackagesUnreachable(RemoteError):
    """Neither the remote nor this side gets the packages; ``details.log`` holds what pip or uv said."""

    code = "packages_unreachable"
    status = 502


class DiskFull(RemoteError):
    """The remote's disk, or the account's quota, has no room for a private environment."""

    code = "disk_full"
    status = 507


class ViewerStartFailed(RemoteError):
    """The viewer exited or never listened; ``details.log`` holds its last lines."""

    code = "viewer_start_failed"
    status = 500


class InternalError(RemoteError):
    """Anything else; its traceback is in the server's log only."""

    code = "internal_error"
    status = 500


class SshUnavailable(RemoteError):
    """Refused, unreachable, unresolvable, not an SSH server, or forwarding is not allowed."""

    code = "ssh_unavailable"
    status = 503


class ConnectionLost(RemoteError):
    """The SSH connection is down and is being re-established."""

    code = "connection_lost"
    status = 503


class MemoryLimit(RemoteError):
    """What would be kept of a connection, or of all of them, is more than a setting allows."""

    code = "memory_limit"
    status = 503


class Misconfigured(RemoteError):
    """A setting of this Jupyter server cannot be used as it is written: ``details.settings`` names it."""

    code = "misconfigured"
    status = 503
