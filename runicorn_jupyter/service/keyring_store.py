"""What people typed and what worked, kept in the system's keyring: the optional ``keyring`` extra."""

from __future__ import annotations

import logging
from collections.abc import Iterator, MutableMapping
from types import ModuleType

from pydantic import SecretStr

__all__ = ["SERVICE", "KeyringMemory", "load_keyring"]

log = logging.getLogger(__name__)

SERVICE = "runicorn-jupyter"
"""The name under which a keyring's own program shows our entries."""


def load_keyring() -> ModuleType | None:
    """Return the ``keyring`` library if it is installed and has somewhere to keep things, else None."""
    try:
        import keyring  # noqa: PLC0415 - optional
        from keyring.backends.fail import Keyring as Nowhere  # noqa: PLC0415
    except ImportError:
        log.warning("use_keyring is set, and the keyring library is missing: pip install keyring")
        return None
    if isinstance(keyring.get_keyring(), Nowhere):
        log.warning("use_keyring is set, and this machine has no keyring to use")
        return None
    return keyring


class KeyringMemory(MutableMapping[str, SecretStr]):
    """For `Credentials.remembered`: looks into the keyring for what nobody typed yet.

    Iterating, and ``in``, are about this object's own memory only: what this connection learned.
    A keyring that fails is as one that has nothing. Its calls may block while a person unlocks it.

    Parameters
    ----------
    keyring
        The library, as `load_keyring` gives it.
    """

    def __init__(self, keyring: ModuleType) -> None:
        self._keyring = keyring
        self._memory: dict[str, SecretStr] = {}

    def __repr__(self) -> str:
        return f"KeyringMemory({len(self._memory)} secrets)"

    def __getitem__(self, key: str) -> SecretStr:
        if key not in self._memory:
            try:
                found = self._keyring.get_password(SERVICE, key)
            except self._keyring.errors.KeyringError as exc:
                log.warning("the keyring could not be read: %s", type(exc).__name__)
                found = None
            if found is None:
                raise KeyError(key)
            self._memory[key] = SecretStr(found)
        return self._memory[key]

    def __setitem__(self, key: str, value: SecretStr) -> None:
        if self._memory.get(key) == value:
            return
        self._memory[key] = value
        try:
            self._keyring.set_password(SERVICE, key, value.get_secret_value())
        except self._keyring.errors.KeyringError as exc:
            log.warning("the keyring could not be written: %s", type(exc).__name__)

    def __delitem__(self, key: str) -> None:
        del self._memory[key]
        try:
            self._keyring.delete_password(SERVICE, key)
        except self._keyring.errors.KeyringError as exc:
            log.warning("the keyring could not be written: %s", type(exc).__name__)

    def __contains__(self, key: object) -> bool:
        return key in self._memory

    def __iter__(self) -> Iterator[str]:
        return iter(self._memory)

    def __len__(self) -> int:
        return len(self._memory)
