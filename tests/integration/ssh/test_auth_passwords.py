"""Passwords and keyboard-interactive: real sshds and PAM, and scripts for what those do not ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    SshUnavailable,
)
from runicorn_jupyter.ssh.auth.authentication import Credentials
from tests.integration.ssh.people import (
    RIGHT,
    WRONG,
    Person,
    authorize,
    key_only,
    log_in,
    needs_shadow,
)
from tests.integration.ssh.scripted import CODE_ROUNDS, Script, expired_password, scripted
from tests.world.sshd import Sshd, make_key

pytestmark = pytest.mark.usefixtures("no_agent")


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
def test_a_password_that_pam_finds_expired(make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(
        password=RIGHT.get_secret_value(),
        password_expired=True,
        UsePAM="yes",
        KbdInteractiveAuthentication="yes",
        PasswordAuthentication="no",
    )
    person = Person("wr0ng")
    with pytest.raises(AuthenticationFailed, match="has expired and was not changed: log in once with ssh"):
        log_in(server, Credentials("password", password=RIGHT), person)
    assert "change your password" in " ".join([person.asked[0][0], *person.asked[0][1]])
    with pytest.raises(AuthenticationFailed, match="change your password"):
        log_in(server, Credentials("password", password=RIGHT), None)


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
    assert instruction.replace("\n", "").isprintable()
    assert instruction.startswith("alice@gpu:\na \nba \nba ")  # lines stay lines
    assert prompt == "Code\n:"
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
