"""Where a host leads: destinations, jump hosts, commands switched off, aliases, bad configs."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runicorn_jupyter.errors import ConnectionTimeout, HostNotAllowed, InvalidParameters, SshUnavailable
from runicorn_jupyter.ssh.config import openssh, resolver
from runicorn_jupyter.ssh.config.target import KerberosOptions
from tests.world import processes

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")
ME = getpass.getuser()


def write_config(home: Path, text: str) -> None:
    config = home / ".ssh" / "config"
    config.write_text(text)
    config.chmod(0o600)


@pytest.fixture
def without_openssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssh, "find_ssh", lambda: None)


def test_a_host_without_config_is_itself(home: Path) -> None:
    target = resolver.resolve("gpu.example")
    assert (target.hostname, target.port, target.username) == ("gpu.example", 22, ME)
    assert home / ".ssh" / "id_ed25519" in target.identity_files
    assert target.user_known_hosts == (home / ".ssh" / "known_hosts", home / ".ssh" / "known_hosts2")
    assert target.proxy_jump == ()
    assert target.known_hosts_name == "gpu.example"


def test_what_the_request_says_wins(home: Path) -> None:
    write_config(home, "Host gpu\n  HostName 10.0.0.1\n  User config\n  Port 2222\n")
    target = resolver.resolve("gpu", username="request", port=2022)
    assert (target.username, target.port) == ("request", 2022)
    assert target.known_hosts_name == "[10.0.0.1]:2022"


def test_destinations_as_people_write_them(home: Path) -> None:
    write_config(home, "Host gpu\n  HostName 10.0.0.1\n")
    for asked, expected in {
        "bob@gpu": ("10.0.0.1", "bob", 22),
        "ssh://bob@gpu:2200": ("10.0.0.1", "bob", 2200),
        "ssh://[2001:db8::7]:2200/": ("2001:db8::7", ME, 2200),
        "[::1]": ("::1", ME, 22),
        "first@realm@gpu": ("10.0.0.1", "first@realm", 22),
    }.items():
        target = resolver.resolve(asked)
        assert (target.hostname, target.username, target.port) == expected
        assert target.asked == asked


@pytest.mark.parametrize(
    "bad",
    ["-oProxyCommand=x", "a b", "a;b", "$(id)", "`id`", "a|b", "a\nb", "", "a'b", "x@-y", "ssh://", "a\\b"],
)
def test_a_host_that_could_mean_something_to_a_shell_is_refused(home: Path, bad: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        resolver.resolve(bad)
    assert refused.value.details["errors"][0]["field"] == "host"


@pytest.mark.parametrize("bad", ["-l", "a;b", "a`id`", "a -x", "a\x00", "a$(x)"])
def test_a_user_that_could_mean_something_to_a_shell_is_refused(home: Path, bad: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        resolver.resolve("gpu", username=bad)
    assert refused.value.details["errors"][0]["field"] == "username"


def test_jump_hosts_each_have_their_own_config(home: Path) -> None:
    write_config(
        home,
        "Host gpu\n  ProxyJump mid,carol@last:2300\n"
        "Host mid\n  HostName 10.0.0.2\n  User mike\n  ProxyJump outer\n  UserKnownHostsFile ~/.ssh/kh_mid\n"
        "Host outer\n  HostName 10.0.0.1\n  Port 2201\n  ProxyCommand nc %h %p\n  IdentityFile ~/.ssh/outer\n"
        "Host last\n  HostName 10.0.0.3\n  User ignored\n  Port 23\n  ProxyJump nowhere\n",
    )
    outer, mid, last = resolver.resolve("gpu").proxy_jump
    assert (outer.hostname, outer.port, outer.proxy_command) == ("10.0.0.1", 2201, "nc 10.0.0.1 2201")
    assert outer.identity_files == (home / ".ssh" / "outer",)
    assert (mid.hostname, mid.username) == ("10.0.0.2", "mike")
    assert mid.user_known_hosts == (home / ".ssh" / "kh_mid",)
    assert (last.hostname, last.username, last.port) == ("10.0.0.3", "carol", 2300)
    assert all(hop.proxy_jump == () for hop in (outer, mid, last))


def test_jump_hosts_in_a_circle_are_refused(home: Path) -> None:
    write_config(home, "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    with pytest.raises(SshUnavailable, match="circle"):
        resolver.resolve("a")


def test_a_host_that_is_its_own_jump_host_is_refused_as_ssh_does(home: Path) -> None:
    write_config(home, "Host *\n  ProxyJump bastion\n")
    with pytest.raises(SshUnavailable, match="jumphost loop"):
        resolver.resolve("bastion")


def test_an_administrator_can_switch_commands_off(home: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    write_config(
        home,
        f'Match host gpu exec "touch {witness}"\n  User matched\n'
        f'Match !exec "touch {witness}; false"\n  Port 1\n'
        "Host proxied\n  ProxyCommand nc %h %p\nHost behind\n  ProxyJump proxied\nHost *\n  User plain\n",
    )
    assert resolver.resolve("gpu", run_commands=False).username == "plain"
    assert resolver.resolve("gpu", run_commands=False).port == 22
    assert not witness.exists()
    for name in ("proxied", "behind"):
        with pytest.raises(HostNotAllowed, match="ProxyCommand"):
            resolver.resolve(name, run_commands=False)
    assert resolver.resolve("gpu").username == "matched"
    assert witness.exists()


@pytest.mark.parametrize(
    "line", ['"exec" true', 'ex"ec" true', "!exec true", "host gpu EXEC true", "host=gpu exec=true"]
)
def test_no_spelling_of_exec_gets_through(home: Path, tmp_path: Path, line: str) -> None:
    witness = tmp_path / "ran"
    command = f'"touch {witness}"'
    write_config(home, f"Match {line.replace('true', command)}\n  User matched\n")
    try:
        resolver.resolve("gpu", run_commands=False)
    except SshUnavailable:
        assert "host=gpu" in line  # only newer versions of ssh know that form
    assert not witness.exists()


def test_listing_aliases_follows_includes_and_leaves_patterns_out(home: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    (home / ".ssh" / "work.d").mkdir()
    (home / ".ssh" / "work.d" / "lab").write_text("Host lab\n  HostName lab.example\n  ProxyJump gate\n")
    write_config(
        home,
        "Include work.d/*\nHost gpu1 gpu? !gpu9 gpu2\n  User alice\n  Port 2222\n"
        f'Match exec "touch {witness}"\n  User nobody\nHost *\n  User plain\n',
    )
    listed = {alias.alias: alias for alias in resolver.list_aliases()}
    assert list(listed) == ["lab", "gpu1", "gpu2"]
    assert (listed["lab"].hostname, listed["lab"].proxy_jump) == ("lab.example", "gate")
    assert (listed["gpu2"].username, listed["gpu2"].port) == ("alice", 2222)
    assert not witness.exists()


def test_no_config_lists_no_aliases(home: Path) -> None:
    assert resolver.list_aliases() == []


def test_a_config_that_others_may_write_is_refused(home: Path) -> None:
    write_config(home, "Host gpu\n  User alice\n")
    (home / ".ssh" / "config").chmod(0o666)
    with pytest.raises(SshUnavailable, match=r"bad owner or permissions on ~/\.ssh/config"):
        resolver.resolve("gpu")


def test_the_complaint_names_the_users_file_and_line(home: Path) -> None:
    write_config(home, "Host gpu\n  User alice\n  Colour red\n")
    with pytest.raises(SshUnavailable) as refused:
        resolver.resolve("gpu")
    assert "~/.ssh/config: line 3: Bad configuration option: colour" in refused.value.message


def test_agents_that_the_config_names(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_AGENT", "/run/mine")
    write_config(
        home,
        "Host a\n  IdentityAgent $MY_AGENT\nHost b\n  IdentityAgent $NOT_SET_ANYWHERE\n"
        "Host c\n  IdentityAgent SSH_AUTH_SOCK\nHost e\n  IdentityAgent none\n"
        'Host f\n  IdentityAgent "~/agent sock"\n',
    )
    assert [resolver.resolve(name).identity_agent for name in "abcef"] == [
        *("/run/mine", "none", None, "none"),
        str(home / "agent sock"),
    ]


def test_known_hosts_files_with_spaces_are_told_apart(home: Path) -> None:
    write_config(home, 'Host x\n  UserKnownHostsFile "~/.ssh/known hosts" ~/.ssh/second "/a b/c d"\n')
    assert resolver.resolve("x").user_known_hosts == (
        *(home / ".ssh" / "known hosts", home / ".ssh" / "second"),
        Path("/a b/c d"),
    )


def test_what_is_not_honoured_is_said(home: Path) -> None:
    write_config(home, "Host y\n  ProxyCommand nc %h %p\n  ProxyUseFDPass yes\n")
    with pytest.raises(SshUnavailable, match="ProxyUseFDPass"):
        resolver.resolve("y")


def test_methods_that_the_config_switches_off(home: Path) -> None:
    write_config(
        home,
        "Host a\n  PasswordAuthentication no\nHost b\n  PubkeyAuthentication no\n"
        "Host c\n  PreferredAuthentications password,publickey\n  PasswordAuthentication no\n"
        "Host e\n  PasswordAuthentication no\n  GSSAPIAuthentication yes\n"
        "Host *\n  GSSAPIAuthentication no\n",  # Debian's own file of the system says yes
    )
    assert resolver.resolve("a").preferred_authentications == ("publickey", "keyboard-interactive")
    assert resolver.resolve("b").preferred_authentications == ("keyboard-interactive", "password")
    assert resolver.resolve("c").preferred_authentications == ("publickey",)
    assert resolver.resolve("d").preferred_authentications is None
    by_ticket = ("gssapi-with-mic", "publickey", "keyboard-interactive")
    assert resolver.resolve("e").preferred_authentications == by_ticket


def test_kerberos_is_used_where_the_config_says_so(home: Path, request: pytest.FixtureRequest) -> None:
    write_config(
        home,
        "Host a\n  GSSAPIAuthentication yes\n"
        "Host b\n  GSSAPIAuthentication yes\n  GSSAPIDelegateCredentials yes\n"
        "Host *\n  GSSAPIAuthentication no\n  GSSAPIDelegateCredentials no\n",
    )
    for _ in range(2):
        assert resolver.resolve("a").kerberos == KerberosOptions()
        assert resolver.resolve("b").kerberos == KerberosOptions(delegate=True)
        assert resolver.resolve("c").kerberos is None
        request.getfixturevalue("without_openssh")
    write_config(home, "Host *\n  GSSAPIAuthentication yes\n  GSSAPIServerIdentity login.example\n")
    assert resolver.resolve("d").kerberos == KerberosOptions(server_identity="login.example")


@pytest.mark.usefixtures("without_openssh")
def test_without_openssh_the_config_still_counts(home: Path) -> None:
    write_config(home, "Include more\nHost gpu\n  ProxyJump gate\n  IdentityFile ~/.ssh/gpu\n")
    (home / ".ssh" / "more").write_text("Host gate\n  User gatekeeper\n")
    target = resolver.resolve("gpu")
    assert target.identity_files == (home / ".ssh" / "gpu",)
    assert target.proxy_jump[0].username == "gatekeeper"
    assert "OpenSSH" in target.notes[0]


def test_a_user_id_that_nobody_knows_does_not_need_ssh(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\necho "No user exists for uid 1000730000" >&2\nexit 255\n')
    program.chmod(0o755)
    monkeypatch.setattr(openssh, "find_ssh", lambda: str(program))
    write_config(home, "Host gpu\n  HostName 10.0.0.9\n")
    assert resolver.resolve("gpu").hostname == "10.0.0.9"


def test_a_config_that_takes_for_ever_ends_with_all_it_started(home: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    write_config(home, f'Match exec "echo $$ > {pid}; sleep 60; :"\n  User x\n')
    with pytest.raises(ConnectionTimeout, match="Match exec"):
        resolver.resolve("gpu", timeout=2)
    assert processes.ends(int(pid.read_text()), 15)


def test_importing_needs_no_openssh() -> None:
    code = "import runicorn_jupyter.ssh.config.resolver"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PATH": ""}, check=False)
    assert done.returncode == 0


def test_a_host_that_the_config_refuses_is_refused_without_ssh_too(home: Path, without_openssh: None) -> None:
    write_config(home, 'Host old\n  RefuseConnection "use new instead"\nHost *\n  User me\n')
    with pytest.raises(SshUnavailable, match="use new instead"):
        resolver.resolve("old")
    assert resolver.resolve("new").username == "me"


@pytest.mark.parametrize("old", ["ChallengeResponseAuthentication", "SkeyAuthentication"])
def test_an_old_name_counts_as_the_option_without_ssh_too(
    home: Path, old: str, request: pytest.FixtureRequest
) -> None:
    write_config(home, f"Host *\n  {old} no\n  GSSAPIAuthentication no\n")
    by_ssh = resolver.resolve("gpu").preferred_authentications
    request.getfixturevalue("without_openssh")
    assert resolver.resolve("gpu").preferred_authentications == by_ssh == ("publickey", "password")


@pytest.mark.parametrize("ssh", ["with", "without"])
def test_a_control_path_is_expanded_and_used_where_ssh_would_use_it(
    home: Path, ssh: str, request: pytest.FixtureRequest
) -> None:
    """With yes and ask ssh becomes a master; autoask asks about each session."""
    if ssh == "without":
        request.getfixturevalue("without_openssh")
    write_config(
        home,
        'Host *\n  HostName gpu.example\n  Port 2222\n  User ada\n  ControlPath "~/.ssh/c m-%r@%h:%p-%n-%%"\n'
        + "".join(
            f"Host {word}\n  ControlMaster {word}\n" for word in ("yes", "no", "auto", "ask", "autoask")
        )
        + "Host jump\n  ProxyJump gate\n",
    )
    used = {word: resolver.resolve(word).control_path for word in ("plain", "no", "auto")}
    assert used == {word: f"{home}/.ssh/c m-ada@gpu.example:2222-{word}-%" for word in used}
    assert [resolver.resolve(word).control_path for word in ("yes", "ask", "autoask")] == [None] * 3
    assert (
        resolver.resolve("jump").proxy_jump[0].control_path == f"{home}/.ssh/c m-ada@gpu.example:2222-gate-%"
    )


@pytest.mark.parametrize("ssh", ["with", "without"])
@pytest.mark.parametrize("path", ["none", "None", None])
def test_without_a_control_path_there_is_no_master(
    home: Path, ssh: str, path: str | None, request: pytest.FixtureRequest
) -> None:
    if ssh == "without":
        request.getfixturevalue("without_openssh")
    line = "" if path is None else f"  ControlPath {path}\n"
    write_config(home, f"Host gpu\n  ControlMaster auto\n{line}")
    assert resolver.resolve("gpu").control_path is None


def test_the_hash_of_a_control_path_is_that_of_the_installed_ssh(home: Path) -> None:
    write_config(home, "Host *\n  ControlPath ~/.ssh/%C\n")
    command = ["ssh", "-G", "-F", f"{home}/.ssh/config", "gpu"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("controlpath "))
    path = resolver.resolve("gpu").control_path
    assert path is not None
    assert Path(path).name == Path(line.partition(" ")[2]).name


@pytest.mark.usefixtures("without_openssh")
def test_a_control_path_that_cannot_be_expanded_is_refused_without_ssh_too(home: Path) -> None:
    write_config(home, "Host gpu\n  ControlPath ~/.ssh/%Q\n")
    with pytest.raises(SshUnavailable, match="ControlPath"):
        resolver.resolve("gpu")
