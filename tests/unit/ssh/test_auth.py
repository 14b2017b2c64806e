"""Authentication in ssh's order, against real sshds, agents, keys and certificates."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keyring
import keyring.backends.fail
import keyring.errors
import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from pydantic import SecretStr

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    ConnectionTimeout,
    InvalidParameters,
    RemoteError,
    SshUnavailable,
)
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.agent import AgentClient, AgentUnavailable
from runicorn_jupyter.ssh.auth import Ask, Credentials, authenticate, check_private_key
from runicorn_jupyter.ssh.blob import string
from runicorn_jupyter.ssh.hosts import Target
from runicorn_jupyter.ssh.keyfile import KeyFile, KeyFileError, WrongPassphrase
from runicorn_jupyter.ssh.keyring_memory import KeyringMemory, load_keyring
from tests.unit.ssh.scripted import Script, expired_password, scripted
from tests.world.sshd import Sshd, can_relocate, make_key

needs_shadow = pytest.mark.skipif(not can_relocate(), reason="needs root for a private password file")
WRONG = SecretStr("wr0ng-s3cret")
RIGHT = SecretStr("r1ght-s3cret")
BITS = {"ed25519": (), "ecdsa": (), "rsa": ("-b", "2048")}  # smaller ones are faster to make


class Person:
    """Answers questions, and remembers them."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, instruction: str, prompts: Sequence[Prompt]) -> list[SecretStr]:
        self.asked.append((instruction, [prompt.text for prompt in prompts]))
        given = []
        for _ in prompts:
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            given.append(SecretStr(answer))
        return given


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A real ssh-agent; call it with keys to add, or with nothing for its socket."""
    path = str(tmp_path / "agent.sock")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it listens now

    def add(*keys: Path, options: Sequence[str] = ()) -> str:
        for key in keys:
            command = ["ssh-add", "-q", *options, str(key)]
            subprocess.run(
                command, check=True, env={**os.environ, "SSH_AUTH_SOCK": path}, capture_output=True
            )
        return path

    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    try:
        yield add
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()


@contextlib.contextmanager
def connected(sock: socket.socket) -> Iterator[paramiko.Transport]:
    transport = paramiko.Transport(sock)
    try:
        transport.start_client(timeout=15)
        yield transport
    finally:
        transport.close()
        transport.join(15)


def log_in(
    server: Sshd | Callable[[], socket.socket],
    credentials: Credentials,
    ask: Ask | None = None,
    **changes: object,
) -> None:
    """Authenticate once; returns if the server let us in."""
    is_sshd = isinstance(server, Sshd)
    values: dict[str, object] = {
        "asked": "gpu",
        "hostname": "127.0.0.1",
        "port": server.port if is_sshd else 22,
        "username": server.user if is_sshd else "alice",
        **changes,
    }
    sock = socket.create_connection((server.host, server.port)) if is_sshd else server()
    with connected(sock) as transport:
        authenticate(transport, Target(**values), credentials, ask)  # type: ignore[arg-type]
        assert transport.is_authenticated()


def key_only(path: Path, **changes: object) -> Credentials:
    return Credentials("key", private_key_path=path, **changes)  # type: ignore[arg-type]


def authorize(server: Sshd, *keys: Path, options: str = "") -> None:
    """Let keys in besides the server's own."""
    with server.authorized_keys.open("a") as file:
        for key in keys:
            file.write(options + key.with_name(key.name + ".pub").read_text())


@pytest.fixture(scope="module")
def own_sshd(tmp_path_factory: pytest.TempPathFactory, _sshd_program: str) -> Iterator[Sshd]:
    """An sshd whose authorized keys this module's tests add to."""
    server = Sshd(tmp_path_factory.mktemp("own-sshd"), MaxAuthTries=20)
    try:
        yield server.start()
    finally:
        server.close()


# -- keys


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ed25519", []),
        ("rsa", ["-b", "2048"]),
        ("rsa", ["-b", "2048", "-m", "PEM"]),
        ("rsa", ["-b", "2048", "-m", "PKCS8"]),
        ("ecdsa", []),
        ("ecdsa", ["-b", "384"]),
        ("ecdsa", ["-b", "521", "-m", "PEM"]),
    ],
)
@pytest.mark.parametrize("passphrase", ["", "pass phrase ü"])
def test_keys_of_all_kinds(
    tmp_path: Path, own_sshd: Sshd, kind: str, options: list[str], passphrase: str
) -> None:
    key = make_key(tmp_path / "key", *options, kind=kind, passphrase=passphrase)
    authorize(own_sshd, key)
    log_in(own_sshd, key_only(key, key_passphrase=SecretStr(passphrase) if passphrase else None))


@pytest.mark.parametrize("cipher", ["aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com"])
def test_ciphers_of_encrypted_keys(tmp_path: Path, cipher: str) -> None:
    key = KeyFile.read(make_key(tmp_path / "key", "-Z", cipher, "-a", "1", passphrase="right"))
    assert key.encrypted
    assert key.unlock("right").blob == key.public_blob
    for wrong in ("wrong", "", None):
        with pytest.raises(WrongPassphrase):
            key.unlock(wrong)


def test_a_refused_key_says_so(tmp_path: Path, sshd: Sshd) -> None:
    stranger = make_key(tmp_path / "stranger")
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(sshd, key_only(stranger), Person())
    assert "publickey" in refused.value.details["allowed_methods"]
    assert str(stranger) in refused.value.message
    assert sshd.user in refused.value.message


def test_the_chosen_key_is_the_only_one(tmp_path: Path, sshd: Sshd, agent: Callable[..., str]) -> None:
    agent(sshd.key_path)
    with pytest.raises(AuthenticationFailed):
        log_in(sshd, key_only(make_key(tmp_path / "stranger")), identity_files=(sshd.key_path,))


def test_default_identities_are_tried_in_order(tmp_path: Path, own_sshd: Sshd) -> None:
    names = [tmp_path / name for name in ("id_rsa", "id_ecdsa", "id_ed25519")]
    make_key(names[1], kind="ecdsa")
    make_key(names[2])
    authorize(own_sshd, names[2])
    before = len(own_sshd.log)
    log_in(own_sshd, Credentials(), identity_files=tuple(names))
    tried = [line for line in own_sshd.log[before:].splitlines() if "publickey" in line]
    assert "Failed publickey" in tried[0]
    assert "Accepted publickey" in tried[-1]


def test_a_passphrase_is_asked_for_once_and_only_if_the_server_wants_the_key(
    tmp_path: Path, own_sshd: Sshd
) -> None:
    unwanted = make_key(tmp_path / "unwanted", "-a", "1", passphrase="x")
    wanted = make_key(tmp_path / "wanted", "-a", "1", passphrase="right")
    authorize(own_sshd, wanted)
    person = Person("right")
    credentials = Credentials()
    log_in(own_sshd, credentials, person, identity_files=(unwanted, wanted))
    assert len(person.asked) == 1
    assert str(wanted) in person.asked[0][1][0]
    # Reconnecting asks nobody.
    log_in(own_sshd, credentials, None, identity_files=(unwanted, wanted))


def test_a_wrong_passphrase_says_so(tmp_path: Path, own_sshd: Sshd) -> None:
    key = make_key(tmp_path / "key", "-a", "1", passphrase="right")
    authorize(own_sshd, key)
    with pytest.raises(AuthenticationFailed, match="passphrase is wrong") as refused:
        log_in(own_sshd, key_only(key, key_passphrase=WRONG))
    assert refused.value.details["allowed_methods"]
    person = Person("wrong")
    with pytest.raises(AuthenticationFailed, match="passphrase is wrong"):
        log_in(own_sshd, key_only(key), person)
    assert len(person.asked) == 1
    with pytest.raises(AuthenticationFailed, match="needs a passphrase"):
        log_in(own_sshd, key_only(key))
    # Where other methods are left the person is told before being asked the next thing.
    person = Person("wrong", AuthenticationFailed("declined"))
    with contextlib.suppress(AuthenticationFailed):
        log_in(own_sshd, Credentials(), person, identity_files=(key,))
    assert "passphrase is wrong" in person.asked[-1][0] or len(person.asked) == 1


def test_the_given_passphrase_opens_default_identities_too(tmp_path: Path, own_sshd: Sshd) -> None:
    key = make_key(tmp_path / "key", "-a", "1", passphrase="right")
    authorize(own_sshd, key)
    log_in(own_sshd, Credentials(key_passphrase=SecretStr("right")), Person(), identity_files=(key,))
    log_in(own_sshd, Credentials(key_passphrase=WRONG), Person("right"), identity_files=(key,))


def test_an_encrypted_pem_key_without_its_public_half_works(tmp_path: Path, own_sshd: Sshd) -> None:
    key = make_key(tmp_path / "key", "-m", "PEM", "-b", "2048", kind="rsa", passphrase="right")
    authorize(own_sshd, key)
    (tmp_path / "key.pub").unlink()
    assert KeyFile.read(key).public_blob is None
    log_in(own_sshd, Credentials(), Person("right"), identity_files=(key,))


@pytest.mark.parametrize("algorithm", ["rsa-sha2-256", "rsa-sha2-512"])
def test_rsa_signs_with_what_the_server_takes(tmp_path: Path, algorithm: str) -> None:
    key = make_key(tmp_path / "key", "-b", "2048", kind="rsa")
    refused = {"rsa-sha2-256", "rsa-sha2-512"} - {algorithm}
    with scripted(Script(methods="publickey"), refused_algorithms=sorted(refused)) as connect:
        log_in(connect, key_only(key))


def test_too_many_failures_say_so_and_what_to_do(
    tmp_path: Path, make_sshd: Callable[..., Sshd], agent: Callable[..., str]
) -> None:
    server = make_sshd(MaxAuthTries=3)
    agent(*(make_key(tmp_path / f"key{number}") for number in range(6)))
    with pytest.raises(AuthenticationFailed, match="too many authentication failures") as refused:
        log_in(server, Credentials("agent"))
    assert "IdentitiesOnly" in refused.value.message
    assert "publickey" in refused.value.details["allowed_methods"]


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


# -- the agent


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


# -- passwords


@needs_shadow
def test_passwords(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(password=RIGHT.get_secret_value())
    log_in(server, Credentials("password", password=RIGHT))
    with pytest.raises(AuthenticationFailed, match="refused the password") as refused:
        log_in(server, Credentials("password", password=WRONG))
    assert refused.value.details["allowed_methods"] == ["publickey", "password"]
    assert server.log.count("Failed password") == 1


@needs_shadow
def test_a_password_is_asked_for_as_ssh_would(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(password=RIGHT.get_secret_value())
    person = Person("wrong", RIGHT.get_secret_value())
    credentials = Credentials()
    log_in(server, credentials, person)
    assert person.asked[0][1] == [f"{server.user}@gpu's password:"]
    assert "not it" in person.asked[1][0]
    log_in(server, credentials, None)  # reconnecting asks nobody
    with pytest.raises(AuthenticationFailed):
        log_in(server, Credentials(), Person("a", "b", "c", "never asked"))
    with pytest.raises(AuthenticationFailed, match="no key was found"):
        log_in(server, Credentials(), None)


@needs_shadow
def test_a_remembered_password_that_became_wrong_is_asked_for_again(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(password=RIGHT.get_secret_value())
    credentials = Credentials()
    log_in(server, credentials, Person(RIGHT.get_secret_value()))
    (key,) = credentials.remembered
    credentials.remembered[key] = WRONG
    person = Person(RIGHT.get_secret_value())
    log_in(server, credentials, person)
    assert len(person.asked) == 1
    assert credentials.remembered[key] == RIGHT


class MemoryKeyring(KeyringBackend):
    """A keyring as the desktop's, but here: what cannot be had on a machine without a desktop."""

    priority = 1.0  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.fails = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.fails:
            raise keyring.errors.KeyringLocked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.fails:
            raise keyring.errors.PasswordSetError
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def desktop_keyring() -> Iterator[MemoryKeyring]:
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@needs_shadow
def test_a_keyring_remembers_what_worked(
    make_sshd: Callable[..., Sshd], desktop_keyring: MemoryKeyring
) -> None:
    def fresh(**fields: Any) -> Credentials:
        library = load_keyring()
        assert library is not None
        return Credentials(**fields, remembered=KeyringMemory(library))

    server = make_sshd(password=RIGHT.get_secret_value())
    first = Person("wrong", RIGHT.get_secret_value())
    log_in(server, fresh(), first)
    (entry,) = desktop_keyring.kept
    assert entry == ("runicorn-jupyter", f"password:{server.user}@[127.0.0.1]:{server.port}")
    log_in(server, fresh(), Person())  # another connection, another day
    desktop_keyring.kept[entry] = "changed since"
    log_in(server, fresh(), Person(RIGHT.get_secret_value()))
    assert desktop_keyring.kept[entry] == RIGHT.get_secret_value()
    # What the request says itself wins over what is kept.
    desktop_keyring.kept[entry] = "changed since"
    log_in(server, fresh(method="password", password=RIGHT), None)
    desktop_keyring.fails = True
    log_in(server, fresh(), Person(RIGHT.get_secret_value()))
    assert RIGHT.get_secret_value() not in repr(fresh().remembered)


def test_without_a_keyring_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    try:
        assert load_keyring() is None
    finally:
        keyring.set_keyring(before)
    assert "no keyring" in caplog.text


@needs_shadow
def test_keyboard_interactive_by_pam(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(
        password=RIGHT.get_secret_value(),
        UsePAM="yes",
        KbdInteractiveAuthentication="yes",
        PasswordAuthentication="no",
    )
    log_in(server, Credentials("password", password=RIGHT))
    with pytest.raises(AuthenticationFailed, match="refused the password"):
        log_in(server, Credentials("password", password=WRONG))
    person = Person(RIGHT.get_secret_value())
    credentials = Credentials()
    log_in(server, credentials, person)
    log_in(server, credentials, None)
    assert len(person.asked) == 1


@needs_shadow
def test_a_key_and_then_a_password(make_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
    server = make_sshd(
        password=RIGHT.get_secret_value(),
        UsePAM="yes",
        KbdInteractiveAuthentication="yes",
        AuthenticationMethods="publickey,keyboard-interactive publickey,password",
    )
    log_in(server, key_only(server.key_path), Person(RIGHT.get_secret_value()))
    log_in(server, Credentials("password", password=RIGHT), identity_files=(server.key_path,))
    with pytest.raises(AuthenticationFailed, match="first factor"):
        log_in(server, Credentials("password", password=WRONG), identity_files=(server.key_path,))
    with pytest.raises(AuthenticationFailed, match="nobody is here to answer") as refused:
        log_in(server, key_only(server.key_path), None)
    assert "keyboard-interactive" in refused.value.details["allowed_methods"]


def test_two_keys(make_sshd: Callable[..., Sshd], tmp_path: Path) -> None:
    server = make_sshd(AuthenticationMethods="publickey,publickey")
    second = make_key(tmp_path / "second", kind="ecdsa")
    authorize(server, second)
    log_in(server, Credentials(), identity_files=(server.key_path, second))
    with pytest.raises(AuthenticationFailed, match="first factor"):
        log_in(server, Credentials(), identity_files=(second,))


# -- what only a script asks

CODE_ROUNDS = [
    ("Welcome.", [("Password: ", False)], ["r1ght-s3cret"]),
    ("", [], []),
    ("Second factor", [("Verification code: ", False)], ["123456"]),
    ("Almost", [("Token 1: ", True), ("Token 2: ", True)], ["a", "b"]),
]


def test_any_number_of_rounds() -> None:
    script = Script(rounds=CODE_ROUNDS)
    with scripted(script) as connect:
        person = Person("123456", "a", "b")
        credentials = Credentials("password", password=RIGHT)
        log_in(connect, credentials, person)
        assert [prompts for _, prompts in person.asked] == [["Verification code:"], ["Token 1:", "Token 2:"]]
        assert "Second factor" in person.asked[0][0]
        assert "alice@gpu" in person.asked[0][0]
        # Codes are good once: reconnecting without a person says what is missing.
        assert credentials.remembered == {}
        with pytest.raises(AuthenticationFailed, match="Verification code"):
            log_in(connect, credentials, None)


def test_a_wrong_code_may_be_tried_again() -> None:
    script = Script(rounds=CODE_ROUNDS[2:3])
    with scripted(script) as connect:
        log_in(connect, Credentials(), Person("000000", "123456"))
        with pytest.raises(AuthenticationFailed):
            log_in(connect, Credentials(), Person("1", "2", "3"))
        assert script.seen.count("keyboard-interactive") == 5


def test_the_password_answers_no_other_question() -> None:
    for prompt in (
        "Verification code: ",
        "One-time password: ",
        "OTP: ",
        "Favourite colour? ",
        "New password: ",
    ):
        script = Script(rounds=[("", [(prompt, False)], ["x"])])
        with scripted(script) as connect:
            with pytest.raises(AuthenticationFailed, match="nobody is here"):
                log_in(connect, Credentials("password", password=RIGHT), None)
            assert script.answers == []


def test_a_key_and_then_a_code(tmp_path: Path) -> None:
    script = Script(methods="publickey", after_key="keyboard-interactive", rounds=CODE_ROUNDS[2:3])
    with scripted(script) as connect:
        log_in(connect, key_only(make_key(tmp_path / "key")), Person("123456"))
    assert script.seen == ["publickey", "keyboard-interactive"]


def test_what_a_server_says_is_cleaned_and_bounded() -> None:
    script = Script(rounds=[("a\x1b[2J\nb" * 2000, [("\x07Code\r\n: \x00", True)], ["x"])])
    with scripted(script) as connect:
        person = Person("x")
        log_in(connect, Credentials(), person)
    instruction, (prompt,) = person.asked[0]
    assert instruction.isprintable()
    assert prompt == "Code  :"
    assert len(instruction) < 2200


def test_a_server_that_asks_without_end_is_left() -> None:
    with (
        scripted(Script(rounds=[("", [], [])] * 40)) as connect,
        pytest.raises(SshUnavailable, match="protocol"),
    ):
        log_in(connect, Credentials(), Person())
    many = [("", [(f"{number}", True) for number in range(50)], [])]
    with (
        scripted(Script(rounds=many)) as connect,
        pytest.raises(AuthenticationFailed, match="more questions"),
    ):
        log_in(connect, Credentials(), Person())


def test_methods_that_nobody_here_can_do() -> None:
    with scripted(Script(methods="gssapi-with-mic,hostbased")) as connect:
        with pytest.raises(AuthenticationFailed, match="not supported here: gssapi-with-mic") as refused:
            log_in(connect, Credentials(), Person())
        assert refused.value.details["allowed_methods"] == ["gssapi-with-mic", "hostbased"]


def test_an_expired_password_can_be_changed() -> None:
    changes: list[tuple[str, str]] = []
    with expired_password(changes) as connect:
        person = Person("short", "short", "long enough", "long enough")
        credentials = Credentials("password", password=SecretStr("old"))
        log_in(connect, credentials, person)
        assert "has expired" in person.asked[0][0]
        assert "Too short" in person.asked[1][0]
        assert changes == [("old", "short"), ("old", "long enough")]
        assert [secret.get_secret_value() for secret in credentials.remembered.values()] == ["long enough"]
        with pytest.raises(
            AuthenticationFailed, match="has expired and must be changed: log in once with ssh"
        ):
            log_in(connect, Credentials("password", password=SecretStr("old")), None)
        with pytest.raises(AuthenticationFailed, match="differed"):
            log_in(connect, Credentials("password", password=SecretStr("old")), Person("one", "two"))


# -- ending


@pytest.mark.parametrize("error", [ConnectionTimeout("nobody answered"), AuthenticationFailed("declined")])
def test_a_person_who_does_not_answer_ends_it(error: RemoteError) -> None:
    with scripted(Script(rounds=CODE_ROUNDS)) as connect, pytest.raises(type(error)) as raised:
        log_in(connect, Credentials(), Person(error))
    assert raised.value is error


def test_closing_the_transport_ends_it_at_once() -> None:
    ours, theirs = socket.socketpair()
    server = paramiko.Transport(theirs)
    server.add_server_key(paramiko.ECDSAKey.generate())
    entered = threading.Event()
    stop = threading.Event()

    class Silent(paramiko.ServerInterface):
        def check_auth_none(self, username: str) -> int:
            entered.set()
            stop.wait(30)
            return paramiko.common.AUTH_FAILED

        def get_allowed_auths(self, username: str) -> str:
            return "password"

    server.start_server(event=threading.Event(), server=Silent())
    outcome: list[BaseException] = []
    with connected(ours) as transport:

        def work() -> None:
            try:
                authenticate(transport, Target("gpu", "gpu", 22, "alice"), Credentials(), None)
            except BaseException as exc:  # noqa: BLE001 - the test looks at it
                outcome.append(exc)

        thread = threading.Thread(target=work)
        thread.start()
        assert entered.wait(15)
        transport.close()
        thread.join(15)
        assert not thread.is_alive()
    stop.set()
    server.close()
    server.join(15)
    assert isinstance(outcome[0], SshUnavailable)


def test_closing_the_transport_ends_a_wait_for_the_agent(tmp_path: Path, sshd: Sshd) -> None:
    path = str(tmp_path / "silent-agent")
    outcome: list[BaseException] = []
    with (
        socket.socket(socket.AF_UNIX) as listener,
        connected(socket.create_connection((sshd.host, sshd.port))) as transport,
    ):
        listener.bind(path)
        listener.listen()
        target = Target("gpu", sshd.host, sshd.port, sshd.user, identity_agent=path)

        def work() -> None:
            try:
                authenticate(transport, target, Credentials("agent"), None)
            except BaseException as exc:  # noqa: BLE001 - the test looks at it
                outcome.append(exc)

        thread = threading.Thread(target=work)
        thread.start()
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(5)  # it asks for the keys, and never gets an answer
            transport.close()
            thread.join(15)
            assert not thread.is_alive()
    assert isinstance(outcome[0], RemoteError)


def test_a_server_that_hangs_up() -> None:
    script = Script(rounds=CODE_ROUNDS)
    with scripted(script) as connect:
        sock = connect()

        def hang_up(instruction: str, prompts: Sequence[Prompt]) -> list[SecretStr]:
            sock.shutdown(socket.SHUT_RDWR)
            return [SecretStr("x") for _ in prompts]

        with connected(sock) as transport, pytest.raises(SshUnavailable, match="closed the connection"):
            authenticate(transport, Target("gpu", "gpu", 22, "alice"), Credentials(), hang_up)


# -- the chosen file, before any TCP


def test_a_private_key_path_is_looked_at_first(tmp_path: Path) -> None:
    good = make_key(tmp_path / "good")
    check_private_key(key_only(good))
    check_private_key(Credentials("agent", private_key_path=tmp_path / "ignored"))
    check_private_key(Credentials())
    fifo, big, text, ppk = (tmp_path / name for name in ("fifo", "big", "text", "ppk"))
    os.mkfifo(fifo)
    big.write_bytes(b"x" * (64 * 1024 + 1))
    text.write_text("hello")
    ppk.write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    damaged = tmp_path / "damaged"
    damaged.write_text(good.read_text().replace("b3BlbnNz", "AAAAAAAA"))
    for path, reason in {
        tmp_path / "missing": "no such file",
        tmp_path: "cannot be read|not a regular file",
        fifo: "not a regular file",
        big: "64 KiB",
        text: "not a private key",
        ppk: "puttygen",
        tmp_path / "good.pub": "public key",
        damaged: "damaged",
        Path("~nobody-has-this-name/key"): "no such user",
        Path("nul\0byte"): "cannot be read",
    }.items():
        with pytest.raises(InvalidParameters, match=reason) as refused:
            check_private_key(key_only(path))
        assert refused.value.details["errors"][0]["field"] == "private_key_path"


@given(st.binary(max_size=300), st.sampled_from(["", "OPENSSH ", "RSA ", "EC ", "ENCRYPTED "]))
@settings(deadline=None, max_examples=150)
def test_any_file_is_a_key_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-key"
    for body in (data, base64.b64encode(b"openssh-key-v1\0" + data)):
        mark = f"{kind}PRIVATE KEY-----".encode()
        path.write_bytes(b"-----BEGIN " + mark + b"\n" + body + b"\n-----END " + mark + b"\n")
        with contextlib.suppress(KeyFileError):
            KeyFile.read(path).unlock("x")


# -- secrets stay secret


def test_no_secret_is_ever_shown(tmp_path: Path, own_sshd: Sshd, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    key = make_key(tmp_path / "key", passphrase="right-passphrase")
    authorize(own_sshd, key)
    credentials = Credentials(key_passphrase=WRONG, password=WRONG)
    log_in(own_sshd, credentials, Person("right-passphrase"), identity_files=(key,))
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(own_sshd, key_only(key, key_passphrase=WRONG))
    seen = (
        repr(credentials) + str(credentials) + repr(refused.value) + str(refused.value.details) + caplog.text
    )
    seen += repr(KeyFile.read(key)) + repr(KeyFile.read(key).unlock("right-passphrase"))
    private = "".join(key.read_text().splitlines()[1:-1])
    for secret in ("right-passphrase", "wr0ng-s3cret", private[-40:]):
        assert secret not in seen


def test_jump_hosts_are_not_shown_the_destinations_secrets() -> None:
    credentials = Credentials("password", key_passphrase=RIGHT, password=RIGHT)
    credentials.remembered["passphrase:/x"] = RIGHT
    hop = credentials.for_jump()
    assert (hop.method, hop.password, hop.key_passphrase, hop.private_key_path) == ("key", None, None, None)
    assert hop.remembered is credentials.remembered
