"""Logging in by a Kerberos ticket, with a KDC and an sshd of the tests' own."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.common import AUTH_FAILED
from paramiko.message import Message
from pydantic import SecretStr

from runicorn_jupyter.errors import AuthenticationFailed, SshUnavailable
from runicorn_jupyter.ssh.auth import kerberos
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.config.target import KerberosOptions
from tests.integration.ssh.people import Person, log_in
from tests.integration.ssh.scripted import Script, scripted
from tests.world.connections import Connect
from tests.world.environments import BUILD_SECONDS
from tests.world.kerberos import REALM, Realm, realm
from tests.world.sshd import Sshd, make_key

__all__ = ["realm"]

pytestmark = [
    pytest.mark.usefixtures("no_agent"),
    pytest.mark.timeout(BUILD_SECONDS),  # the first one may wait for the compiler
]
ON = KerberosOptions()


@pytest.fixture
def ticket(realm: Realm) -> Iterator[Realm]:
    """The realm, with a ticket of this account in the cache."""
    realm.kinit()
    yield realm
    realm.kdestroy()


@pytest.fixture
def make_server(realm: Realm, make_sshd: Callable[..., Sshd]) -> Callable[..., Sshd]:
    """Start sshds of the realm that take no key, unless they are told otherwise."""

    def make(**options: Any) -> Sshd:
        defaults = {
            "GSSAPIAuthentication": "yes",
            "GSSAPIStrictAcceptorCheck": "no",
            "PubkeyAuthentication": "no",
        }
        return make_sshd(**{**defaults, **options})

    return make


@pytest.fixture
def server(make_server: Callable[..., Sshd]) -> Sshd:
    """An sshd that takes a ticket and nothing else."""
    return make_server()


def failed(server: Sshd, **changes: Any) -> str:
    """Try to log in, and return what is said."""
    with pytest.raises(AuthenticationFailed) as refused:
        log_in(server, Credentials(), None, **changes)
    return refused.value.message


@pytest.mark.usefixtures("ticket")
def test_a_ticket_lets_in_and_nobody_is_asked(server: Sshd) -> None:
    person = Person()
    log_in(server, Credentials(), person, kerberos=ON)
    server.wait_log("Accepted gssapi-with-mic")
    seen = server.log.count("\n")
    log_in(server, Credentials(), None, kerberos=ON)  # as after sleep
    server.wait_log("Accepted gssapi-with-mic", after=seen)
    assert person.asked == []


@pytest.mark.usefixtures("ticket")
def test_a_ticket_comes_before_keys_and_may_be_one_of_two_factors(make_server: Callable[..., Sshd]) -> None:
    server = make_server(
        PubkeyAuthentication="yes",
        AuthenticationMethods="gssapi-with-mic,publickey publickey,gssapi-with-mic",
    )
    log_in(server, Credentials(), None, kerberos=ON, identity_files=(server.key_path,))
    server.wait_log("Accepted publickey")
    assert server.log.index("Partial gssapi-with-mic") < server.log.index("Accepted publickey")
    log_in(
        server,
        Credentials(),
        None,
        kerberos=ON,
        identity_files=(server.key_path,),
        preferred_authentications=("publickey", "gssapi-with-mic"),
    )
    server.wait_log("Accepted gssapi-with-mic")


@pytest.mark.usefixtures("ticket")
def test_only_where_the_config_says_so_and_the_request_chose_nothing_else(server: Sshd) -> None:
    assert "Kerberos" not in failed(server)
    for credentials in (
        Credentials("key", private_key_path=server.key_path),
        Credentials("agent"),
        Credentials("password", password=SecretStr("x")),
    ):
        with pytest.raises(AuthenticationFailed):
            log_in(server, credentials, None, kerberos=ON)
    server.wait_log("by authenticating user")
    assert "gssapi" not in server.log


@pytest.mark.usefixtures("realm")
def test_without_a_ticket_the_server_hears_nothing_of_it(server: Sshd) -> None:
    said = failed(server, kerberos=ON)
    assert "No Kerberos credentials available" in said
    assert "Get a ticket by kinit." in said
    assert "/" not in said.partition("Kerberos:")[2]  # no path of the cache
    server.wait_log("by authenticating user")
    assert "gssapi" not in server.log


@pytest.mark.usefixtures("realm")
def test_without_a_ticket_a_key_does_and_nothing_is_said(make_server: Callable[..., Sshd]) -> None:
    server = make_server(PubkeyAuthentication="yes")
    log_in(server, Credentials(), Person(), kerberos=ON, identity_files=(server.key_path,))
    server.wait_log("Accepted publickey")


@pytest.mark.usefixtures("ticket")
def test_another_account_and_an_unknown_host_say_so(server: Sshd) -> None:
    assert "refused the Kerberos ticket" in failed(server, kerberos=ON, username="nobody")
    said = failed(server, kerberos=KerberosOptions(server_identity="elsewhere.example"))
    assert f"@{REALM} not found in Kerberos database" in said
    assert "kinit" not in said


@pytest.mark.usefixtures("ticket")
def test_the_name_of_the_servers_principal_can_be_given(server: Sshd) -> None:
    log_in(server, Credentials(), None, kerberos=KerberosOptions(server_identity="127.0.0.1"), hostname="gpu")
    assert "gpu" in failed(server, kerberos=ON, hostname="gpu")


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize("delegate", [False, True])
async def test_a_connection_and_whether_it_gets_a_ticket_to_go_on_with(
    server: Sshd, connect: Connect, delegate: bool
) -> None:
    connection = await connect(
        server, credentials=Credentials(), kerberos=KerberosOptions(delegate), identity_files=()
    )
    told = await connection.run("klist")
    assert (told.exit_status == 0) is delegate
    assert (f"{getpass.getuser()}@{REALM}".encode() in told.stdout) is delegate


def test_without_the_extra_it_is_named(
    make_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kerberos, "is_kerberos_available", lambda: False)
    server = make_sshd(GSSAPIAuthentication="yes", PubkeyAuthentication="no")
    assert "pip install 'runicorn-jupyter[gssapi]'" in failed(server, kerberos=ON)
    # A server that would not take a ticket anyway is no reason to install something.
    key_only = make_sshd()
    assert "gssapi" not in failed(key_only, kerberos=ON)


class Odd(Script):
    """Answers the request for this method by messages of its own."""

    def __init__(self, *messages: Message) -> None:
        super().__init__(methods="gssapi-with-mic,publickey")
        self.messages = list(messages)

    def check_auth_none(self, username: str) -> int:
        if self.seen:
            self.send()
        self.seen.append("none")
        return AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.send()
        return AUTH_FAILED

    def send(self) -> None:
        for each in self.messages:
            self.transport._send_message(each)


def message(number: int, *fields: bytes) -> Message:
    """Make a message of strings."""
    made = Message()
    made.add_byte(bytes([number]))
    for field in fields:
        made.add_string(field)
    return made


CHOSEN = message(kerberos.RESPONSE, kerberos.KERBEROS)
FAILED = Message()
FAILED.add_byte(bytes([kerberos.ERROR]))
FAILED.add_int(1)
FAILED.add_int(2)
FAILED.add_string("clock \x1b[1mskew")
FAILED.add_string("en")


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize(
    "messages",
    [
        [message(kerberos.RESPONSE, b"\x06\x06+\x06\x01\x05\x05\x02")],  # SPNEGO, which was not offered
        [message(kerberos.RESPONSE, b"")],
        [message(kerberos.TOKEN, b"early")],
        [CHOSEN, CHOSEN],
    ],
)
def test_an_odd_server_ends_the_attempt(messages: list[Message]) -> None:
    with scripted(Odd(*messages)) as connect, pytest.raises(SshUnavailable, match="does not keep to the"):
        log_in(connect, Credentials(), None, kerberos=ON)


@pytest.mark.usefixtures("ticket")
@pytest.mark.parametrize("token", [b"", b"\0" * 30_000, b"\x60\x82\xff\xff" + b"\xff" * 100])
def test_a_token_that_is_none_is_a_sentence(token: bytes) -> None:
    messages = (CHOSEN, message(kerberos.TOKEN, token))
    with scripted(Odd(*messages)) as connect, pytest.raises(AuthenticationFailed, match=r"Kerberos: .*\."):
        log_in(connect, Credentials(), None, kerberos=ON)


@pytest.mark.usefixtures("ticket")
def test_what_the_server_says_of_its_failure_is_shown_as_plain_text() -> None:
    with scripted(Odd(CHOSEN, FAILED)) as connect, pytest.raises(AuthenticationFailed) as refused:
        log_in(connect, Credentials(), None, kerberos=ON)
    assert 'It says of the Kerberos ticket: "clock ' in refused.value.message
    assert "\x1b" not in refused.value.message


@pytest.mark.parametrize("number", [kerberos.TOKEN, kerberos.ERROR, kerberos.ERROR_TOKEN])
def test_its_messages_are_no_answer_to_another_method(number: int, tmp_path: Path) -> None:
    with scripted(Odd(message(number, b"x"))) as connect, pytest.raises(SshUnavailable):
        log_in(connect, Credentials("key", private_key_path=make_key(tmp_path / "key")), None)
