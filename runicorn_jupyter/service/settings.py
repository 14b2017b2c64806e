"""The traitlets that the service goes by."""

from __future__ import annotations

from dataclasses import dataclass, field

from runicorn_jupyter.ssh.settings import SshSettings


@dataclass(frozen=True)
class ServiceSettings:
    """What an administrator can set.

    Parameters
    ----------
    connection
        Keep-alive, reconnecting, host key policy and which hosts are allowed.
    viewer_lease_seconds
        A viewer ends itself when nobody renewed its lease for this long.
    max_connections, max_connections_per_user
        How many connections may be open at once: of all, and of each of the people who share the server.
    max_viewers
        How many viewers the connections may hold at once.
    max_logins_per_minute
        How many connections may be asked for in a minute.
    viewer_bytes_per_second
        How many bytes viewers' pages may get, all together.
    config_commands
        Whether the ssh config may run commands (``Match exec``, ``ProxyCommand``,
        ``KnownHostsCommand``).
    use_keyring
        Whether what people type and what works is kept in the system's keyring.
    start_remembered
        Whether the viewer that was opened last on a host is started as soon as that is connected to.
    base_url
        The Jupyter server's, with slashes at both ends.
    connection_memory_bytes, memory_bytes
        How much may be kept of what remotes say: of one connection, and of all together.
    metrics_by_host
        Whether Jupyter's ``/metrics`` tells the names of hosts.

    A quota (``max_…``, ``…_per_second``) that is 0 limits nothing.
    """

    connection: SshSettings = field(default_factory=SshSettings)
    viewer_lease_seconds: float = 900
    max_connections: int = 64
    max_connections_per_user: int = 0
    max_viewers: int = 0
    max_logins_per_minute: int = 0
    viewer_bytes_per_second: float = 0
    config_commands: bool = True
    use_keyring: bool = False
    start_remembered: bool = False
    base_url: str = "/"
    connection_memory_bytes: int = 128 * 2**20
    memory_bytes: int = 512 * 2**20
    metrics_by_host: bool = False

    @property
    def quotas(self) -> dict[str, float]:
        """The quotas that are in force, by what is limited."""
        limits = {
            "connections": self.max_connections,
            "connections_per_user": self.max_connections_per_user,
            "viewers": self.max_viewers,
            "logins_per_minute": self.max_logins_per_minute,
            "viewer_bytes_per_second": self.viewer_bytes_per_second,
        }
        return {name: limit for name, limit in limits.items() if limit}
