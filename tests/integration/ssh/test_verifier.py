"""Host keys: what is trusted, beside what OpenSSH's client decides on the same files."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from runicorn_jupyter.errors import HostKeyChanged, HostKeyUnknown, SshUnavailable
from runicorn_jupyter.ssh.hostkeys.verifier import verify
from runicorn_jupyter.ssh.wire_format import fingerprint
from tests.unit.ssh.hostkey_files import Client, PlainKey, blob, public, record, target
from tests.world.sshd import Sshd

# -- as ssh itself decides

SERVED = "[127.0.0.1]:{port}"


@pytest.fixture(scope="module")
def many_keys(tmp_path_factory: pytest.TempPathFactory, keys: Path, _sshd_program: str) -> Iterator[Sshd]:
    """An sshd with three host keys, one of them certified for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("many")
    for name in ("ed25519", "ecdsa", "rsa"):
        shutil.copy(keys / name, folder / name)
        shutil.copy(keys / f"{name}.pub", folder / f"{name}.pub")
    ca = str(keys / "ca")
    command = ["ssh-keygen", "-q", "-s", ca, "-I", "host", "-h", "-n", "127.0.0.1,gpu.cluster"]
    subprocess.run([*command, str(folder / "ed25519.pub")], check=True, capture_output=True)
    root = tmp_path_factory.mktemp("sshd")
    server = Sshd(
        root,
        HostKey=[str(folder / name) for name in ("ed25519", "ecdsa", "rsa")],
        HostCertificate=str(folder / "ed25519-cert.pub"),
    )
    try:
        yield server.start()
    finally:
        server.close()


def offered_key(server: Sshd, algorithms: list[str]) -> paramiko.PKey:
    client = Client(socket.create_connection((server.host, server.port)))
    client.algorithms = tuple(algorithms)
    try:
        client.start_client(timeout=60)
        return client.get_remote_server_key()
    finally:
        client.close()
        client.join(15)


def ssh_decides(server: Sshd, known_hosts: Path, *options: str) -> bool:
    """Whether OpenSSH's client would go on to authenticate."""
    command = [
        "ssh",
        "-F",
        "none",
        "-o",
        f"UserKnownHostsFile={known_hosts}",
        "-o",
        "GlobalKnownHostsFile=none",
    ]
    command += ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "UpdateHostKeys=no", *options]
    command += ["-i", str(server.key_path), "-p", str(server.port), f"{server.user}@{server.host}", "true"]
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0


RECORDS = {
    "nothing": ([], False),
    "the key": (["{served} {ed25519}"], True),
    "the key without its port": (["127.0.0.1 {ed25519}"], True),
    "another key": (["{served} {other}"], False),
    "another key and the key": (["{served} {other}", "{served} {ed25519}"], True),
    "only the rsa key": (["{served} {rsa}"], True),
    "only the ecdsa key": (["{served} {ecdsa}"], True),
    "a pattern": (["[127.0.0.?]:* {ecdsa}"], True),
    "a star that does not cover the port": (["127.0.0.1* {ecdsa}"], False),
    "a pattern with an exception": (["*,!{served} {ecdsa}"], False),
    "the key, revoked elsewhere": (["{served} {ed25519}", "@revoked * {ed25519}"], False),
    "the authority": (["@cert-authority * {ca}"], True),
    "the authority for other hosts": (["@cert-authority *.example {ca}"], False),
    "another authority": (["@cert-authority * {rsa_ca}"], False),
    "another authority and the key": (["@cert-authority * {rsa_ca}", "{served} {ed25519}"], True),
    "the authority, revoked": (["@cert-authority * {ca}", "@revoked * {ca}"], False),
    "the authority and the key revoked": (["@cert-authority * {ca}", "@revoked * {ed25519}"], False),
    "the authority as if it were a key": (["{served} {ca}"], False),
    "the authority and an old key": (["{served} {other}", "@cert-authority * {ca}"], True),
    "an unknown marker": (["@trusted {served} {ed25519}"], False),
}


@pytest.mark.parametrize("case", RECORDS)
def test_we_decide_as_ssh_does(case: str, tmp_path: Path, keys: Path, many_keys: Sshd) -> None:
    lines, trusted = RECORDS[case]
    names = {name: public(keys, name) for name in ("ed25519", "other", "ecdsa", "rsa", "ca", "rsa_ca")}
    names["served"] = SERVED.format(port=many_keys.port)
    known = record(tmp_path, *(line.format(**names) for line in lines))
    where = target(tmp_path, hostname=many_keys.host, port=many_keys.port)
    assert ssh_decides(many_keys, tmp_path / "known_hosts") == trusted
    key = offered_key(many_keys, known.preferred_key_types(where.known_hosts_name))
    if trusted:
        verify(where, key, "strict")
    else:
        with pytest.raises((HostKeyUnknown, HostKeyChanged)):
            verify(where, key, "ask")


@pytest.mark.parametrize(("alias", "trusted"), [("gpu.cluster", True), ("login.cluster", False)])
def test_a_certificate_is_for_the_alias(
    alias: str, trusted: bool, tmp_path: Path, keys: Path, many_keys: Sshd
) -> None:
    known = record(tmp_path, f"@cert-authority *.cluster {public(keys, 'ca')}")
    assert ssh_decides(many_keys, tmp_path / "known_hosts", "-o", f"HostKeyAlias={alias}") == trusted
    where = target(tmp_path, hostname=many_keys.host, port=many_keys.port, host_key_alias=alias)
    assert where.known_hosts_name == alias
    key = offered_key(many_keys, known.preferred_key_types(alias))
    if trusted:
        verify(where, key, "strict")
    else:
        with pytest.raises(HostKeyUnknown, match="certificate is for other hosts"):
            verify(where, key, "ask")


def test_the_type_on_record_is_asked_for(tmp_path: Path, keys: Path, many_keys: Sshd) -> None:
    name = SERVED.format(port=many_keys.port)
    for kind, first in {
        "rsa": "rsa-sha2-512",
        "ecdsa": "ecdsa-sha2-nistp256",
        "ed25519": "ssh-ed25519",
    }.items():
        types = record(tmp_path, f"{name} {public(keys, kind)}").preferred_key_types(name)
        assert types[0] == first
        assert offered_key(many_keys, types).asbytes() == blob(keys, kind)
    assert record(tmp_path).preferred_key_types(name)[0] == "ssh-ed25519"


def test_nothing_of_authentication_is_sent_to_a_host_that_changed(
    tmp_path: Path, make_sshd: Callable[..., Sshd], keys: Path
) -> None:
    server = make_sshd(LogLevel="DEBUG2")
    record(tmp_path, f"[{server.host}]:{server.port} {public(keys, 'other')}")
    where = target(tmp_path, hostname=server.host, port=server.port, username=server.user)
    client = Client(socket.create_connection((server.host, server.port)))
    try:
        client.start_client(timeout=60)
        with pytest.raises(HostKeyChanged) as refused:
            verify(where, client.get_remote_server_key(), "accept-new")
    finally:
        client.close()
        client.join(15)
    server.wait_log("do_cleanup")
    assert "userauth" not in server.log
    offered = refused.value.details["host_key"]
    assert offered["host"] == "gpu"
    assert offered["port"] == server.port
    assert offered["public_key"] == server.host_key
    assert offered["expected_fingerprint_sha256"] == fingerprint(blob(keys, "other"))
    assert offered["fingerprint_sha256"] in refused.value.message
    assert offered["expected_fingerprint_sha256"] in refused.value.message


# -- policies


def test_what_becomes_of_an_unknown_key(tmp_path: Path, keys: Path) -> None:
    key = PlainKey(blob(keys, "ed25519"))
    for policy, config, added in [
        ("ask", "ask", False),
        ("ask", "yes", False),
        ("ask", "accept-new", True),
        ("ask", "no", True),
        ("accept-new", "ask", True),
        ("accept-new", "yes", False),
        ("strict", "no", False),
    ]:
        path = tmp_path / "known_hosts"
        path.unlink(missing_ok=True)
        where = target(tmp_path, strict_host_key_checking=config, port=2222)
        if added:
            verify(where, key, policy)  # type: ignore[arg-type]
            assert path.read_text() == f"[gpu.example]:2222 {public(keys, 'ed25519')}\n"
            verify(where, key, "strict")
        else:
            with pytest.raises(HostKeyUnknown) as refused:
                verify(where, key, policy)  # type: ignore[arg-type]
            assert not path.exists()
            assert refused.value.details["host_key"]["public_key"] == public(keys, "ed25519")


def test_even_a_config_that_never_checks_does_not_let_a_changed_key_pass(tmp_path: Path, keys: Path) -> None:
    record(tmp_path, f"gpu.example {public(keys, 'other')}")
    with pytest.raises(HostKeyChanged):
        verify(target(tmp_path, strict_host_key_checking="no"), PlainKey(blob(keys, "ed25519")), "ask")


def test_known_hosts_that_go_nowhere_work(tmp_path: Path, keys: Path) -> None:
    where = target(tmp_path, strict_host_key_checking="no", user_known_hosts=(Path("/dev/null"),))
    verify(where, PlainKey(blob(keys, "ed25519")), "ask")
    verify(where, PlainKey(blob(keys, "other")), "ask")


@pytest.mark.parametrize("form", ["list", "krl"])
def test_revoked_host_keys_of_the_config(tmp_path: Path, keys: Path, form: str) -> None:
    record(tmp_path, f"gpu.example {public(keys, 'ed25519')}")
    revoked = tmp_path / "revoked"
    if form == "list":
        revoked.write_text(f"# bad ones\n{public(keys, 'other')}\n")
    else:
        command = ["ssh-keygen", "-q", "-k", "-f", str(revoked), str(keys / "other.pub")]
        subprocess.run(command, check=True, capture_output=True)
    where = target(tmp_path, revoked_host_keys=(revoked,))
    verify(where, PlainKey(blob(keys, "ed25519")), "strict")
    with pytest.raises(HostKeyChanged, match="revoked"):
        verify(where, PlainKey(blob(keys, "other")), "accept-new")
    with pytest.raises(SshUnavailable, match="cannot be read"):
        verify(
            target(tmp_path, revoked_host_keys=(tmp_path / "missing",)),
            PlainKey(blob(keys, "ed25519")),
            "ask",
        )
