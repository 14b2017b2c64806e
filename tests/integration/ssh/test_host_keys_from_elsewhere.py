"""Host keys of other sources than files: a program (KnownHostsCommand), the host itself (UpdateHostKeys)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.errors import HostKeyChanged, HostKeyUnknown, SshUnavailable
from runicorn_jupyter.ssh.config import resolver
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.hostkeys.known_hosts_command import KnownHostsCommand
from runicorn_jupyter.ssh.hostkeys.known_hosts_file import entries_of, hash_name
from runicorn_jupyter.ssh.hostkeys.rotation import HostKeyUpdate, compare
from runicorn_jupyter.ssh.hostkeys.verifier import verify
from tests.unit.ssh.hostkey_files import PlainKey, blob, public, record, target
from tests.world.connections import Connect, target_of
from tests.world.sshd import Sshd

SECONDS = 60


@pytest.fixture(scope="module")
def three_keys(tmp_path_factory: pytest.TempPathFactory, keys: Path, _sshd_program: str) -> Iterator[Sshd]:
    """An sshd with three host keys."""
    names = ("ed25519", "ecdsa", "rsa")
    server = Sshd(tmp_path_factory.mktemp("sshd"), HostKey=[str(keys / name) for name in names])
    try:
        yield server.start()
    finally:
        server.close()


def name_of(server: Sshd) -> str:
    return f"[{server.host}]:{server.port}"


def run_ssh(server: Sshd, known_hosts: Path, *options: str) -> int:
    """Run OpenSSH's client against a server and return its status."""
    command = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "BatchMode=yes"]
    command += ["-o", "GlobalKnownHostsFile=none", *(word for option in options for word in ("-o", option))]
    command += [
        "-i",
        str(server.key_path),
        "-p",
        str(server.port),
        f"{server.user}@{server.host}",
        "sleep 0.3",
    ]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode


# -- KnownHostsCommand


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Make a program of a shell script; it finds its folder as ``$here``."""

    def make(script: str) -> str:
        path = tmp_path / "keys-of"
        path.write_text(f'#!/bin/sh\nhere="{tmp_path}"\n{script}\n')
        path.chmod(0o755)
        return str(path)

    return make


def asking(server: Sshd, text: str) -> dict[str, Any]:
    """Fields of a target whose only source of host keys is a command."""
    tokens = (("h", server.host), ("n", server.host), ("p", str(server.port)), ("r", server.user))
    return {
        "known_hosts_command": KnownHostsCommand(text, tokens),
        "user_known_hosts": (),
        "host_key_alias": None,
    }


async def test_it_is_asked_as_ssh_asks_and_believed(
    sshd: Sshd,
    connect: Connect,
    program: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REALM", "lab %h")
    script = program(
        'for word; do printf "<%s>" "$word"; done >>"$here/asked"; echo >>"$here/asked"; cat "$here/known"'
    )
    text = f"{script} %H %I %t %f %K %h:%p '%r  %%' ${{REALM}} \"# no comment\""
    (tmp_path / "known").write_text(f"{name_of(sshd)} {sshd.host_key}\nelsewhere unreadable\n")
    assert run_ssh(sshd, Path("/dev/null"), f"KnownHostsCommand={text}", "StrictHostKeyChecking=yes") == 0
    # OpenSSH before 10 leaves the port out where it asks for the order.
    asked = (tmp_path / "asked").read_text().replace(f"<{sshd.host}><ORDER>", f"<{name_of(sshd)}><ORDER>")
    assert asked.count("\n") == 2
    (tmp_path / "asked").unlink()
    await connect(sshd, **asking(sshd, text), strict_host_key_checking="yes")
    assert (tmp_path / "asked").read_text() == asked
    (tmp_path / "known").write_text(f"@revoked * {sshd.host_key}\n")
    with pytest.raises(HostKeyChanged, match="revoked"):
        await connect(sshd, **asking(sshd, text))
    (tmp_path / "known").write_text("")
    with pytest.raises(HostKeyUnknown):
        await connect(sshd, **asking(sshd, text))


@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 3", "failed with status 3"), ("exec yes", "prints without end"), ("kill -9 $$", "failed with")],
)
async def test_a_program_that_fails_ends_it(
    sshd: Sshd, connect: Connect, program: Callable[[str], str], script: str, message: str
) -> None:
    with pytest.raises(SshUnavailable, match=message):
        await connect(sshd, **asking(sshd, program(script)))


async def test_what_is_no_program_says_nothing(sshd: Sshd, connect: Connect, tmp_path: Path) -> None:
    for text in ("keys-of", "/no/such/program", str(tmp_path)):
        assert (
            run_ssh(sshd, Path("/dev/null"), f"KnownHostsCommand={text}", "StrictHostKeyChecking=yes") == 255
        )
        with pytest.raises(HostKeyUnknown):
            await connect(sshd, **asking(sshd, text))
    for text in ("/bin/echo %Z", "/bin/echo 'open", "/bin/echo ${NO_SUCH_VARIABLE_HERE}"):
        with pytest.raises(SshUnavailable, match="KnownHostsCommand of the ssh config cannot be used"):
            await connect(sshd, **asking(sshd, text))


async def test_a_program_that_hangs_ends_with_the_attempt(
    sshd: Sshd, connect: Connect, program: Callable[[str], str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    script = program('echo $$ >"$here/fifo"; sleep 600')
    attempt = asyncio.create_task(connect(sshd, **asking(sshd, script), timeout=600))
    pid = await asyncio.to_thread((tmp_path / "fifo").read_text)
    attempt.cancel()
    await asyncio.wait([attempt])
    assert not Path(f"/proc/{pid.strip()}").exists()


def test_an_administrator_switches_it_off(home: Path) -> None:
    (home / ".ssh" / "config").write_text("Host x\n  KnownHostsCommand /bin/true %H\n")
    told = resolver.resolve("x").known_hosts_command
    assert told is not None
    assert told.arguments("[x]:7", "ORDER") == ["/bin/true", "[x]:7"]
    without = resolver.resolve("x", run_commands=False)
    assert without.known_hosts_command is None
    assert "KnownHostsCommand" in without.notes[0]


# -- addresses


async def test_this_machine_needs_no_key_if_the_config_says_so(
    sshd: Sshd, connect: Connect, tmp_path: Path, keys: Path
) -> None:
    record(tmp_path, f"{name_of(sshd)} {public(keys, 'other')}")
    files = {"user_known_hosts": (tmp_path / "known_hosts",), "host_key_alias": None}
    options = ["NoHostAuthenticationForLocalhost=yes", "StrictHostKeyChecking=yes"]
    assert run_ssh(sshd, tmp_path / "known_hosts", *options) == 0
    with pytest.raises(HostKeyChanged):
        await connect(sshd, **files)
    await connect(sshd, **files, no_host_authentication_for_localhost=True)
    alias = {**files, "host_key_alias": name_of(sshd)}
    with pytest.raises(HostKeyChanged):  # an alias is a name of its own
        await connect(sshd, **alias, no_host_authentication_for_localhost=True)
    where = target_of(sshd, **files, no_host_authentication_for_localhost=True)
    key = PlainKey(blob(keys, "ed25519"))
    verify(where, key, "ask", address="::1")
    for policy, address in (("strict", "127.0.0.1"), ("ask", "192.0.2.1"), ("ask", None)):
        with pytest.raises(HostKeyChanged):
            verify(where, key, policy, address=address)  # type: ignore[arg-type]


def test_the_address_is_checked_and_recorded_where_the_config_wants_it(tmp_path: Path, keys: Path) -> None:
    known = record(tmp_path, f"gpu.example {public(keys, 'ed25519')}")
    key = PlainKey(blob(keys, "ed25519"))
    where = target(tmp_path, check_host_ip=True)
    verify(where, key, "strict", address="127.0.0.1")  # several machines are that
    verify(target(tmp_path), key, "strict", address="192.0.2.1")
    assert len(known.user_entries()) == 1
    verify(where, key, "strict", address="192.0.2.1")
    assert [entry.names for entry in known.user_entries()] == ["gpu.example", "192.0.2.1"]
    record(tmp_path, f"gpu.example {public(keys, 'ed25519')}", f"192.0.2.1 {public(keys, 'other')}")
    with pytest.raises(HostKeyChanged, match=r"for its address 192\.0\.2\.1"):
        verify(where, key, "ask", address="192.0.2.1")


# -- UpdateHostKeys

NAMES = ("ed25519", "ecdsa", "rsa")
LEARNING = {
    "one of three": ["{served} {ed25519}"],
    "one, and one that it has no more": [
        "other.example {ca}",
        "# mine",
        "{served} {other}",
        "{served} {ed25519}",
    ],
    "all, and one that it has no more": [*(f"{{served}} {{{name}}}" for name in NAMES), "{served} {other}"],
    "with another name beside": ["{served},192.0.2.7 {ed25519}"],
    "hashed": ["{hashed} {ed25519}"],
    "a pattern": ["[127.0.0.?]:* {ed25519}"],
    "many names": ["{served},a,b {ed25519}"],
    "known by another name": ["{served} {ed25519}", "other.example {rsa}"],
    "an old key that has another name": ["{served} {ed25519}", "{served} {other}", "other.example {other}"],
    "an authority beside": ["{served} {ed25519}", "@cert-authority *:{port} {ca}"],
}


async def settle(connection: Connection) -> None:
    """Wait until nothing of host keys is under way: what the server told, and what it answered, has come."""
    for _ in range(2):
        await connection.ping()
        for thread in threading.enumerate():
            if thread.name == "ssh-host-keys" and thread.is_alive():  # not one that is just being started
                await asyncio.to_thread(thread.join, SECONDS)


@pytest.mark.parametrize("case", LEARNING)
async def test_we_learn_what_ssh_learns(
    case: str, tmp_path: Path, keys: Path, three_keys: Sshd, connect: Connect
) -> None:
    names = {name: public(keys, name) for name in (*NAMES, "other", "ca")}
    served = name_of(three_keys)
    words = {**names, "served": served, "port": three_keys.port, "hashed": hash_name(served)}
    record(tmp_path, *(line.format(**words) for line in LEARNING[case]))
    ours, theirs = tmp_path / "known_hosts", tmp_path / "of_ssh"
    theirs.write_text(ours.read_text())
    assert run_ssh(three_keys, theirs, "UpdateHostKeys=yes", "StrictHostKeyChecking=yes") == 0
    where: dict[str, Any] = {"user_known_hosts": (ours,), "host_key_alias": None, "update_host_keys": True}
    await settle(await connect(three_keys, **where))
    assert ours.read_text().splitlines() == theirs.read_text().splitlines()
    await settle(await connect(three_keys, **where))
    assert ours.read_text().splitlines() == theirs.read_text().splitlines()


async def test_a_new_name_is_hashed_and_every_file_is_put_right(
    tmp_path: Path, keys: Path, three_keys: Sshd, connect: Connect
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.write_text(f"{name_of(three_keys)} {public(keys, 'ed25519')}\nb.example {public(keys, 'ca')}\n")
    connection = await connect(
        three_keys,
        user_known_hosts=(first, second),
        host_key_alias=None,
        update_host_keys=True,
        hash_known_hosts=True,
    )
    await settle(connection)
    entries = entries_of(first.read_bytes(), first)
    assert [entry.blob for entry in entries] == [blob(keys, name) for name in NAMES]
    assert all(entry.names.startswith("|1|") and entry.matches(name_of(three_keys)) for entry in entries)
    assert first.stat().st_mode & 0o777 == 0o600
    assert second.read_text() == f"b.example {public(keys, 'ca')}\n"


@pytest.mark.parametrize("answer", ["none", "nothing", "another's", "of another session"])
def test_a_server_that_cannot_prove_it_teaches_nothing(
    answer: str, tmp_path: Path, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(tmp_path, f"gpu.example {public(keys, 'ed25519')}")
    before = (tmp_path / "known_hosts").read_text()
    server = Liar(keys, answer)
    HostKeyUpdate(target(tmp_path), blob(keys, "ed25519"), server).listen()  # type: ignore[arg-type]
    assert server.asked.wait(SECONDS)
    for thread in threading.enumerate():
        if thread.name == "ssh-host-keys":
            thread.join(SECONDS)
    assert (tmp_path / "known_hosts").read_text() == before
    assert "does not prove" in caplog.text or "cut short" in caplog.text


class Liar:
    """The transport of a server that says it has a key which is somebody else's: no sshd can be made to."""

    session_id = b"\1" * 32

    def __init__(self, keys: Path, answer: str) -> None:
        import paramiko

        self.asked = threading.Event()
        self._offered = [blob(keys, "ed25519"), blob(keys, "ecdsa")]
        signer = paramiko.PKey.from_path(keys / ("other" if answer == "another's" else "ecdsa"))
        kind = b"hostkeys-prove-00@openssh.com"
        session = b"\2" * 32 if answer == "of another session" else self.session_id
        signed = b"".join(len(part).to_bytes(4, "big") + part for part in (kind, session, self._offered[1]))
        signature = signer.sign_ssh_data(signed).asbytes()
        whole = len(signature).to_bytes(4, "big") + signature
        self._answer = {"none": None, "nothing": b""}.get(answer, whole)

    def hear_host_keys(self, hear: Callable[[list[bytes]], None]) -> None:
        hear(self._offered)

    def ask_for(self, kind: str, body: bytes, answered: Callable[[bytes | None], None]) -> None:
        answered(self._answer)
        self.asked.set()


def test_nobody_teaches_who_is_not_on_record(keys: Path) -> None:
    lines = f"gpu {public(keys, 'ed25519')}\n".encode()
    entries = entries_of(lines, "test")
    offered = [blob(keys, name) for name in NAMES]
    assert compare(entries, "gpu", blob(keys, "ed25519"), offered) is not None
    assert compare(entries, "gpu", blob(keys, "ecdsa"), offered) is None
    assert compare(entries, "gpu", blob(keys, "ed25519"), [offered[0], offered[0]]) is None
    # What nobody here can check counts neither as there nor as gone.
    assert compare(entries, "gpu", blob(keys, "ed25519"), [offered[0], b"\0\0\0\7ssh-dss"]) is None
