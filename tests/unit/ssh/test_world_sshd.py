"""The sshd of the tests is what the other tests take it for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from tests.world.sshd import Sshd, SshHome


def _ssh(server: Sshd, home: SshHome, command: str) -> subprocess.CompletedProcess[str]:
    options = ["-F", str(home.config), "-o", "BatchMode=yes"]
    return subprocess.run(
        ["ssh", *options, "server", command],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_session_lives_in_the_private_home(sshd: Sshd, ssh_home: SshHome) -> None:
    ssh_home.host("server", sshd)
    ssh_home.trust(sshd)
    done = _ssh(sshd, ssh_home, "echo $HOME; pwd; echo ~")
    assert done.returncode == 0, done.stderr + sshd.log
    if sshd.relocated:
        assert done.stdout.split() == [str(sshd.home)] * 3
    assert "Accepted publickey" in sshd.log


def test_restart_keeps_port_and_key_and_a_detached_process_is_counted(
    make_sshd: Callable[..., Sshd], ssh_home: SshHome
) -> None:
    server = make_sshd()
    ssh_home.host("server", server)
    ssh_home.trust(server)
    port = server.port
    server.restart()
    assert server.port == port
    done = _ssh(server, ssh_home, "setsid sleep 100 >/dev/null 2>&1 </dev/null & echo $!")
    assert done.returncode == 0, done.stderr + server.log
    assert len(server.processes()) == 1
    server.close()
    assert server.processes() == []
