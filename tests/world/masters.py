"""Masters of OpenSSH's client (``ssh -M``), each at a control socket of the test's own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.world import processes
from tests.world.sshd import Sshd

SECONDS = 60.0


class SshMaster:
    """A master in the background; made by ``start``, which returns when it listens.

    Parameters
    ----------
    server
        Where it connects to.
    path
        Its control socket.
    """

    def __init__(self, server: Sshd, path: str) -> None:
        self.path = path
        self._config = Path(path).with_name("config")
        known_hosts = Path(path).with_name("known_hosts")
        known_hosts.write_text(server.known_hosts_line)
        values = {
            "HostName": server.host,
            "Port": server.port,
            "User": server.user,
            "IdentityFile": server.key_path,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": known_hosts,
            "ControlPath": path,
        }
        self._config.write_text("Host server\n" + "".join(f"  {name} {it}\n" for name, it in values.items()))
        self.pid = 0

    def start(self) -> SshMaster:
        """Start it; return when it listens."""
        Path(self.path).unlink(missing_ok=True)  # one that was killed leaves it behind
        self.ssh("-MNf", "-o", "ControlPersist=yes")
        checked = self.ssh("-O", "check")
        self.pid = int(re.findall(r"pid=(\d+)", checked)[0])
        return self

    def ssh(self, *arguments: str) -> str:
        """Run ``ssh`` with its config and return what it prints."""
        command = ["ssh", "-F", str(self._config), *arguments, "server"]
        with tempfile.TemporaryFile() as output:  # what goes to the background keeps it open
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True, timeout=SECONDS
            )
            output.seek(0)
            return output.read().decode()

    @contextlib.contextmanager
    def hold_session(self) -> Iterator[None]:
        """Have a command run over it, as a person's shell."""
        command = ["ssh", "-F", str(self._config), "server", "echo runs; exec sleep 3600"]
        shell = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        with shell:
            assert shell.stdout is not None
            assert shell.stdout.readline() == b"runs\n"
            yield
            shell.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, which leaves its socket where it is; return when it has ended."""
        processes.kill(self.pid, SECONDS)

    def close(self) -> None:
        """End it."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                self.kill()


@pytest.fixture
def control_folder() -> Iterator[Path]:
    """A folder whose name is short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="cm-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def make_master(control_folder: Path) -> Iterator[Callable[[Sshd], SshMaster]]:
    """Start masters of the test's own, each with a session to the server."""
    made: list[SshMaster] = []

    def make(server: Sshd) -> SshMaster:
        folder = control_folder / str(len(made))
        folder.mkdir()
        master = SshMaster(server, str(folder / "socket"))
        made.append(master)
        return master.start()

    yield make
    for master in made:
        master.close()
