"""What ``ssh HOST`` would do: our resolution beside OpenSSH's own, over a corpus of configs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.ssh.config_corpus import (
    FILES,
    check_refused,
    check_resolved,
    parsed,
    ssh_with_home,
    use_corpus_file,
)
from tests.world.sshd import can_relocate

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")


@pytest.mark.skipif(not can_relocate(), reason="needs root to give ssh another home")
@pytest.mark.parametrize("name", FILES)
def test_the_corpus_resolves_as_ssh_itself_does(home: Path, name: str) -> None:
    for asked in use_corpus_file(home, name):
        truth = ssh_with_home(home, "-G", asked)
        if truth.returncode != 0:
            check_refused(home, name, asked)
        else:
            check_resolved(home, asked, parsed(truth.stdout))
