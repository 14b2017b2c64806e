"""What a login shell exports counts for the probe and the viewer, and nothing that it does harms them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runicorn_jupyter.models import Environment
from runicorn_jupyter.remote.host_client import SshHost, StartParameters
from runicorn_jupyter.remote.probe import probe
from tests.world.connections import Connect
from tests.world.layouts import virtualenv
from tests.world.sshd import Sshd

Make = Callable[..., Sshd]
Prefix = Callable[..., Path]

EXPORT = "export RUNICORN_DIR={home}/data WORKON_HOME={home}/elsewhere FROM_LOGIN='two words\nand a line'\n"
SETENV = (
    "setenv RUNICORN_DIR {home}/data\nsetenv WORKON_HOME {home}/elsewhere\nsetenv FROM_LOGIN 'two words'\n"
)
FISH = (
    "set -gx RUNICORN_DIR {home}/data; set -gx WORKON_HOME {home}/elsewhere\nset -gx FROM_LOGIN 'two words'\n"
)
GUARD = "case $- in *i*) ;; *) return ;; esac\n"
# Login shell, its file, what stands there.
FILES = [
    ("bash", ".profile", EXPORT),
    ("bash", ".bash_profile", "[ -f ~/.bashrc ] && . ~/.bashrc\n" + EXPORT),
    ("zsh", ".zprofile", EXPORT),
    ("zsh", ".zshrc", EXPORT),
    ("fish", ".config/fish/config.fish", "status is-interactive; and begin\n" + FISH + "end\n"),
    ("tcsh", ".login", SETENV),
    ("tcsh", ".tcshrc", SETENV),
    ("dash", ".profile", EXPORT),
]


def login_shell(name: str) -> str:
    """Return the path of a shell; skip where the machine has none."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"needs {name}: apt-get install {name}")
    return program


def write(home: Path, name: str, text: str) -> None:
    """Write a start-up file of a home."""
    file = home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.replace("{home}", str(home)))


def named(environments: list[Environment], name: str) -> Environment:
    """Return the environment of that name."""
    return next(one for one in environments if one.name == name)


@pytest.mark.parametrize("case", FILES, ids=lambda case: f"{case[0]} {case[1]}")
async def test_what_a_login_shell_exports_counts(
    case: tuple[str, str, str], make_sshd: Make, connect: Connect, runicorn_env: Prefix
) -> None:
    shell, file, text = case
    server = make_sshd(shell=login_shell(shell))
    write(server.home, file, text)
    virtualenv(server.home / "elsewhere" / "theirs", runicorn_env())
    (server.home / "data" / "runs").mkdir(parents=True)
    host = SshHost(await connect(server))
    found = await host.probe()
    theirs = named(found.environments, "theirs")
    data = str(server.home / "data")
    assert (theirs.storage_root, theirs.storage_root_from) == (data, "RUNICORN_DIR")
    assert list(found.roots) == [data]
    assert found.notes == []
    viewer = await host.start_viewer(StartParameters(theirs, None, lease_seconds=60))
    assert viewer.remote_root == data
    environ = Path(f"/proc/{viewer.pid}/environ").read_bytes().split(b"\0")
    assert any(line.startswith(b"FROM_LOGIN=two words") for line in environ)
    assert not [line for line in environ if line.startswith(b"RUNICORN_JUPYTER_")]
    if text.endswith(EXPORT):
        assert b"FROM_LOGIN=two words\nand a line" in environ
    assert await viewer.stop(cleanup=True)


async def test_what_stands_below_the_guard_of_bashrc_counts(make_sshd: Make, connect: Connect) -> None:
    server = make_sshd(shell=login_shell("bash"))
    write(server.home, ".profile", ". ~/.bashrc\n")
    write(server.home, ".bashrc", GUARD + EXPORT)
    found = await probe(await connect(server))
    assert found.variables is not None
    assert found.variables["RUNICORN_DIR"] == f"{server.home}/data"
    assert "FROM_LOGIN" not in repr(found)


ODD = [
    (
        "five megabytes",
        "head -c 5000000 /dev/zero | tr '\\0' x\nhead -c 5000000 /dev/zero >&2\n" + EXPORT,
        True,
    ),
    ("reads its input", "read -r answer; cat; export RUNICORN_DIR={home}/data\n", True),
    ("leaves a job", "sleep 1000 & (nohup sleep 1000 &)\n" + EXPORT, True),
    ("aliases and functions", "tr() { false; }; export -f tr; alias echo=false\n" + EXPORT, True),
    ("exits", EXPORT + "exit 3\n", False),
    ("no newline", "printf 'no newline'; false", True),
    ("another shell", EXPORT + "exec cat\n", False),
    ("a broken PATH", EXPORT + "export PATH=/nowhere LD_LIBRARY_PATH=/nowhere\n", True),
]


@pytest.mark.parametrize(("text", "known"), [one[1:] for one in ODD], ids=[one[0] for one in ODD])
async def test_what_its_files_do_is_harmless(
    text: str, known: bool, make_sshd: Make, connect: Connect, runicorn_env: Prefix
) -> None:
    server = make_sshd(shell=login_shell("bash"))
    write(server.home, ".bash_profile", text)
    virtualenv(server.home / ".venvs" / "mine", runicorn_env())
    found = await probe(await connect(server))
    assert named(found.environments, "mine").runicorn_installed
    assert (found.variables is not None) == known
    assert any("login shell" in note for note in found.notes) == (not known)
    if known and "RUNICORN_DIR" in text + EXPORT * ("FROM_LOGIN" in text):
        assert found.variables is not None
        assert found.variables["RUNICORN_DIR"] == f"{server.home}/data"
    assert await asyncio.to_thread(server.left) == []


async def test_a_login_shell_that_hangs_costs_five_seconds(
    make_sshd: Make, connect: Connect, runicorn_env: Prefix
) -> None:
    server = make_sshd(shell=login_shell("bash"))
    write(server.home, ".bash_profile", "trap '' TERM HUP INT; sleep 1000\nsleep 1000\n")
    virtualenv(server.home / ".venvs" / "mine", runicorn_env())
    connection = await connect(server)
    begun = time.monotonic()
    found = await probe(connection)
    assert time.monotonic() - begun >= 5, "so long it may take"
    assert named(found.environments, "mine").runicorn_installed
    assert found.variables is None
    assert "login shell" in found.notes[0]
    assert found.server.python_version, "what comes after it is read too"
    assert await asyncio.to_thread(server.left) == []


async def test_it_is_asked_once_a_connection_and_again_when_asked_to(
    make_sshd: Make, connect: Connect
) -> None:
    server = make_sshd(shell=login_shell("bash"))
    write(server.home, ".bash_profile", "echo once >>{home}/asked\n" + EXPORT)
    host = SshHost(await connect(server))
    first = await host.probe()
    second = await host.probe()
    assert first.variables == second.variables
    assert (server.home / "asked").read_text() == "once\n"
    write(server.home, ".bash_profile", "export RUNICORN_DIR=/other\n")
    third = await host.probe(ask_shell=True)
    assert third.variables is not None
    assert third.variables["RUNICORN_DIR"] == "/other"


async def test_scratch_and_work_of_the_login_shell_are_looked_into(
    make_sshd: Make, connect: Connect, runicorn_env: Prefix
) -> None:
    server = make_sshd(shell=login_shell("bash"))
    write(server.home, ".profile", "export SCRATCH={home}/a/scratch WORK={home}/a/work\n")
    for place in ("scratch/one", "scratch/envs/two", "work/venvs/three", "work/project/.venv"):
        virtualenv(server.home / "a" / place, runicorn_env())
    names = {one.name for one in (await probe(await connect(server))).environments}
    assert {"one", "two", "three", "project/.venv"} <= names


async def test_what_is_on_the_path_of_the_login_shell_is_listed(
    make_sshd: Make, connect: Connect, runicorn_env: Prefix
) -> None:
    server = make_sshd(shell=login_shell("bash"))
    place = virtualenv(server.home / "deep" / "down" / "theirs", runicorn_env())
    write(server.home, ".profile", f'export PATH="{place}/bin:$PATH"\n')
    (one,) = [one for one in (await probe(await connect(server))).environments if one.prefix == str(place)]
    assert (one.type, one.runicorn_installed) == ("venv", True)


async def test_what_the_ssh_config_sends_counts(
    make_sshd: Make, connect: Connect, runicorn_env: Prefix
) -> None:
    server = make_sshd(AcceptEnv=["RUNICORN_DIR", "LC_*"])
    virtualenv(server.home / ".venvs" / "mine", runicorn_env())
    (server.home / "data").mkdir()
    sent = (("RUNICORN_DIR", f"{server.home}/data"), ("LC_SITE", "p 42"), ("REFUSED", "x"))
    host = SshHost(await connect(server, environment=sent))
    mine = named((await host.probe()).environments, "mine")
    assert (mine.storage_root, mine.storage_root_from) == (f"{server.home}/data", "RUNICORN_DIR")
    viewer = await host.start_viewer(StartParameters(mine, None, lease_seconds=60))
    environ = Path(f"/proc/{viewer.pid}/environ").read_bytes().split(b"\0")
    assert b"LC_SITE=p 42" in environ
    assert not [line for line in environ if line.startswith(b"REFUSED=")]
    assert await viewer.stop(cleanup=True)
