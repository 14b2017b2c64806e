"""Real keys, agents and sshds for the tests of hosts, host keys and authentication."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.world.sshd import Sshd, make_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, which only ``$HOME`` knows of."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return path


@pytest.fixture
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent but what a test starts."""
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


@pytest.fixture(scope="module")
def own_sshd(tmp_path_factory: pytest.TempPathFactory, _sshd_program: str) -> Iterator[Sshd]:
    """An sshd whose authorized keys this module's tests add to."""
    server = Sshd(tmp_path_factory.mktemp("own-sshd"), MaxAuthTries=20)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
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
