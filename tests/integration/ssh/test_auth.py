"""Authentication by keys in ssh's order, how it ends, and that secrets stay secret."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import paramiko
import pytest
from pydantic import SecretStr

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    ConnectionTimeout,
    InvalidParameters,
    RemoteError,
    SshUnavailable,
)
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.auth.authentication import Credentials, authenticate, check_private_key
from runicorn_jupyter.ssh.auth.keyfile import KeyFile, WrongPassphrase
from runicorn_jupyter.ssh.config.resolver import Target
from tests.integration.ssh.people import (
    RIGHT,
    WRONG,
    Person,
    authorize,
    connected,
    key_only,
    log_in,
)
from tests.integration.ssh.scripted import CODE_ROUNDS, Script, scripted
from tests.world.sshd import Sshd, make_key

pytestmark = pytest.mark.usefixtures("no_agent")


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
        Path("/proc/self/mem"): "cannot be read|no such file",  # opens, and reading it is an error
    }.items():
        with pytest.raises(InvalidParameters, match=reason) as refused:
            check_private_key(key_only(path))
        assert refused.value.details["errors"][0]["field"] == "private_key_path"


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
