"""Host keys: the record, beside what OpenSSH's own programs make of the same files."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runicorn_jupyter.errors import HostKeyChanged, HostKeyUnknown, InvalidParameters, SshUnavailable
from runicorn_jupyter.ssh import hostkeys, known_hosts_file
from runicorn_jupyter.ssh.blob import fingerprint, is_certificate, parse_public_key, plain_blob
from runicorn_jupyter.ssh.hostcert import HostCertificate
from runicorn_jupyter.ssh.hostkeys import KnownHosts, OfferedKeys, verify
from runicorn_jupyter.ssh.hosts import Target
from runicorn_jupyter.ssh.lockedfile import append_line, replace
from tests.world.sshd import Sshd, make_key


class Client(paramiko.Transport):
    """A transport that asks for the algorithms it is told to ask for."""

    algorithms: tuple[str, ...] = ()

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        return self.algorithms or tuple(super().preferred_keys)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of key pairs: ed25519, other, ecdsa, rsa, ca, rsa_ca, ecdsa_ca."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in {
        "ed25519": "ed25519",
        "other": "ed25519",
        "ecdsa": "ecdsa",
        "rsa": "rsa",
        "ca": "ed25519",
        "rsa_ca": "rsa",
        "ecdsa_ca": "ecdsa",
    }.items():
        make_key(folder / name, *(["-b", "2048"] if kind == "rsa" else []), kind=kind)
    return folder


def public(keys: Path, name: str) -> str:
    return " ".join((keys / f"{name}.pub").read_text().split()[:2])


def blob(keys: Path, name: str) -> bytes:
    return parse_public_key(*public(keys, name).split())


def certify(keys: Path, name: str, ca: str = "ca", *options: str, host: bool = True) -> bytes:
    """Have ssh-keygen sign a key; return the certificate."""
    copy = keys / f"{name}-{time.monotonic_ns()}.pub"
    shutil.copy(keys / f"{name}.pub", copy)
    command = ["ssh-keygen", "-q", "-s", str(keys / ca), "-I", "test", *(["-h"] if host else []), *options]
    subprocess.run([*command, str(copy)], check=True, capture_output=True)
    kind, encoded = copy.with_name(f"{copy.stem}-cert.pub").read_text().split()[:2]
    return parse_public_key(kind, encoded)


def record(tmp_path: Path, *lines: str) -> KnownHosts:
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"{line}\n" for line in lines))
    return KnownHosts([path], [])


def target(tmp_path: Path, **changes: object) -> Target:
    values: dict[str, object] = {
        "asked": "gpu",
        "hostname": "gpu.example",
        "port": 22,
        "username": "alice",
        "user_known_hosts": (tmp_path / "known_hosts",),
    }
    return Target(**{**values, **changes})  # type: ignore[arg-type]


class PlainKey(paramiko.PKey):
    """A key as a transport gives it, from its wire form."""

    def __init__(self, data: bytes) -> None:
        self.public_blob = paramiko.pkey.PublicBlob("", data) if is_certificate(data) else None
        self._data = plain_blob(data) or b""

    def asbytes(self) -> bytes:
        return self._data


# -- the record


def test_fingerprints_are_those_of_ssh_keygen(keys: Path) -> None:
    for name in ("ed25519", "ecdsa", "rsa"):
        printed = subprocess.run(
            ["ssh-keygen", "-lf", str(keys / f"{name}.pub")], capture_output=True, text=True, check=True
        )
        assert fingerprint(blob(keys, name)) == printed.stdout.split()[1]
        assert hostkeys.fingerprint(certify(keys, name, "ca", "-n", "x")) == printed.stdout.split()[1]


def test_known_unknown_changed_revoked(tmp_path: Path, keys: Path) -> None:
    known = record(
        tmp_path,
        f"gpu.example,10.0.0.5 {public(keys, 'ed25519')} a comment",
        f"[gpu.example]:2222 {public(keys, 'other')}",
        f"@revoked * {public(keys, 'rsa')}",
    )
    assert known.lookup("gpu.example", blob(keys, "ed25519")).status == "known"
    assert known.lookup("GPU.Example", blob(keys, "ed25519")).status == "known"
    assert known.lookup("10.0.0.5", blob(keys, "ed25519")).status == "known"
    assert known.lookup("elsewhere", blob(keys, "ed25519")).status == "unknown"
    assert known.lookup("elsewhere", blob(keys, "rsa")).status == "revoked"
    assert known.lookup("[gpu.example]:2222", blob(keys, "other")).status == "known"
    changed = known.lookup("gpu.example", blob(keys, "ecdsa"))
    assert changed.status == "changed"
    assert changed.expected == (fingerprint(blob(keys, "ed25519")),)


def test_a_host_known_without_a_port_is_known_on_every_port(tmp_path: Path, keys: Path) -> None:
    known = record(tmp_path, f"gpu.example {public(keys, 'ed25519')}")
    assert known.lookup("[gpu.example]:2222", blob(keys, "ed25519")).status == "known"
    # Another key there is new, not changed: what is on record is about port 22.
    assert known.lookup("[gpu.example]:2222", blob(keys, "other")).status == "unknown"


def test_the_key_of_the_offered_type_is_named_first(tmp_path: Path, keys: Path) -> None:
    known = record(tmp_path, f"gpu {public(keys, 'rsa')}", f"gpu {public(keys, 'ed25519')}")
    assert known.lookup("gpu", blob(keys, "other")).expected[0] == fingerprint(blob(keys, "ed25519"))


def test_hashes_of_openssh_are_understood_and_ours_by_it(tmp_path: Path, keys: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"gpu.example {public(keys, 'ed25519')}\n[gpu.example]:2222 {public(keys, 'other')}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "gpu" not in path.read_text()
    known = KnownHosts([path], [], hash_names=True)
    assert known.lookup("gpu.example", blob(keys, "ed25519")).status == "known"
    assert known.lookup("[gpu.example]:2222", blob(keys, "other")).status == "known"
    assert known.lookup("gpu.other", blob(keys, "other")).status == "unknown"

    known.accept("new.example", 2200, public(keys, "rsa"))
    assert "new.example" not in path.read_text()
    found = subprocess.run(
        ["ssh-keygen", "-F", "[new.example]:2200", "-f", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert public(keys, "rsa") in found.stdout


def test_several_files_count(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "one").write_text(f"a {public(keys, 'ed25519')}\n")
    (tmp_path / "two").write_text(f"b {public(keys, 'other')}\n@revoked a {public(keys, 'ed25519')}\n")
    known = KnownHosts([tmp_path / "one"], [tmp_path / "two", tmp_path / "missing"])
    assert known.lookup("b", blob(keys, "other")).status == "known"
    assert known.lookup("a", blob(keys, "ed25519")).status == "revoked"


def test_lines_that_cannot_be_read_are_skipped_with_a_warning(
    tmp_path: Path, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = record(
        tmp_path,
        *("gpu ssh-ed25519", "gpu ssh-ed25519 !!!", "@unknown gpu ssh-ed25519 AAAA", "\x00\xff binary \x01"),
        *("old 1024 35 1234567890", f"gpu ssh-rsa {public(keys, 'ed25519').split()[1]}", "# comment", "   "),
        f"  gpu\t{public(keys, 'ed25519')}",
    )
    assert known.lookup("gpu", blob(keys, "ed25519")).status == "known"
    skipped = [message for message in caplog.messages if "was skipped" in message]
    assert len(skipped) == 6
    assert "line 1 was skipped: too few fields" in skipped[0]


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
        client.start_client(timeout=15)
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
        client.start_client(timeout=15)
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


# -- certificates


@pytest.mark.parametrize("ca", ["ca", "rsa_ca", "ecdsa_ca"])
@pytest.mark.parametrize("name", ["ed25519", "rsa", "ecdsa"])
def test_certificates_of_all_kinds(keys: Path, ca: str, name: str) -> None:
    certificate = HostCertificate.parse(certify(keys, name, ca, "-n", "gpu.example,*.cluster"))
    assert certificate.plain == blob(keys, name)
    assert certificate.authority == blob(keys, ca)
    assert certificate.why_not("gpu.example") is None
    assert certificate.why_not("n1.cluster") is None
    assert certificate.why_not("gpu.elsewhere") == "is for other hosts"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-n", "gpu", "-V", "20200101:20200201"], "has expired"),
        (["-n", "gpu", "-V", "+1d:+2d"], "is not valid yet"),
        ([], "names no host"),
        (["-n", "gpu", "-O", "critical:x=y"], "has critical options that are not known"),
    ],
)
def test_certificates_that_are_not_good(keys: Path, options: list[str], reason: str) -> None:
    assert HostCertificate.parse(certify(keys, "ed25519", "ca", *options)).why_not("gpu") == reason


def test_a_users_certificate_is_none_for_a_host(keys: Path) -> None:
    certificate = HostCertificate.parse(certify(keys, "ed25519", "ca", "-n", "gpu", host=False))
    assert certificate.why_not("gpu") == "is not a host certificate"


def test_sha1_signatures_are_not_believed(keys: Path) -> None:
    made = certify(keys, "ed25519", "rsa_ca", "-n", "gpu", "-t", "ssh-rsa")
    assert HostCertificate.parse(made).why_not("gpu") == "is not signed by the authority that it names"


def test_no_changed_byte_goes_unnoticed(keys: Path) -> None:
    good = certify(keys, "ed25519", "ca", "-n", "gpu")
    authority = blob(keys, "ca")
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        try:
            certificate = HostCertificate.parse(bytes(bad))
        except ValueError:
            continue
        assert certificate.authority != authority or certificate.why_not("gpu") is not None, position


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_taken_apart_or_refused(data: bytes) -> None:
    try:
        certificate = HostCertificate.parse(data)
    except ValueError:
        return
    assert certificate.why_not("gpu") is not None


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


# -- changing the record


def test_accepting_appends_and_touches_nothing_else(tmp_path: Path, keys: Path) -> None:
    path = tmp_path / "new" / "known_hosts"
    known = KnownHosts([path], [])
    known.accept("GPU.example", 22, public(keys, "ed25519"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.write_bytes(path.read_bytes() + b"\xff\xfe no newline at the end")
    known.accept("::1", 2222, public(keys, "other"))
    known.accept("::1", 2222, public(keys, "other"))
    assert path.read_bytes() == (
        f"gpu.example {public(keys, 'ed25519')}\n".encode()
        + b"\xff\xfe no newline at the end\n"
        + f"[::1]:2222 {public(keys, 'other')}\n".encode()
    )
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "bad", ["", "ssh-ed25519", "ssh-ed25519 %%%", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIA=="]
)
def test_only_public_keys_are_accepted(tmp_path: Path, bad: str) -> None:
    with pytest.raises(InvalidParameters):
        record(tmp_path).accept("gpu", 22, bad)


def test_no_file_to_write_to_says_so(tmp_path: Path, keys: Path) -> None:
    with pytest.raises(SshUnavailable, match="UserKnownHostsFile none"):
        KnownHosts([], []).accept("gpu", 22, public(keys, "ed25519"))
    (tmp_path / "file").write_text("")
    with pytest.raises(SshUnavailable, match="cannot be written"):
        KnownHosts([tmp_path / "file" / "known_hosts"], []).accept("gpu", 22, public(keys, "ed25519"))


def test_removing_does_what_ssh_keygen_does(tmp_path: Path, keys: Path) -> None:
    lines = [
        f"gpu {public(keys, 'ed25519')}",
        f"gpu,10.0.0.5 {public(keys, 'other')}",
        f"[gpu]:2222 {public(keys, 'rsa')}",
        f"@revoked gpu {public(keys, 'ecdsa')}",
        f"@cert-authority gpu {public(keys, 'ca')}",
        f"{known_hosts_file.hash_name('gpu')} {public(keys, 'ecdsa')}",
        f"{known_hosts_file.hash_name('[gpu]:2222')} {public(keys, 'ecdsa')}",
        "# gpu",
        f"gpus {public(keys, 'ed25519')}",
    ]
    for host, port in (("gpu", 22), ("GPU", 22), ("gpu", 2222), ("10.0.0.5", 22), ("none", 22)):
        known = record(tmp_path, *lines)
        theirs = tmp_path / "theirs"
        shutil.copy(tmp_path / "known_hosts", theirs)
        name = host.lower() if port == 22 else f"[{host}]:{port}"
        subprocess.run(["ssh-keygen", "-R", name, "-f", str(theirs)], check=True, capture_output=True)
        before = len((tmp_path / "known_hosts").read_text().splitlines())
        removed = known.remove(host, port)
        assert (tmp_path / "known_hosts").read_text() == theirs.read_text()
        assert before - len(theirs.read_text().splitlines()) == removed


def test_removing_keeps_lines_that_cannot_be_read(tmp_path: Path, keys: Path) -> None:
    known = record(tmp_path, "gpu nonsense", f"gpu {public(keys, 'ed25519')}", "\x0c\x1c gpu ssh-rsa")
    assert known.remove("gpu", 22) == 1
    assert (tmp_path / "known_hosts").read_text() == "gpu nonsense\n\x0c\x1c gpu ssh-rsa\n"


def test_removing_one_host_does_not_forget_a_whole_pattern(tmp_path: Path, keys: Path) -> None:
    known = record(tmp_path, f"*.cluster {public(keys, 'ed25519')}", f"*,!x {public(keys, 'other')}")
    assert known.remove("n1.cluster", 22) == 0
    assert known.lookup("n2.cluster", blob(keys, "ed25519")).status == "known"


def test_removing_keeps_mode_and_symbolic_link(tmp_path: Path, keys: Path) -> None:
    real = tmp_path / "dotfiles" / "known"
    real.parent.mkdir()
    real.write_text(f"gpu {public(keys, 'ed25519')}\nb {public(keys, 'other')}\n")
    real.chmod(0o640)
    link = tmp_path / "known_hosts"
    link.symlink_to(real)
    assert KnownHosts([link], []).remove("gpu", 22) == 1
    assert link.is_symlink()
    assert real.read_text() == f"b {public(keys, 'other')}\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert list(real.parent.iterdir()) == [real]


def test_listing_names_each_host_and_recognises_hashes(tmp_path: Path, keys: Path) -> None:
    hashed = known_hosts_file.hash_name("[secret.example]:2222")
    known = record(
        tmp_path,
        f"gpu,[10.0.0.5]:2022 {public(keys, 'ed25519')}",
        f"{hashed} {public(keys, 'other')}",
        f"@revoked bad {public(keys, 'rsa')}",
        f"@cert-authority *.cluster {public(keys, 'ca')}",
    )
    listed = known.list()
    assert [(entry.host, entry.port) for entry in listed] == [
        *(("gpu", 22), ("10.0.0.5", 2022), (hashed, 22), ("bad", 22), ("*.cluster", 22)),
    ]
    assert [entry.revoked for entry in listed] == [False, False, False, True, False]
    assert [entry.authority for entry in listed] == [False, False, False, False, True]
    assert listed[0].fingerprint_sha256 == fingerprint(blob(keys, "ed25519"))
    recognised = known.list(["gpu", "[secret.example]:2222"])
    assert (recognised[2].host, recognised[2].port) == ("secret.example", 2222)
    assert known.remove(hashed, 22) == 1


def test_writers_do_not_lose_each_others_lines(tmp_path: Path, keys: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text("".join(f"old{number} {public(keys, 'other')}\n" for number in range(20)))
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            KnownHosts([path], []).accept(f"new{number}", 22, public(keys, "ed25519"))
            assert KnownHosts([path], []).remove(f"old{number}", 22) == 1
        except Exception as exc:  # noqa: BLE001 - the main thread shall see it
            failures.append(exc)

    other = (
        "import sys; from pathlib import Path; from runicorn_jupyter.ssh.hostkeys import KnownHosts\n"
        "for n in range(20): KnownHosts([Path(sys.argv[1])], []).accept(f'other{n}', 22, sys.argv[2])"
    )
    process = subprocess.Popen([sys.executable, "-c", other, str(path), public(keys, "rsa")])
    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert process.wait(30) == 0
    assert failures == []
    names = {line.split()[0] for line in path.read_text().splitlines()}
    assert names == {f"new{n}" for n in range(20)} | {f"other{n}" for n in range(20)}


def test_a_failed_change_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    append_line(path, b"one\n")

    def fail(_: bytes) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replace(path, fail)
    with pytest.raises(TypeError):
        replace(path, lambda _: None)  # type: ignore[arg-type, return-value]
    assert path.read_bytes() == b"one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_only_what_was_offered_counts() -> None:
    offered = OfferedKeys(size=2)
    entry = {
        "host": "gpu",
        "port": 2222,
        "key_type": "ssh-ed25519",
        "fingerprint_sha256": "SHA256:x",
        "public_key": "ssh-ed25519 AAAA",
    }
    offered.remember(entry)
    assert offered.was_offered("gpu", 2222, "ssh-ed25519 AAAA")
    assert not offered.was_offered("gpu", 2222, "ssh-ed25519 AAAB")
    assert not offered.was_offered("gpu", 22, "ssh-ed25519 AAAA")
    assert not offered.was_offered("other", 2222, "ssh-ed25519 AAAA")
    offered.remember({**entry, "host": "b"})
    offered.remember({**entry, "host": "c"})
    assert not offered.was_offered("gpu", 2222, "ssh-ed25519 AAAA")
    assert offered.was_offered("c", 2222, "ssh-ed25519 AAAA")


@given(st.text(max_size=120))
@settings(deadline=None)
def test_any_line_is_read_or_refused(text: str) -> None:
    try:
        entry = known_hosts_file.parse_line(text)
    except ValueError:
        return
    if entry is not None:
        entry.matches("gpu")


@given(st.text(max_size=60), st.text(max_size=60))
@settings(deadline=None)
def test_any_name_is_compared(name: str, names: str) -> None:
    known_hosts_file.name_matches(name, names)
    known_hosts_file.name_matches(name, f"|1|{names}")
