"""Each algorithm alone, against OpenSSH's own sshd; what is not to be had is named."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import paramiko
import pytest

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.transport import key_exchange, transport
from tests.integration.ssh.test_stream import download, upload
from tests.world.connections import Connect
from tests.world.sshd import Sshd

MakeSshd = Callable[..., Sshd]
CHACHA20 = "chacha20-poly1305@openssh.com"
OURS = transport.SshTransport


def known_to_sshd(kind: str) -> set[str]:
    return set(subprocess.run(["ssh", "-Q", kind], capture_output=True, text=True, check=True).stdout.split())


def check_known(kind: str, name: str, ours: tuple[str, ...]) -> None:
    if name not in known_to_sshd(kind):
        pytest.skip(f"this OpenSSH has no {name}")
    if name not in ours:
        pytest.skip(f"paramiko {paramiko.__version__} or what is installed beside it has no {name}")


async def use(connect: Connect, server: Sshd) -> paramiko.Transport:
    connection = await connect(server)
    done = await connection.run("cat", stdin=bytes(range(256)) * 1000)
    assert done.stdout == bytes(range(256)) * 1000
    made: paramiko.Transport = connection._link.transport
    return made


@pytest.mark.parametrize("name", transport._CIPHERS)
async def test_a_server_with_one_cipher(name: str, make_sshd: MakeSshd, connect: Connect) -> None:
    check_known("cipher", name, OURS._preferred_ciphers)
    used = await use(connect, make_sshd(Ciphers=name))
    assert (used.local_cipher, used.remote_cipher) == (name, name)


@pytest.mark.parametrize(
    "name",
    ["mlkem768x25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", *key_exchange.NAMES],
)
async def test_a_server_with_one_key_exchange(name: str, make_sshd: MakeSshd, connect: Connect) -> None:
    check_known("kex", name, OURS._preferred_kex)
    await use(connect, make_sshd(KexAlgorithms=name))


@pytest.mark.parametrize("name", transport._MACS)
async def test_a_server_with_one_mac(name: str, make_sshd: MakeSshd, connect: Connect) -> None:
    used = await use(connect, make_sshd(MACs=name, Ciphers="aes128-ctr"))
    assert (used.local_mac, used.remote_mac) == (name, name)


@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", CHACHA20])
async def test_a_mac_that_is_not_to_be_had_does_not_matter_where_none_is_needed(
    cipher: str, make_sshd: MakeSshd, connect: Connect
) -> None:
    check_known("cipher", cipher, OURS._preferred_ciphers)
    await use(connect, make_sshd(MACs="umac-128-etm@openssh.com", Ciphers=cipher))


async def test_aes_gcm_stays_first(make_sshd: MakeSshd, connect: Connect) -> None:
    check_known("cipher", "aes128-gcm@openssh.com", OURS._preferred_ciphers)
    used = await use(connect, make_sshd(Ciphers=f"{CHACHA20},aes128-ctr,aes128-gcm@openssh.com"))
    assert used.remote_cipher == "aes128-gcm@openssh.com"


@pytest.mark.parametrize(
    ("options", "kind", "name"),
    [
        ({"Ciphers": "aes128-cbc,3des-cbc"}, "ciphers", "aes128-cbc, 3des-cbc"),
        ({"Ciphers": "aes128-ctr", "MACs": "umac-64@openssh.com"}, "MACs", "umac-64@openssh.com"),
        ({"KexAlgorithms": "diffie-hellman-group1-sha1"}, "key exchanges", "diffie-hellman-group1-sha1"),
    ],
    ids=str,
)
async def test_what_is_not_to_be_had_is_named(
    options: dict[str, str], kind: str, name: str, make_sshd: MakeSshd, connect: Connect
) -> None:
    with pytest.raises(SshUnavailable, match=rf"offers only {kind} .*\({re.escape(name)}\)"):
        await connect(make_sshd(**options))


async def test_without_the_extra_it_is_named(
    make_sshd: MakeSshd, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = key_exchange.NAMES[1]
    monkeypatch.setattr(OURS, "_preferred_kex", tuple(set(OURS._preferred_kex) - set(key_exchange.NAMES)))
    with pytest.raises(SshUnavailable, match=rf"{name}\); install runicorn-jupyter\[sntrup\]"):
        await connect(make_sshd(KexAlgorithms=name))


async def test_keys_are_exchanged_anew_under_load(
    make_sshd: MakeSshd, connect: Connect, peer_port: int
) -> None:
    check_known("cipher", CHACHA20, OURS._preferred_ciphers)
    connection = await connect(make_sshd(Ciphers=CHACHA20, RekeyLimit="1M"))
    first = connection._link.transport.H
    await download(connection, peer_port, 20 * 2**20)
    await upload(connection, peer_port, 20 * 2**20)
    assert first != connection._link.transport.H
