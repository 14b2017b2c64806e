"""A person's ``~/.ssh`` on this side, of a test's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.world.sshd import Sshd


class SshHome:
    """A person's home on this side: ``~/.ssh/config`` and ``~/.ssh/known_hosts``.

    OpenSSH's tools take ``~`` from the user database, not from ``$HOME``; give them
    ``-F home.config`` and absolute paths, as ``host`` writes them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ssh = path / ".ssh"
        self.ssh.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.config = self.ssh / "config"
        self.known_hosts = self.ssh / "known_hosts"
        self.config.touch(mode=0o600)
        self.known_hosts.touch(mode=0o600)

    def trust(self, sshd: Sshd, port: int | None = None) -> None:
        """Add the sshd's host key to known_hosts, as that of another port where a relay leads to it."""
        line = sshd.known_hosts_line if port is None else f"[{sshd.host}]:{port} {sshd.host_key}\n"
        with self.known_hosts.open("a") as file:
            file.write(line)

    def host(self, alias: str, sshd: Sshd | None = None, **options: str | int | Path) -> None:
        """Add a ``Host`` block to the config; ``sshd`` gives where it leads and its key."""
        values: dict[str, str | int | Path] = {}
        if sshd is not None:
            values = {
                "HostName": sshd.host,
                "Port": sshd.port,
                "User": sshd.user,
                "IdentityFile": str(sshd.key_path),
                "IdentitiesOnly": "yes",
                "UserKnownHostsFile": str(self.known_hosts),
            }
        values.update(options)
        with self.config.open("a") as file:
            file.write(f"Host {alias}\n" + "".join(f"  {name} {value}\n" for name, value in values.items()))
