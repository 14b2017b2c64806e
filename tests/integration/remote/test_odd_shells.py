"""Login shells of all kinds, and what runs in place of one: it works or is named, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.errors import ConnectionTimeout, RemoteError, SshUnavailable
from runicorn_jupyter.remote.bundle import SHELL
from runicorn_jupyter.remote.probe import probe
from runicorn_jupyter.ssh.channels.ready import READY
from tests.integration.remote.test_login_shell import login_shell, write
from tests.world.connections import Connect
from tests.world.sshd import Sshd, can_relocate

pytestmark = pytest.mark.skipif(not can_relocate(), reason="needs root for a login shell of the test's own")

Make = Callable[..., Sshd]

MENU = """#!/bin/sh
echo "Welcome. 1) jobs 2) quota 3) quit"
while printf "Choice: " && read -r choice; do echo "no such choice: $choice"; done
"""


def recorded(tmp_path: Path, program: str) -> tuple[str, Path]:
    """Return a login shell that starts a program, and the file with all that comes on its standard input."""
    shell, record = tmp_path / "recorded", tmp_path / "record"
    record.touch()
    shell.write_text(f'#!/bin/bash\nexec -a {program} {program} "$@" < <(exec tee -a {record})\n')
    shell.chmod(0o755)
    return str(shell), record


@dataclass(frozen=True)
class Odd:
    """What is there in place of a shell, and what is said of it."""

    name: str
    cause: str
    says: str
    program: str = "/bin/bash"
    force: str = ""
    by_key: bool = False


INSTEAD = [
    Odd("menu", "not_a_shell", "starts a menu or another interactive program", program="menu"),
    Odd("git-shell", "not_a_shell", "starts a program that runs none", program="git-shell"),
    Odd(
        "nologin",
        "no_login",
        r"lets nobody in .*\(chsh\)\. It says: This account is",
        program="/usr/sbin/nologin",
    ),
    Odd("false", "no_login", "lets nobody in", program="/bin/false"),
    Odd("rbash", "restricted_shell", r"restricted one .*\(chsh\)\. It says: .*rbash", program="rbash"),
    Odd("rksh", "restricted_shell", "restricted one", program="rksh93"),
    Odd(
        "ForceCommand",
        "forced_command",
        "ForceCommand in its sshd_config; .* only backups",
        force="echo only backups",
    ),
    Odd("sftp only", "forced_command", "ForceCommand in its sshd_config", force="internal-sftp"),
    Odd(
        "by the key",
        "forced_command",
        r"command= in \S*/authorized_keys:1 there",
        force="echo mine",
        by_key=True,
    ),
    Odd(
        "waits, by the key", "forced_command", r"command= in \S*/authorized_keys:1", force="cat", by_key=True
    ),
]


@pytest.mark.parametrize("odd", INSTEAD, ids=lambda odd: odd.name)
async def test_what_runs_in_place_of_a_shell_is_told_apart(
    odd: Odd, make_sshd: Make, connect: Connect, tmp_path: Path, peer_port: int
) -> None:
    program = odd.program
    if program == "menu":
        program = str(tmp_path / "menu")
        Path(program).write_text(MENU)
        Path(program).chmod(0o755)
    shell, record = recorded(tmp_path, login_shell(program))
    forced = {"ForceCommand": odd.force} if odd.force and not odd.by_key else {}
    server = make_sshd(shell=shell, AllowTcpForwarding="no", **forced)
    if odd.by_key:
        key = server.authorized_keys.read_text()
        server.authorized_keys.write_text(f'command="{odd.force}" {key}')
    connection = await connect(server)
    found = await probe(connection, timeout=10)
    assert found.server.hostname is None
    (note,) = found.notes
    assert note.startswith("The server does not run commands for this account: ")
    with pytest.raises(SshUnavailable, match=odd.says) as caught:
        await connection.run(SHELL, stdin=b"secret", ready=READY, timeout=10)
    assert caught.value.message == note
    assert caught.value.details == {"cause": odd.cause}
    with pytest.raises(SshUnavailable, match="AllowTcpForwarding") as caught:
        await connection.open_tunnel("127.0.0.1", peer_port)
    assert caught.value.details == {"cause": odd.cause}
    await connection.close()
    assert await asyncio.to_thread(server.left) == []
    assert record.read_bytes() == b""


# Shell, the file that it reads for a command, and one that it reads at a login.
SHELLS = [
    ("bash", ".bashrc", ".bash_profile"),
    ("zsh", ".zshenv", ".zprofile"),
    ("fish", ".config/fish/config.fish", ".config/fish/config.fish"),
    ("tcsh", ".tcshrc", ".login"),
    ("csh", ".cshrc", ".login"),
    ("ksh93", "", ".profile"),
    ("mksh", "", ".profile"),
    ("dash", "", ".profile"),
]
FOR_COMMANDS = [one[:2] for one in SHELLS if one[1]]


@dataclass(frozen=True)
class Fault:
    """Lines of a start-up file that all these shells read alike, and what they lead to.

    Attributes
    ----------
    error
        Where commands run it; None if it does no harm.
    says
        Of the error.
    at_login
        What the note on the login shell says; empty if it says what it sets.
    """

    text: str
    error: type[RemoteError] | None = None
    says: str = ""
    at_login: str = ""


FAULTS = {
    "prints 5 MB": Fault("head -c 5000000 /dev/zero | tr '\\0' x"),
    "prints 5 MB of errors": Fault("sh -c 'head -c 5000000 /dev/zero >&2'"),
    "no newline": Fault("printf 'no newline'"),
    "reads": Fault("cat >>~/read", ConnectionTimeout, "waits for input"),
    "another shell": Fault(
        "exec cat >>~/read", ConnectionTimeout, "starts another shell or program", "ended before it could say"
    ),
    "ends": Fault("exit 3", SshUnavailable, "ended with status 3", "ended before it could say"),
    "hangs": Fault("sleep 1000", ConnectionTimeout, "does not come", "did not say within 5 seconds"),
}


def rows(cases: list[Any], slow: dict[str, set[str]]) -> list[Any]:
    """Return a row for each shell and fault.

    Where ``exit`` ends a start-up file alone, it is no fault. A fault that takes its whole time is tried with
    ``slow`` shells: those whose way with it differs.
    """
    return [
        pytest.param(case, fault, id=f"{case[0]}: {name}")
        for case in cases
        for name, fault in FAULTS.items()
        if not (name == "ends" and case[0] in ("fish", "csh", "tcsh"))
        and case[0] in slow.get(name, {case[0]})
    ]


@pytest.mark.parametrize(
    ("case", "fault"), rows(FOR_COMMANDS, {"another shell": {"bash", "csh"}, "hangs": {"bash"}})
)
async def test_a_start_up_file_that_keeps_commands_is_named(
    case: tuple[str, str], fault: Fault, make_sshd: Make, connect: Connect
) -> None:
    shell, file = case
    program = login_shell(shell)
    name = Path(program).name
    server = make_sshd(shell=program)
    write(server.home, file, f"{fault.text}\n")
    connection = await connect(server)
    if fault.error is None:
        assert (
            await connection.run("echo never", stdin=b"secret", ready=b"never\n", timeout=60)
        ).exit_status == 0
    else:
        with pytest.raises(fault.error, match=fault.says) as caught:
            await connection.run(SHELL, stdin=b"secret", ready=READY, timeout=10)
        assert caught.value.details == {"cause": "startup_file"}
        assert f"~/{file}" in caught.value.message
        if fault.says == "waits for input":  # the shell could be asked
            others = [other for _, other in FOR_COMMANDS if f"~/{other}" in caught.value.message]
            assert others == [file] or name in ("csh", "tcsh")
    await connection.close()
    if fault.says != "does not come":  # sshd leaves that one, as it does with ssh
        assert await asyncio.to_thread(server.left) == []
    read = server.home / "read"
    assert not read.exists() or read.read_bytes() == b""


@pytest.mark.parametrize(("case", "fault"), rows(SHELLS, {"hangs": {"bash", "tcsh", "mksh"}}))
async def test_a_start_up_file_of_a_login_shell_does_no_harm(
    case: tuple[str, str, str], fault: Fault, make_sshd: Make, connect: Connect
) -> None:
    shell, _, file = case
    program = login_shell(shell)
    server = make_sshd(shell=program)
    export = {"fish": "set -gx RUNICORN_DIR /theirs", "csh": "setenv RUNICORN_DIR /theirs"}
    line = export.get(shell.removeprefix("t"), "export RUNICORN_DIR=/theirs")
    text = f"{fault.text}\n{line}\n"
    write(server.home, file, f"status is-login; and begin\n{text}end\n" if shell == "fish" else text)
    found = await probe(await connect(server), timeout=60)
    assert found.server.hostname
    if fault.at_login:
        (note,) = found.notes
        assert fault.at_login in note
        assert f"~/{file}" in note
        assert found.variables is None
    else:
        assert found.notes == []
        assert found.variables is not None
        assert found.variables["RUNICORN_DIR"] == "/theirs"
    assert await asyncio.to_thread(server.left) == []
