"""Prints what each config of the corpus leads to, by ssh itself and by us, as a table for the documentation.

``python -m tests.integration.ssh.config_table > docs/ssh-config-corpus.md``; needs root, as the test
of the corpus does, since only root can give ssh another home.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.config import resolver
from tests.integration.ssh.config_corpus import (
    FILES,
    ONLY_SSH_REFUSES,
    check_refused,
    check_resolved,
    parsed,
    ssh_with_home,
    use_corpus_file,
)

HEAD = """# One table of ssh configs

Each file of `tests/data/ssh_config`, asked for each of its hosts: what OpenSSH's own `ssh -G` says with that
file as `~/.ssh/config`, and whether ours is the same. *With ssh*: asked with a copy of the config, as is done
where `$HOME` is not the home of the user database or where commands are switched off; every line of `-G` is
compared. *Without*: worked out without OpenSSH; what connecting needs is compared (a config that is refused
for a word that ssh does not know is read without that word). `tests/integration/ssh/test_ssh_config.py`
holds all of it; this page is made by `python -m tests.integration.ssh.config_table`.

| config | host | leads to | by way of | with ssh | without |
|---|---|---|---|---|---|
"""


def row(name: str, asked: str) -> str:
    """Work out one row; raises if anything differs."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".ssh").mkdir(mode=0o700)
        os.environ["HOME"] = folder
        use_corpus_file(home, name)
        truth = ssh_with_home(home, "-G", asked)
        if truth.returncode != 0:
            check_refused(home, name, asked)
            try:
                resolver.resolve(asked)
            except SshUnavailable as exc:
                said = exc.message.partition(": ")[2].replace("|", "\\|")
                known = "read" if name.partition("-")[2] in ONLY_SSH_REFUSES else "same"
                return f"| {name} | `{asked}` | refused: {said} | | same | {known} |"
            raise AssertionError(f"{name} was not refused")
        settings = parsed(truth.stdout)
        check_resolved(home, asked, parsed(truth.stdout))
        way = settings.get("proxyjump", settings.get("proxycommand", [""]))[0].replace("|", "\\|")
        where = f"{settings['user'][0]}@{settings['hostname'][0]}:{settings['port'][0]}"
        way = f"`{way}`" if way not in ("", "none") else ""
        return f"| {name} | `{asked}` | `{where}` | {way} | same | same |"


def main() -> None:
    """Print the table."""
    rows = []
    for name in FILES:
        first = (Path(__file__).parents[2] / "data" / "ssh_config" / name).read_text().splitlines()[0]
        asked = first.removeprefix("# asked: ").replace('"y z"', "").split()
        rows += [row(name, host) for host in asked]
    sys.stdout.write(HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
