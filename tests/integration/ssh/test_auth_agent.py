"""Authentication by what an agent holds, and by certificates."""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runicorn_jupyter.errors import (
    AuthenticationFailed,
)
from runicorn_jupyter.ssh.auth.agent import AgentClient, AgentUnavailable
from runicorn_jupyter.ssh.auth.authentication import Credentials, check_private_key
from runicorn_jupyter.ssh.auth.keyfile import KeyFile
from runicorn_jupyter.ssh.wire_format import string
from tests.integration.ssh.people import (
    BITS,
    Person,
    authorize,
    key_only,
    log_in,
)
from tests.world.sshd import Sshd, make_key

pytestmark = pytest.mark.usefixtures("no_agent")


def test_the_agent_of_the_environment_and_of_the_config(
    sshd: Sshd, agent: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent(sshd.key_path)
    log_in(sshd, Credentials("agent"))
    log_in(sshd, Credentials())
    monkeypatch.delenv("SSH_AUTH_SOCK")
    log_in(sshd, Credentials("agent"), identity_agent=path)
    with pytest.raises(AuthenticationFailed, match="SSH_AUTH_SOCK"):
        log_in(sshd, Credentials("agent"))
    with pytest.raises(AuthenticationFailed, match="IdentityAgent none"):
        log_in(sshd, Credentials("agent"), identity_agent="none")
    with pytest.raises(AuthenticationFailed, match="Nothing answers"):
        log_in(sshd, Credentials("agent"), identity_agent="/nowhere/agent")


def test_identities_only_leaves_the_agents_other_keys_alone(
    tmp_path: Path, own_sshd: Sshd, agent: Callable[..., str]
) -> None:
    others = [make_key(tmp_path / f"other{number}") for number in range(3)]
    mine = make_key(tmp_path / "mine")
    authorize(own_sshd, mine)
    agent(*others, mine)
    public = tmp_path / "mine.pub"
    mine.unlink()  # the private half is in the agent only
    for files in ((mine,), (public,)):
        before = own_sshd.log.count("Failed publickey")
        log_in(own_sshd, Credentials(), identity_files=files, identities_only=True)
        assert own_sshd.log.count("Failed publickey") == before
    with pytest.raises(AuthenticationFailed):
        log_in(own_sshd, Credentials(), identity_files=(others[0],), identities_only=True)


def test_the_agent_saves_the_passphrase(tmp_path: Path, own_sshd: Sshd, agent: Callable[..., str]) -> None:
    key = make_key(tmp_path / "key")
    agent(key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "later", "-P", "", "-f", str(key)], check=True, capture_output=True
    )
    authorize(own_sshd, key)
    log_in(own_sshd, key_only(key), Person())


def test_a_locked_agent_or_one_that_refuses(
    tmp_path: Path, own_sshd: Sshd, agent: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path / "key")
    authorize(own_sshd, key)
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    monkeypatch.setenv("DISPLAY", ":0")
    agent(key, options=["-c"])  # asks for confirmation, which nothing gives
    with pytest.raises(AuthenticationFailed, match="refused to sign"):
        log_in(own_sshd, Credentials("agent"))
    log_in(own_sshd, Credentials(), identity_files=(key,))  # the file still can


def test_what_answers_at_the_socket_may_be_anything(tmp_path: Path) -> None:
    path = str(tmp_path / "not-an-agent")
    for answer in (
        b"",
        b"\0\0",
        b"\xff" * 64,
        b"\0\0\0\1\x05",
        b"\0\0\0\5\x0c\xff\xff\xff\xff",
        b"HTTP/1.1 400\r\n",
    ):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def serve(listener: socket.socket = listener, answer: bytes = answer) -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(64)
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            with AgentClient(path) as client, pytest.raises(AgentUnavailable):
                client.identities()
            thread.join(15)
        Path(path).unlink()


def test_keys_on_tokens_name_the_agent_as_the_way_round(tmp_path: Path, sshd: Sshd) -> None:
    # An sk- key as ssh-keygen writes it: making a real one takes a token and a touch.
    kind = "sk-ssh-ed25519@openssh.com"
    blob = string(kind) + string(b"\1" * 32) + string("ssh:")
    body = b"openssh-key-v1\0" + string("none") + string("none") + string("") + (1).to_bytes(4, "big")
    body += string(blob) + string(b"\0" * 64)
    key = tmp_path / "id_ed25519_sk"
    text = base64.b64encode(body).decode()
    key.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}\n-----END OPENSSH PRIVATE KEY-----\n")
    assert KeyFile.read(key).on_token
    check_private_key(key_only(key))
    for credentials, files in ((key_only(key), ()), (Credentials(), (key,))):
        with pytest.raises(AuthenticationFailed) as refused:
            log_in(sshd, credentials, identity_files=files)
        assert "FIDO" in refused.value.message
        assert "agent" in refused.value.message


def test_keys_on_smart_cards_name_the_agent_as_the_way_round(sshd: Sshd, no_agent: None) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(sshd, Credentials(), pkcs11_provider="/usr/lib/opensc-pkcs11.so")
    assert "ssh-add -s /usr/lib/opensc-pkcs11.so" in refused.value.message


# -- certificates


def certify(ca: Path, key: Path, user: str) -> Path:
    command = ["ssh-keygen", "-q", "-s", str(ca), "-I", "test", "-n", user, str(key) + ".pub"]
    subprocess.run(command, check=True, capture_output=True)
    return key.with_name(f"{key.name}-cert.pub")


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_certificates(
    tmp_path: Path, make_sshd: Callable[..., Sshd], kind: str, agent: Callable[..., str]
) -> None:
    ca = make_key(tmp_path / "ca")
    key = make_key(tmp_path / "key", *BITS[kind], kind=kind)
    server = make_sshd(TrustedUserCAKeys=str(ca) + ".pub")
    certificate = certify(ca, key, server.user)
    log_in(server, key_only(key))
    log_in(server, Credentials(), identity_files=(key,))
    # Named by the config, in another place; and the key in the agent only.
    elsewhere = tmp_path / "certificates" / "mine.pub"
    elsewhere.parent.mkdir()
    certificate.rename(elsewhere)
    with pytest.raises(AuthenticationFailed):
        log_in(server, key_only(key))
    log_in(server, key_only(key), certificate_files=(elsewhere,))
    agent(key)
    key.rename(tmp_path / "gone")
    log_in(server, Credentials(), certificate_files=(elsewhere,))
    assert "Accepted publickey" in server.log
    assert "CA ED25519" in server.log


def test_a_certificate_that_is_in_the_agent(
    tmp_path: Path, make_sshd: Callable[..., Sshd], agent: Callable[..., str]
) -> None:
    ca = make_key(tmp_path / "ca")
    server = make_sshd(TrustedUserCAKeys=str(ca) + ".pub")
    for kind in ("ed25519", "rsa"):
        key = make_key(tmp_path / kind, *BITS[kind], kind=kind)
        certify(ca, key, server.user)
        agent(key)
        for path in tmp_path.glob(f"{kind}*"):
            path.unlink()
        log_in(server, Credentials("agent"))
        subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)
