"""The session's sshd, for tests whose commands may never end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.world import processes
from tests.world.sshd import Sshd


@pytest.fixture
def sshd(sshd: Sshd) -> Iterator[Sshd]:
    """The session's sshd; what a test leaves running there ends with it, as others look at what is left."""
    before = sshd.processes()
    yield sshd
    for pid in set(sshd.processes()) - set(before):
        processes.kill(pid, 60)
