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
    max_connections
        How many connections may be open at once.
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
    """

    connection: SshSettings = field(default_factory=SshSettings)
    viewer_lease_seconds: float = 900
    max_connections: int = 64
    config_commands: bool = True
    use_keyring: bool = False
    start_remembered: bool = False
    base_url: str = "/"
    connection_memory_bytes: int = 128 * 2**20
    memory_bytes: int = 512 * 2**20
    metrics_by_host: bool = False
