"""The world that the pages talk of: hosts ``gpu1`` and ``gpu2``, and an environment ``train`` there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import World, session_world

__all__ = ["session_world"]


def borrow(prefix: Path, site: Path) -> Path:
    """Make an environment at ``prefix`` that has the packages of another one, in no time."""
    source = site.parents[2]
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to((source / "bin" / "python").resolve())
    shutil.copy(source / "pyvenv.cfg", prefix / "pyvenv.cfg")
    packages = prefix / site.relative_to(source)
    packages.parent.mkdir(parents=True)
    packages.symlink_to(site)
    return prefix


@pytest.fixture(scope="module")
def _reader(session_world: World, runicorn_env: Callable[..., Path]) -> Iterator[World]:
    """What a reader has: the session's server and remote, with the names that the pages use."""
    home, remote = session_world.home, session_world.sshd
    (site,) = runicorn_env().glob("lib/python*/site-packages")
    train = borrow(remote.home / ".virtualenvs" / "train", site)
    before = home.config.read_text()
    key = home.ssh / "id_ed25519"
    shutil.copy(remote.key_path, key)
    home.host("gpu2", remote)
    try:
        yield session_world
    finally:
        session_world.disconnect_all()
        home.config.write_text(before)
        key.unlink()
        shutil.rmtree(train)


@pytest.fixture
def reader(_reader: World) -> Iterator[World]:
    """The reader, without connections before and after."""
    yield _reader
    _reader.disconnect_all()
