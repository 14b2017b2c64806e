"""Secrets that worked, in a keyring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keyring
import keyring.backends.fail
import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from runicorn_jupyter.service.keyring_store import KeyringMemory, load_keyring
from runicorn_jupyter.ssh.auth.authentication import Credentials
from tests.integration.ssh.people import (
    RIGHT,
    Person,
    log_in,
    needs_shadow,
)
from tests.world.sshd import Sshd

pytestmark = pytest.mark.usefixtures("no_agent")


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
