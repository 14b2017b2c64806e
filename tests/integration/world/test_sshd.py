"""The sshd of the tests is what the other tests take it for."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world.sshd import ENTER_ETC, Sshd, SshHome, can_relocate


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


def test_the_machines_users_may_change_meanwhile(tmp_path: Path) -> None:
    """As useradd does it: a new file is renamed to /etc/passwd. This test's /etc stands for the machine's."""
    if not can_relocate():
        pytest.skip("needs root and mount namespaces")
    for name in ("machine", "seen"):
        (tmp_path / name).mkdir()
    for name in ("passwd", "shadow"):
        (tmp_path / name).write_text(f"private {name}\n")
    inner = "echo entered; read -r _; cat /etc/passwd /etc/shadow; cat /etc/group"
    paths = [str(tmp_path / each) for each in ("seen", "passwd", "shadow")]
    within = shlex.join(["unshare", "--mount", "sh", "-c", ENTER_ETC, "sh", *paths, "sh", "-c", inner])
    outer = f"""
        mount -t tmpfs tmpfs /etc && echo old > /etc/passwd && echo old > /etc/shadow && echo old > /etc/group
        mkfifo {tmp_path}/go; {within} < {tmp_path}/go | {{
            exec 3> {tmp_path}/go; read -r entered; echo "$entered"
            for name in passwd shadow group; do echo new > /etc/$name+; mv /etc/$name+ /etc/$name; done
            echo go >&3; cat; }}"""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", outer], stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    assert done.stdout == "entered\nprivate passwd\nprivate shadow\nnew\n"
