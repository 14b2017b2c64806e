"""``jupyter runicorn doctor HOST``, against real SSH servers, as people type it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.world.jupyter import JupyterServer, server_environment
from tests.world.relay import Relay
from tests.world.ssh_home import SshHome
from tests.world.sshd import Sshd, make_key

CONNECTING = ["name resolves", "TCP opens", "banner", "host key known", "authentication"]
REMOTE = ["shell", "environments", "storage root", "machine"]


@dataclass(frozen=True)
class Answer:
    """What the doctor said."""

    status: int
    report: dict[str, Any]
    errors: str

    def checks(self, section: str) -> dict[str, dict[str, str]]:
        """Give the checks below a heading, by their names."""
        return {each["name"]: each for each in self.report["checks"] if each["section"].startswith(section)}

    def statuses(self, section: str) -> dict[str, str]:
        """Give the statuses below a heading."""
        return {name: check["status"] for name, check in self.checks(section).items()}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "jupyter", "runicorn", "doctor", *arguments]


def doctor(home: SshHome, *arguments: str, **variables: str) -> Answer:
    done = subprocess.run(
        command("--json", *arguments),
        env={**server_environment(home.path), **variables},
        cwd=home.path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert str(home.path) not in done.stdout
    return Answer(done.returncode, json.loads(done.stdout), done.stderr)


def test_a_good_host(
    make_sshd: Callable[..., Sshd], ssh_home: SshHome, runicorn_env: Callable[..., Path]
) -> None:
    server = make_sshd()
    (server.home / ".venvs").mkdir()
    (server.home / ".venvs" / "train").symlink_to(runicorn_env())
    ssh_home.host("gpu1", server)
    ssh_home.trust(server)
    found = doctor(ssh_home, "gpu1")
    assert (found.status, found.errors) == (0, "")
    assert found.report["ok"] is True
    assert found.statuses("Connecting to gpu1") == dict.fromkeys(CONNECTING, "ok")
    assert found.statuses("On gpu1") == dict.fromkeys(REMOTE, "ok")
    connecting, remote = found.checks("Connecting"), found.checks("On gpu1")
    assert connecting["banner"]["text"].startswith("SSH-2.0-OpenSSH")
    assert "SHA256:" in connecting["host key known"]["text"]
    assert "train (runicorn" in remote["environments"]["text"]
    assert "CPUs" in remote["machine"]["text"]
    assert server.left() == []


def test_a_jump_host_is_a_step_of_its_own(make_sshd: Callable[..., Sshd], ssh_home: SshHome) -> None:
    gate, server = make_sshd(), make_sshd()
    ssh_home.host("gate", gate)
    ssh_home.host("gpu1", server, ProxyJump="gate")
    ssh_home.trust(gate)
    found = doctor(ssh_home, "gpu1")
    statuses = found.statuses("Connecting to gpu1")
    assert list(statuses)[:5] == [f"gate: {name}" for name in CONNECTING]
    assert [statuses[f"gpu1: {name}"] for name in CONNECTING[1:]] == ["ok", "ok", "problem", "not tried"]
    assert found.checks("ssh config for gpu1")["ProxyJump"]["text"].startswith("gate (")


def test_no_further_host_keys_are_learned(
    make_sshd: Callable[..., Sshd], ssh_home: SshHome, tmp_path: Path
) -> None:
    second = make_key(tmp_path / "second", kind="rsa")
    server = make_sshd()
    server.restart(HostKey=[str(server.host_key_path), str(second)])
    ssh_home.host("gpu1", server, UpdateHostKeys="yes")
    ssh_home.trust(server)
    before = ssh_home.known_hosts.read_text()
    assert set(doctor(ssh_home, "gpu1").statuses("Connecting").values()) == {"ok"}
    assert ssh_home.known_hosts.read_text() == before


def test_an_unknown_key(sshd: Sshd, ssh_home: SshHome) -> None:
    ssh_home.host("gpu1", sshd)
    found = doctor(ssh_home, "gpu1")
    statuses = found.statuses("Connecting")
    assert found.status == 1
    assert list(statuses.values()) == ["ok", "ok", "ok", "problem", "not tried"]
    assert found.checks("Connecting")["host key known"]["code"] == "host_key_unknown"
    assert found.statuses("On gpu1") == dict.fromkeys(REMOTE, "not tried")
    assert ssh_home.known_hosts.read_text() == ""


def test_a_refused_port(ssh_home: SshHome) -> None:
    with socket.socket() as bound:  # and not listening: nobody else gets it meanwhile
        bound.bind(("127.0.0.1", 0))
        ssh_home.host("gpu1", HostName="127.0.0.1", Port=bound.getsockname()[1])
        found = doctor(ssh_home, "gpu1")
    assert found.status == 1
    assert list(found.statuses("Connecting").values()) == ["ok", "problem", *["not tried"] * 3]
    assert "refused" in found.checks("Connecting")["TCP opens"]["text"]


def test_a_wrong_key(make_sshd: Callable[..., Sshd], ssh_home: SshHome, tmp_path: Path) -> None:
    server = make_sshd(PasswordAuthentication="no")
    ssh_home.host("gpu1", server, IdentityFile=make_key(tmp_path / "other"))
    ssh_home.trust(server)
    found = doctor(ssh_home, "gpu1")
    authentication = found.checks("Connecting")["authentication"]
    assert found.status == 1
    assert (authentication["status"], authentication["code"]) == ("problem", "authentication_failed")
    assert authentication["mend"]


def test_no_runicorn(make_sshd: Callable[..., Sshd], ssh_home: SshHome) -> None:
    server = make_sshd()
    ssh_home.host("gpu1", server)
    ssh_home.trust(server)
    found = doctor(ssh_home, "gpu1")
    assert found.status == 1
    assert list(found.statuses("On gpu1").values()) == ["ok", "problem", "not tried", "ok"]
    assert found.checks("On gpu1")["environments"]["code"] == "runicorn_not_installed"


def test_nobody_is_asked_for_a_passphrase(
    make_sshd: Callable[..., Sshd], ssh_home: SshHome, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "locked", passphrase="hunter2")
    server = make_sshd()
    server.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    ssh_home.host("gpu1", server, IdentityFile=key)
    ssh_home.trust(server)
    found = doctor(ssh_home, "gpu1")
    authentication = found.checks("Connecting")["authentication"]
    assert (found.status, authentication["status"]) == (0, "not tried")
    assert "Passphrase for key" in authentication["text"]


def test_a_silent_server_ends_in_time(
    make_relay: Callable[..., Relay], sshd: Sshd, ssh_home: SshHome
) -> None:
    relay = make_relay(sshd.host, sshd.port)
    relay.hold()
    ssh_home.host("gpu1", HostName=relay.host, Port=relay.port)
    found = doctor(ssh_home, "gpu1", "--seconds=1")
    assert list(found.statuses("Connecting").values()) == ["ok", "ok", "problem", "not tried", "not tried"]
    assert found.checks("Connecting")["banner"]["code"] == "connection_timeout"


def test_ctrl_c_ends_it_with_what_was_found(
    make_relay: Callable[..., Relay], sshd: Sshd, ssh_home: SshHome
) -> None:
    relay = make_relay(sshd.host, sshd.port)
    relay.hold()
    ssh_home.host("gpu1", HostName=relay.host, Port=relay.port)
    process = subprocess.Popen(
        # Where these tests run in the background of a shell, all that they start ignores it.
        ["env", "--default-signal=INT", *command("gpu1", "--seconds=120")],
        env=server_environment(ssh_home.path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "TCP opens" in line:
            os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, ""), "".join(lines)
    assert "".join(lines).endswith("Interrupted: no problem.\n```\n")


def test_the_server_that_would_be_used_is_named_without_its_token(
    make_jupyter: Callable[..., JupyterServer], ssh_home: SshHome, agent: Callable[..., str]
) -> None:
    server = make_jupyter(home=ssh_home.path)
    found = doctor(ssh_home, SSH_AUTH_SOCK=agent())
    used = found.checks("Jupyter")["used here"]
    assert used["status"] == "ok"
    assert used["text"].startswith(server.url.rstrip("/"))
    assert "token, credential of this extension" in used["text"]
    assert server.token not in json.dumps(found.report)
    assert found.checks("Jupyter")["its agent"]["status"] == "problem"  # that server was started without one
    assert found.checks("ssh on")["agent"]["text"].startswith("0 keys")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("c.RunicornJupyter.max_connections = 'many'\n", "max_connections is 'many'"),
        ("import nothing_of_that_name\n", "nothing_of_that_name"),
    ],
)
def test_settings_that_cannot_be_read_are_a_problem(config: str, said: str, ssh_home: SshHome) -> None:
    folder = ssh_home.path / ".jupyter"
    folder.mkdir()
    (folder / "jupyter_server_config.py").write_text(config)
    settings = doctor(ssh_home).checks("Settings")["RunicornJupyter"]
    assert (settings["status"], settings["code"]) == ("problem", "misconfigured")
    assert said in settings["text"]


def test_a_host_that_the_administrator_does_not_allow(sshd: Sshd, ssh_home: SshHome) -> None:
    ssh_home.host("gpu1", sshd)
    folder = ssh_home.path / ".jupyter"
    folder.mkdir()
    (folder / "jupyter_server_config.py").write_text("c.RunicornJupyter.allowed_hosts = ['other.example']\n")
    first = doctor(ssh_home, "gpu1").checks("Connecting")["name resolves"]
    assert (first["status"], first["code"]) == ("problem", "host_not_allowed")


def test_two_hosts_are_one_too_many(ssh_home: SshHome) -> None:
    done = subprocess.run(
        command("gpu1", "gpu2"),
        env=server_environment(ssh_home.path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Name one host" in done.stderr
