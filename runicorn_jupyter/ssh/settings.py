"""The administrator's settings of SSH connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runicorn_jupyter.ssh.config.allowlist import ANY_HOST, AllowedHosts

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.hostkeys.verifier import Policy


@dataclass(frozen=True)
class SshSettings:
    """The administrator's settings of SSH connections.

    Attributes
    ----------
    keepalive_seconds
        A dead peer is noticed within four thirds of this.
    reconnect_for_seconds
        Give up on a lost connection after this long; 0 switches reconnecting off.
    reconnect_delay_max
        The longest pause between attempts, seconds.
    host_key_policy
        ``ask``, ``accept-new`` or ``strict``.
    allowed_hosts
        Which hosts, jump hosts included, may be connected to.
    """

    keepalive_seconds: float = 15.0
    reconnect_for_seconds: float = 3600.0
    reconnect_delay_max: float = 30.0
    host_key_policy: Policy = "ask"
    allowed_hosts: AllowedHosts = ANY_HOST
