"""Checks a connection, the process of its viewer, and the tunnel to that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import RemoteError

if TYPE_CHECKING:
    from runicorn_jupyter.remote.host_client import Line
    from runicorn_jupyter.remote.supervisor import ViewerSupervisor

__all__ = ["check_health"]


async def check_health(connection: Line, supervisor: ViewerSupervisor | None) -> m.HealthResponse:
    """Check connection, process and tunnel; from memory while the connection is down.

    Parameters
    ----------
    connection
        The connection.
    supervisor
        Of its viewer; None where there is none.
    """
    checks = await _checks(connection, None if supervisor and supervisor.state == "stopped" else supervisor)
    if checks.ssh_connection == "fail":
        health: m.Health = "unhealthy"
    elif "fail" in (checks.viewer_process, checks.tunnel_active):
        health = "degraded"
    else:
        health = "healthy"
    return m.HealthResponse(health=health, checks=checks)


async def _checks(connection: Line, supervisor: ViewerSupervisor | None) -> m.HealthChecks:
    process: m.CheckResult = "skip" if supervisor is None else "fail"
    tunnel = process
    if not await _answers(connection):
        if supervisor is not None and supervisor.state != "crashed":
            process = "pass"
        return m.HealthChecks(ssh_connection="fail", viewer_process=process, tunnel_active=tunnel)
    if supervisor is not None and supervisor.state in ("running", "reconnecting"):
        try:
            state = await supervisor.check()
        except (RemoteError, OSError):
            state = "hung"
        process = "fail" if state == "crashed" else "pass"
        tunnel = "pass" if state == "running" else "fail"
    return m.HealthChecks(ssh_connection="pass", viewer_process=process, tunnel_active=tunnel)


async def _answers(connection: Line) -> bool:
    """Whether the SSH server answers; one that is being reconnected to is not asked."""
    if connection.status != "connected":
        return False
    try:
        await connection.ping()
    except RemoteError:
        return False
    return True
