"""The table of routes: method, path, models, errors, and the service's method behind each."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from runicorn_jupyter import errors as e
from runicorn_jupyter import models as m
from runicorn_jupyter.api.event_stream import EventsHandler
from runicorn_jupyter.api.handlers import EnvelopeHandler, RemoteHandler, UnknownRouteHandler
from runicorn_jupyter.api.openapi import openapi_document
from runicorn_jupyter.api.operation import Operation
from runicorn_jupyter.service.connections import ConnectionService
from runicorn_jupyter.service.environments import EnvironmentService
from runicorn_jupyter.service.hosts import HostService
from runicorn_jupyter.service.machines import MachineService
from runicorn_jupyter.service.profiles import ProfileService
from runicorn_jupyter.service.remote_service import RemoteService
from runicorn_jupyter.service.runs import RunService
from runicorn_jupyter.service.viewers import ViewerService

Rule = tuple[str, type[web.RequestHandler], dict[str, Any]]

_NEEDS_CONNECTION: tuple[type[e.RemoteError], ...] = (e.ConnectionNotFound,)
_NEEDS_SSH: tuple[type[e.RemoteError], ...] = (
    e.ConnectionNotFound,
    e.ConnectionLost,
    e.ConnectionTimeout,
    e.SshUnavailable,
)
_READS_SSH_CONFIG: tuple[type[e.RemoteError], ...] = (e.HostNotAllowed, e.SshUnavailable)
_CONNECTS: tuple[type[e.RemoteError], ...] = (
    e.AuthenticationFailed,
    e.AuthenticationRequired,
    e.HostNotAllowed,
    e.ConnectionTimeout,
    e.HostKeyUnknown,
    e.HostKeyChanged,
    e.TooManyConnections,
    e.QuotaReached,
    e.SshUnavailable,
)

_CONNECTIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "connect",
        ConnectionService.connect,
        m.ConnectRequest,
        m.ConnectResponse,
        "Open an SSH connection.",
        _CONNECTS,
    ),
    Operation(
        "POST",
        "connect/{challenge_id}",
        ConnectionService.answer_challenge,
        m.ChallengeAnswerRequest,
        m.ConnectResponse,
        "Answer what the server, or an encrypted key, asked for.",
        (*_CONNECTS, e.NotFound),
    ),
    Operation(
        "GET",
        "connect/{challenge_id}",
        ConnectionService.get_challenge,
        m.ChallengeQuery,
        m.ChallengeResponse,
        "Read again what is asked for.",
        (e.NotFound,),
    ),
    Operation(
        "DELETE",
        "connect/{challenge_id}",
        ConnectionService.drop_challenge,
        m.ChallengeQuery,
        m.MessageResponse,
        "Give up instead of answering.",
        (e.NotFound,),
    ),
    Operation(
        "GET",
        "connections",
        ConnectionService.list_connections,
        None,
        m.ConnectionsResponse,
        "List the connections.",
    ),
    Operation(
        "DELETE",
        "connections/{connection_id}",
        ConnectionService.disconnect,
        m.DisconnectQuery,
        m.DisconnectResponse,
        "Close a connection.",
        _NEEDS_CONNECTION,
    ),
    Operation(
        "GET",
        "health",
        ConnectionService.health,
        m.ConnectionQuery,
        m.HealthResponse,
        "Check connection, viewer and tunnel.",
        _NEEDS_CONNECTION,
    ),
    Operation(
        "GET",
        "ping",
        ConnectionService.ping,
        m.ConnectionQuery,
        m.PingResponse,
        "Time one SSH round trip.",
        _NEEDS_SSH,
    ),
)
_ENVIRONMENTS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "environments",
        EnvironmentService.list_environments,
        m.EnvironmentsQuery,
        m.EnvironmentsResponse,
        "List the remote's Python environments.",
        _NEEDS_SSH,
    ),
    Operation(
        "POST",
        "environments/detect",
        EnvironmentService.detect_environments,
        m.DetectRequest,
        m.DetectResponse,
        "Look for environments again.",
        _NEEDS_SSH,
    ),
    Operation(
        "POST",
        "environments/create",
        EnvironmentService.create_environment,
        m.CreateEnvironmentRequest,
        m.CreateEnvironmentResponse,
        "Set up a private environment with runicorn on the remote.",
        (
            *_NEEDS_SSH,
            e.EnvironmentNotFound,
            e.EnvironmentInUse,
            e.SetupCancelled,
            e.PythonNotFound,
            e.EnvironmentSetupFailed,
            e.PackagesUnreachable,
            e.DiskFull,
        ),
    ),
    Operation(
        "DELETE",
        "environments/create/{request_id}",
        EnvironmentService.cancel_environment,
        m.CancelSetupQuery,
        m.MessageResponse,
        "Cancel the request with this X-Request-Id.",
        (e.NotFound,),
    ),
    Operation(
        "POST",
        "environments/remove",
        EnvironmentService.remove_environment,
        m.ConnectionQuery,
        m.RemoveEnvironmentResponse,
        "Remove what environments/create has made.",
        (
            *_NEEDS_SSH,
            e.EnvironmentNotFound,
            e.EnvironmentInUse,
            e.PythonNotFound,
            e.EnvironmentSetupFailed,
            e.DiskFull,
        ),
    ),
    Operation(
        "GET",
        "config",
        EnvironmentService.get_config,
        m.ConfigQuery,
        m.ConfigResponse,
        "Read runicorn's configuration on the remote.",
        (*_NEEDS_SSH, e.EnvironmentNotFound),
    ),
)
_VIEWERS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "viewer/start",
        ViewerService.start_viewer,
        m.ViewerStartRequest,
        m.ViewerStartResponse,
        "Start the remote's viewer, or adopt the one that runs.",
        (
            *_NEEDS_SSH,
            e.EnvironmentNotFound,
            e.ViewerAlreadyRunning,
            e.QuotaReached,
            e.RunicornNotInstalled,
            e.ViewerStartFailed,
        ),
    ),
    Operation(
        "POST",
        "viewer/stop",
        ViewerService.stop_viewer,
        m.ViewerStopRequest,
        m.ViewerStopResponse,
        "Stop the viewer.",
        (*_NEEDS_SSH, e.ViewerNotRunning),
    ),
    Operation(
        "GET",
        "viewer/status",
        ViewerService.viewer_status,
        m.ConnectionQuery,
        m.ViewerStatusResponse,
        "Say how the viewer is.",
        _NEEDS_CONNECTION,
    ),
    Operation(
        "GET",
        "viewer/logs",
        ViewerService.viewer_logs,
        m.LogsQuery,
        m.LogsResponse,
        "Read the viewer's log.",
        (*_NEEDS_SSH, e.ViewerNotRunning),
    ),
)
_RUNS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "runs",
        RunService.list_runs,
        m.RunsQuery,
        m.RunsResponse,
        "List the runs of all viewers, or what changed in the list.",
    ),
    Operation(
        "POST",
        "runs/compare",
        RunService.compare_runs,
        m.RunsCompareRequest,
        m.RunsCompareResponse,
        "Say what differs between some runs.",
        (e.NotFound,),
    ),
    Operation(
        "POST",
        "runs/curves",
        RunService.read_curves,
        m.RunsCurvesRequest,
        m.RunsCurvesResponse,
        "Read metrics of several runs, or what is new of them.",
    ),
    Operation(
        "GET",
        "runs/groups",
        RunService.group_runs,
        m.RunsGroupsQuery,
        m.RunsGroupsResponse,
        "Put runs with the same values together.",
    ),
    Operation(
        "GET",
        "runs/metrics",
        RunService.run_metrics,
        m.RunMetricsQuery,
        m.RunMetricsResponse,
        "Read metrics of one run.",
        (*_NEEDS_SSH, e.ViewerNotRunning, e.NotFound, e.MemoryLimit),
    ),
)
_MACHINES: tuple[Operation, ...] = (
    Operation(
        "GET",
        "machines",
        MachineService.list_machines,
        m.MachinesQuery,
        m.MachinesResponse,
        "Say how the machines of the connections are, and who uses their accelerators.",
    ),
)
_HOSTS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "hosts",
        HostService.list_hosts,
        None,
        m.HostsResponse,
        "List the ssh config's aliases.",
        (e.SshUnavailable,),
    ),
    Operation(
        "GET",
        "known-hosts",
        HostService.list_known_hosts,
        None,
        m.KnownHostsResponse,
        "List the known host keys.",
        _READS_SSH_CONFIG,
    ),
    Operation(
        "POST",
        "known-hosts",
        HostService.accept_known_host,
        m.KnownHostAccept,
        m.MessageResponse,
        "Trust exactly the key that was offered.",
        _READS_SSH_CONFIG,
    ),
    Operation(
        "DELETE",
        "known-hosts",
        HostService.remove_known_host,
        m.KnownHostRemove,
        m.MessageResponse,
        "Forget a host's keys.",
        (*_READS_SSH_CONFIG, e.NotFound),
    ),
)
_PROFILES: tuple[Operation, ...] = (
    Operation(
        "GET",
        "profiles",
        ProfileService.list_profiles,
        None,
        m.ProfilesResponse,
        "List the saved connections.",
    ),
    Operation(
        "POST", "profiles", ProfileService.save_profile, m.Profile, m.MessageResponse, "Save a connection."
    ),
    Operation(
        "POST",
        "profiles/import",
        ProfileService.import_profiles,
        m.ProfilesImportRequest,
        m.ProfilesImportResponse,
        "Save the ssh config's aliases as connections.",
        (e.SshUnavailable,),
    ),
    Operation(
        "DELETE",
        "profiles",
        ProfileService.delete_profile,
        m.ProfileQuery,
        m.MessageResponse,
        "Delete a saved connection.",
        (e.NotFound,),
    ),
)
OPERATIONS: tuple[Operation, ...] = (
    *_CONNECTIONS,
    *_ENVIRONMENTS,
    *_VIEWERS,
    *_RUNS,
    *_MACHINES,
    *_HOSTS,
    *_PROFILES,
)


class OpenApiHandler(EnvelopeHandler):
    """Serves ``openapi.json``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the document for this server's ``base_url``."""
        self.finish(openapi_document(OPERATIONS, self.base_url))


def remote_handlers(service: RemoteService) -> list[Rule]:
    """Return Tornado's rules for ``/api/remote``, without the base URL."""
    return [
        *_rules(_CONNECTIONS, service.connections),
        *_rules(_ENVIRONMENTS, service.environments),
        *_rules(_VIEWERS, service.viewers),
        *_rules(_RUNS, service.runs),
        *_rules(_MACHINES, service.machines),
        *_rules(_HOSTS, service.hosts),
        *_rules(_PROFILES, service.profiles),
        (r"/api/remote/openapi\.json", OpenApiHandler, {}),
        (r"/api/remote/events", EventsHandler, {}),
        (r"/api/remote(?:/.*)?", UnknownRouteHandler, {}),
    ]


def _rules(operations: tuple[Operation, ...], service: object) -> list[Rule]:
    """Make a rule for each path of a resource, whose service has the operations' methods."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    return [
        (rf"/api/remote/{_pattern(path)}", RemoteHandler, {"service": service, "operations": of_path})
        for path, of_path in by_path.items()
    ]


def _pattern(path: str) -> str:
    named = partial(re.sub, r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)")
    return str(named(re.escape(path)))
