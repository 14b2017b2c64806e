"""The demo's parts, with OpenSSH's own client, and the whole of it as a person starts it."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import getpass
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import pytest_asyncio
import requests

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.demo.command import main
from runicorn_jupyter.demo.environment import DemoError, make_environment
from runicorn_jupyter.demo.folders import ALIAS, NOTEBOOK, Folders, neutral
from runicorn_jupyter.demo.processes import MARK, end_marked, mark_of, marked
from runicorn_jupyter.demo.ssh_server import DemoSshServer
from runicorn_jupyter.remote.host_client import SshHost
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.config.resolver import Target
from runicorn_jupyter.ssh.connection import Connection


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A demo's folder of the test's own."""
    made = Folders(tmp_path / "demo with a space")
    made.begin()
    return made


@pytest_asyncio.fixture
async def server(folders: Folders) -> AsyncIterator[DemoSshServer]:
    """The demo's SSH server, reachable as ``demo-gpu`` by the folder's ssh config."""
    environment = {**neutral(os.environ), MARK: mark_of(folders.root)}
    made = DemoSshServer(folders.root, folders.remote_home, environment)
    await made.start()
    folders.write_ssh_config(made.port, made.client_key, made.public_host_key)
    yield made
    await made.stop()


def _command(folders: Folders, *arguments: str) -> list[str]:
    return ["ssh", "-F", str(folders.ssh / "config"), "-o", "BatchMode=yes", *arguments]


async def _ssh(folders: Folders, *arguments: str, stdin: bytes = b"") -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *_command(folders, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, error = await process.communicate(stdin)
    return process.returncode, out, error


async def test_runs_commands_in_its_own_home(server: DemoSshServer, folders: Folders) -> None:
    status, out, _ = await _ssh(
        folders, ALIAS, 'pwd; echo "$HOME"; cat; echo oops >&2; exit 7', stdin=b"given"
    )
    assert status == 7
    assert out.decode() == f"{folders.remote_home}\n{folders.remote_home}\ngiven"


async def test_what_looks_at_its_machine_leaves_the_connection_up(
    server: DemoSshServer, folders: Folders
) -> None:
    """asyncssh drops a connection if a command's channel is closed before the command has ended."""
    known_hosts = folders.root / "known_hosts_of_test"
    known_hosts.write_text(f"demo {server.public_host_key}\n")
    target = Target(
        asked=ALIAS,
        hostname="127.0.0.1",
        port=server.port,
        username=getpass.getuser(),
        user_known_hosts=(known_hosts,),
        host_key_alias="demo",
        identity_files=(server.client_key,),
        identities_only=True,
        identity_agent="none",
    )
    credentials = Credentials("key", server.client_key)
    connection = await Connection.open(target, credentials, timeout=30, connection_id="demo")
    looked = asyncio.Event()

    async def look() -> None:
        async with SshHost(connection).watch_machine("") as said:
            while await said.read():
                if said.texts.looked == {"machine", "accelerators"}:
                    looked.set()

    try:
        for _ in range(5):
            looked.clear()
            looking = asyncio.create_task(look())
            await looked.wait()
            looking.cancel()
            await asyncio.wait([looking])
            await connection.ping()
        assert (connection.status, connection.reconnects) == ("connected", 0)
    finally:
        await connection.close()


async def test_passes_bytes_on_as_they_are(server: DemoSshServer, folders: Folders) -> None:
    data = os.urandom(3_000_000)
    status, out, _ = await _ssh(folders, ALIAS, "cat", stdin=data)
    assert status == 0
    assert out == data


async def test_a_client_that_goes_is_no_error(server: DemoSshServer, folders: Folders) -> None:
    failed: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    ended = folders.remote_home / "ended"
    os.mkfifo(ended)
    command = _command(folders, ALIAS, "echo begun; cat; echo >ended")
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    process.kill()
    await process.communicate()
    assert await asyncio.to_thread(ended.read_text) == "\n"
    assert (await _ssh(folders, ALIAS, "echo again"))[1] == b"again\n"
    await server.stop()
    gc.collect()
    assert failed == []


async def test_tells_of_a_signal_as_a_shell_does(server: DemoSshServer, folders: Folders) -> None:
    status, _, _ = await _ssh(folders, ALIAS, "kill -TERM $$")
    assert status == 128 + 15


async def test_lets_in_no_other_key_and_no_password(
    server: DemoSshServer, folders: Folders, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    config = folders.ssh / "config"
    config.write_text(config.read_text().replace(str(server.client_key), str(other)))
    status, _, error = await _ssh(folders, ALIAS, "true")
    assert status == 255
    assert b"Permission denied (publickey)" in error


async def test_forwards_to_loopback(server: DemoSshServer, folders: Folders) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello " + await reader.readline())
        writer.close()

    listener = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    config = [str(folders.ssh / "config")]
    known_hosts = str(folders.ssh / "known_hosts")
    async with asyncssh.connect(ALIAS, config=config, known_hosts=known_hosts) as connection:
        reader, writer = await connection.open_connection("127.0.0.1", port)
        writer.write(b"world\n")
        assert await reader.read() == b"hello world\n"
        writer.close()
    listener.close()
    await listener.wait_closed()


async def test_forwards_nowhere_else(server: DemoSshServer, folders: Folders) -> None:
    status, _, error = await _ssh(folders, "-W", "192.0.2.1:80", ALIAS)
    assert status == 255
    assert b"administratively prohibited: this server forwards to loopback only" in error


async def test_keeps_its_keys(server: DemoSshServer, folders: Folders) -> None:
    again = DemoSshServer(folders.root, folders.remote_home, os.environ)
    await again.start()
    try:
        assert again.public_host_key == server.public_host_key
        assert again.port != server.port
    finally:
        await again.stop()


async def test_ends_what_detached_itself(server: DemoSshServer, folders: Folders) -> None:
    mark = mark_of(folders.root)
    status, _, _ = await _ssh(folders, ALIAS, "setsid sleep 300 >/dev/null 2>&1 </dev/null & echo")
    assert status == 0
    (left,) = marked(mark)
    assert left.cmdline()[-2:] == ["sleep", "300"]  # perhaps setsid's arguments still
    assert await end_marked(mark) == 1
    assert marked(mark) == []


def test_keys_and_folders_are_private(folders: Folders) -> None:
    assert folders.root.stat().st_mode & 0o777 == 0o700
    folders.write_ssh_config(2222, folders.root / "id_ed25519", "ssh-ed25519 AAAA")
    assert f"User {getpass.getuser()}\n" in (folders.ssh / "config").read_text()


def test_a_changed_notebook_is_kept(folders: Folders) -> None:
    notebook = folders.notebooks / NOTEBOOK
    fresh = notebook.read_bytes()
    notebook.write_bytes(b'{"mine": true}')
    folders.begin()
    assert notebook.read_bytes() == fresh
    assert (folders.notebooks / "quickstart-before.ipynb").read_bytes() == b'{"mine": true}'


def test_leads_to_nothing_personal() -> None:
    personal = {"JUPYTER_CONFIG_DIR": "a", "SSH_AUTH_SOCK": "b", "XDG_CONFIG_HOME": "c", "RUNICORN_DIR": "d"}
    assert neutral({**personal, "PATH": "/bin", "LANG": "C.UTF-8"}) == {"PATH": "/bin", "LANG": "C.UTF-8"}


async def test_says_why_there_is_no_environment(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match=r"Could not make a virtual environment: .*Not a directory"):
        await make_environment(tmp_path / "file" / "env", os.environ, tmp_path / "log", lambda _: None)


def test_one_demo_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (Folders(tmp_path).root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["--no-browser", "--dir", str(tmp_path)]) == 1
    assert "is running in" in capsys.readouterr().err


async def test_the_whole_of_it(tmp_path: Path, second_start: Callable[[Path], Folders]) -> None:
    """Start it as a person does, connect by the alias from a program, see the runs, end it by Ctrl-C."""
    folders = second_start(tmp_path / "demo")
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "runicorn_jupyter.demo", "--no-browser", "--dir", str(folders.root)],
        env={**os.environ, "PYTHONWARNINGS": "default"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C here ends everything" not in printed:
        line = await process.stdout.readline()
        assert line, printed
        printed += line.decode()
    found = re.search(r"(http://127\.0\.0\.1:\d+/)lab/tree/quickstart\.ipynb\?token=(\w+)", printed)
    assert found, printed
    runs = await asyncio.to_thread(_runs_of_the_demo, found[1], found[2])
    gpus = await asyncio.to_thread(_gpus_of_the_demo, found[1], found[2])
    process.send_signal(signal.SIGINT)
    rest, _ = await process.communicate()
    assert process.returncode == 0
    assert rest.decode().split() == ["Ending", "everything", "…", "Nothing", "is", "left", "running."]
    assert marked(mark_of(folders.root)) == []
    assert runs == {
        "baseline": "finished",
        "with augmentation": "finished",
        "longer schedule": "running",
    }
    assert gpus == {ALIAS: 4, "demo-gpu-2": 2, "demo-gpu-3": 2}


@pytest.mark.parametrize("by", [signal.SIGHUP, signal.SIGTERM])
async def test_it_ends_though_nobody_reads_what_it_says(
    by: signal.Signals, tmp_path: Path, second_start: Callable[[Path], Folders]
) -> None:
    """As when a terminal is closed: what is printed then goes nowhere."""
    folders = second_start(tmp_path / "demo")
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "runicorn_jupyter.demo", "--no-jupyter", "--dir", str(folders.root)],
        stdout=writer,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        while b"Ctrl-C here ends everything" not in await asyncio.to_thread(output.readline):
            assert process.returncode is None
    assert marked(mark_of(folders.root))
    process.send_signal(by)
    await process.wait()
    assert marked(mark_of(folders.root)) == []


def _runs_of_the_demo(url: str, token: str) -> dict[str, str]:
    """Return the state of each run by its alias, as the viewer that our API starts shows it."""
    client = RunicornRemoteClient(url, token=token)
    connection_id = client.connect(ALIAS, getpass.getuser())["connection_id"]
    viewer = client.start_viewer(connection_id, "train", auto_open=False)["viewer"]
    answer = requests.get(viewer["url"] + "api/runs", timeout=30)
    answer.raise_for_status()
    return {run["alias"]: run["status"] for run in answer.json()}


def _gpus_of_the_demo(url: str, token: str) -> dict[str, int]:
    """Return how many GPUs each server shows, as soon as one of them is the live run's."""
    client = RunicornRemoteClient(url, token=token)
    answer = client.read_machines()
    machines = {each["connection_id"]: each for each in answer["machines"]}

    def gpus(host: str) -> list[dict[str, Any]]:
        return [gpu for each in machines.values() if each["host"] == host for gpu in each["gpus"] or ()]

    def is_whole() -> bool:
        held = any(process["run"] for gpu in gpus(ALIAS) for process in gpu["processes"])
        return held and all(each["gpus"] for each in machines.values())

    while not is_whole():
        answer = client.read_machines(answer["version"], 30)
        assert answer["machines"], "no GPU became the run's"
        machines |= {each["connection_id"]: each for each in answer["machines"]}
    return {each["host"]: len(each["gpus"]) for each in machines.values()}
