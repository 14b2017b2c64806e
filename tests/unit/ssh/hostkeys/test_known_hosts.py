"""The record of host keys, beside what ssh-keygen makes of the same files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runicorn_jupyter.errors import InvalidParameters, SshUnavailable
from runicorn_jupyter.private_files import append_line, replace
from runicorn_jupyter.ssh.hostkeys import known_hosts_file, verifier
from runicorn_jupyter.ssh.hostkeys.verifier import KnownHosts, OfferedKeys
from runicorn_jupyter.ssh.wire_format import fingerprint
from tests.unit.ssh.hostkey_files import blob, certify, public, record


def test_fingerprints_are_those_of_ssh_keygen(keys: Path) -> None:
    for name in ("ed25519", "ecdsa", "rsa"):
        printed = subprocess.run(
            ["ssh-keygen", "-lf", str(keys / f"{name}.pub")], capture_output=True, text=True, check=True
        )
        assert fingerprint(blob(keys, name)) == printed.stdout.split()[1]
        assert verifier.fingerprint(certify(keys, name, "ca", "-n", "x")) == printed.stdout.split()[1]


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
        *("gpu 1024 35 1234567890", f"gpu ssh-rsa {public(keys, 'ed25519').split()[1]}", "# comment", "   "),
        f"  gpu\t{public(keys, 'ed25519')}",
    )
    assert known.lookup("gpu", blob(keys, "ed25519")).status == "known"
    skipped = [message for message in caplog.messages if "was skipped" in message]
    assert len(skipped) == 5  # as OpenSSH: what is about other hosts is not looked at
    assert "line 1 was skipped: too few fields" in skipped[0]
    caplog.clear()
    assert len(known.list()) == 1
    assert len(caplog.messages) == 6


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
        "import sys; from pathlib import Path\n"
        "from runicorn_jupyter.ssh.hostkeys.verifier import KnownHosts\n"
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
