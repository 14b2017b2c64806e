"""What the probe finds on a real remote, and what it makes of remotes that are odd, slow or hostile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.payload.state_files import Folder, Machine, start_time
from runicorn_jupyter.payload.versions import STATE_VERSION
from runicorn_jupyter.remote.bundle import shell_input
from runicorn_jupyter.remote.probe import Probe, parse, probe
from runicorn_jupyter.remote.viewer_client import SshViewerClient
from runicorn_jupyter.ssh.connection import Connection
from tests.world.connections import Connect
from tests.world.environments import base_python, build
from tests.world.layouts import conda_env, pyenv_version, pyenv_virtualenv, virtualenv
from tests.world.sshd import Sshd

Prefix = Callable[..., Path]


def run_locally(home: Path, shell: list[str], **environment: str) -> Probe:
    """Run the probe without SSH under some shell and home."""
    done = subprocess.run(
        [*shell, "-s"],
        input=shell_input("probe.sh", mark="0123", most="500", known="", wanted=""),
        env={"HOME": str(home), "PATH": os.defpath, **environment},
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    return parse(done.stdout, "0123")


def make_everything(home: Path, like: Path) -> dict[str, str]:
    """Make an environment of each kind in a home; return what runicorn each has by the name it should get."""
    miniconda = conda_env(home / "miniconda3", like, base=True, python="3.12.1")
    conda_env(miniconda / "envs" / "torch", like, python="3.10.13", home=home)
    conda_env(home / "far" / "away", like, home=home)
    conda_env(home / "miniforge3", like, base=True, python="3.12.2")
    conda_env(home / "miniforge3" / "envs" / "torch", like, python="3.10.14")
    conda_env(home / "micromamba" / "envs" / "mm", like)
    conda_env(home / "listed" / "rc", like)
    (home / ".condarc").write_text(
        "channels:\n  - defaults\nenvs_dirs:\n  - ~/listed\n  # a comment\nauto: true\n"
    )
    conda_env(home / ".pixi" / "envs" / "tools", like)
    conda_env(home / "projects" / "vision" / ".pixi" / "envs" / "default", like)
    conda_env(home / "projects" / "vision" / ".pixi" / "envs" / "gpu", like)
    virtualenv(home / ".virtualenvs" / "wrapped", like, key="version_info", python="3.9.18.final.0")
    virtualenv(home / ".local/share/virtualenvs/pipenv-x1Y2", like)
    virtualenv(home / ".cache/pypoetry/virtualenvs/poetry-py3.11", like)
    virtualenv(home / ".local/share/pdm/venvs/pdm-3.11", like)
    virtualenv(home / ".local/share/uv/tools/runicorn", like, key="version_info")
    virtualenv(home / "mine", like)
    virtualenv(home / "vision" / ".venv", like)
    virtualenv(home / "projects" / "nlp" / "venv")
    pyenv_version(home / ".pyenv", "3.11.7", like)
    pyenv_virtualenv(home / ".pyenv", "3.11.7", "plugin", like)
    return {
        "away": "3.11.7",
        "base": "3.12.1",
        f"base @{home}/miniforge3": "3.12.2",
        "mm": "3.11.7",
        "rc": "3.11.7",
        "tools": "3.11.7",
        "torch": "3.10.13",
        f"torch @{home}/miniforge3/envs/torch": "3.10.14",
        "vision/default": "3.11.7",
        "vision/gpu": "3.11.7",
        "mine": "3.11.2",
        "pdm-3.11": "3.11.2",
        "pipenv-x1Y2": "3.11.2",
        "plugin": "3.11.7",
        "poetry-py3.11": "3.11.2",
        "runicorn": "3.11.2",
        "wrapped": "3.9.18",
        "nlp/venv": "3.11.2",
        "vision/.venv": "3.11.2",
        "pyenv:3.11.7": "3.11.7",
    }


async def test_every_kind_of_environment_is_found(
    connection: Connection, remote: Sshd, runicorn_env: Prefix, tmp_path: Path
) -> None:
    expected = make_everything(remote.home, runicorn_env("0.6.0"))
    config = {
        "user_root_dir": str(tmp_path),
        "gpu_interval_sec": 2,
        "ssh_connections": [{"password": "canary"}],
        "nested": {"api_token": "canary", "kept": [1]},
    }
    (remote.home / ".config/runicorn").mkdir(parents=True)
    (remote.home / ".config/runicorn/config.json").write_text(json.dumps(config))
    (remote.home / "vision/.runicorn/runs").mkdir(parents=True)
    result = await probe(connection)
    own = [one for one in result.environments if one.type != "system"]
    assert {one.name: one.python_version for one in own} == expected
    assert [one.name for one in own] == list(expected)
    with_runicorn = {one.name for one in own if one.runicorn_version == "0.6.0" and one.runicorn_installed}
    assert with_runicorn == set(expected) - {"nlp/venv"}
    assert {one.storage_root for one in own if one.runicorn_installed} == {str(tmp_path)}
    assert result.config == {"user_root_dir": str(tmp_path), "gpu_interval_sec": 2, "nested": {"kept": [1]}}
    assert result.roots == {str(remote.home / "vision/.runicorn"): 0}
    assert result.home == str(remote.home)
    assert result.server.hostname == os.uname().nodename
    assert result.server.os
    assert result.notes == []
    for one in own:
        done = await connection.run(f"'{one.python_path}' -c 'print(1)'")
        assert done.stdout == b"1\n", one


def test_what_the_real_tools_make_is_found(tmp_path: Path) -> None:
    tools = build("virtualenv", "uv", "pipenv") / "bin"
    project = tmp_path / "in-a-project"
    project.mkdir()
    (project / "Pipfile").write_text("[packages]\n")
    python = str(base_python())
    for command in (
        ["virtualenv", "--quiet", "--python", python, str(tmp_path / ".virtualenvs" / "of-virtualenv")],
        ["uv", "venv", "--quiet", "--offline", "--python", python, str(tmp_path / "of-uv" / ".venv")],
        ["pipenv", "--python", python],
    ):
        subprocess.run(
            [str(tools / command[0]), *command[1:]],
            cwd=project,
            env={"HOME": str(tmp_path), "PATH": f"{tools}:{os.defpath}"},
            capture_output=True,
            check=True,
        )
    result = run_locally(tmp_path, ["/bin/sh"])
    names = [one.name for one in result.environments if one.type == "venv"]
    assert [name.split("-")[:2] for name in names] == [["in", "a"], ["of", "virtualenv"], ["of", "uv/.venv"]]
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert {one.python_version for one in result.environments if one.type == "venv"} == {version}


async def test_the_systems_python_is_found(connection: Connection) -> None:
    result = await probe(connection)
    (version,) = {
        line.split()[1]
        for line in (await connection.run("python3 -V")).stdout.decode().splitlines()
        if line.startswith("Python")
    }
    assert result.server.python_version == version
    assert version in [one.python_version for one in result.environments if one.type == "system"]


async def test_running_viewers_are_found_and_adopted_without_another_command(
    connection: Connection,
    remote: Sshd,
    connect: Connect,
    runicorn_env: Prefix,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (remote.home / ".venvs").mkdir()
    (remote.home / ".venvs" / "r").symlink_to(runicorn_env())
    before = await probe(connection)
    (env,) = [one for one in before.environments if one.name == "r"]
    assert before.viewers == []
    first = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    other = await connect(remote)
    result = await probe(other)
    assert [(one.pid, one.port) for one in result.viewers] == [(first.pid, first.port)]
    assert first.secret.get_secret_value() not in repr(result)

    async def no_command(*_: object, **__: object) -> None:
        raise AssertionError("a command was run")

    monkeypatch.setattr(other, "run", no_command)
    second = await SshViewerClient.start(other, env, None, lease_seconds=60, running=result.viewers)
    assert second.adopted
    assert second.pid == first.pid
    monkeypatch.undo()
    await first.stop(cleanup=True)
    assert await second.stop(cleanup=True)
    assert (await probe(other)).viewers == []


@pytest.mark.parametrize("shell", ["fish", "csh", "zsh"])
async def test_login_shells_of_all_kinds(
    shell: str, make_sshd: Callable[..., Sshd], connect: Connect, runicorn_env: Prefix
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}: apt-get install {shell}")
    server = make_sshd(shell=program)
    virtualenv(server.home / "mine", runicorn_env())
    connection = await connect(server)
    result = await probe(connection)
    (env,) = [one for one in result.environments if one.name == "mine"]
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert (await viewer.logs(10))[1] > 0
    assert await viewer.stop(cleanup=True)


async def test_noise_of_a_shell_does_not_matter(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    (remote.home / ".bashrc").write_text(
        'printf "Welcome\\0env\\0 to\\x1b[31m {}\\n"; echo noise >&2; stty -a\n'
    )
    virtualenv(remote.home / "mine", runicorn_env())
    result = await probe(connection)
    (env,) = [one for one in result.environments if one.name == "mine"]
    viewer = await SshViewerClient.start(connection, env, None, lease_seconds=60)
    assert await viewer.check() == "running"
    assert await viewer.stop(cleanup=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shell": "/usr/sbin/nologin"}, "This account is currently not available."),
        ({"ForceCommand": "echo only backups here"}, "only backups here"),
        ({"password": "x", "password_expired": True, "UsePAM": "yes"}, "Password change required"),
    ],
)
async def test_where_no_command_runs_all_is_null(
    options: dict[str, str], said: str, make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    result = await probe(await connect(make_sshd(**options)))
    assert result.server.model_dump() == {"hostname": None, "os": None, "python_version": None}
    assert result.environments == []
    assert "does not run commands" in result.notes[0]
    assert f"It says: {said}" in result.notes[0]


async def test_what_is_slow_is_cut_and_said(
    make_sshd: Callable[..., Sshd], connect: Connect, runicorn_env: Prefix, tmp_path: Path
) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "python3").chmod(0o755)
    server = make_sshd(SetEnv=f"PATH={tmp_path}:/usr/bin:/bin")
    virtualenv(server.home / "mine", runicorn_env())
    result = await probe(await connect(server), timeout=1)
    assert "mine" in [one.name for one in result.environments]
    assert result.server.python_version is None
    assert "took too long" in result.notes[0]


ODD = [
    "a b",
    "new\nline",
    "tab\tand 'quotes' \"double\"",
    "$(touch INJECTED)`touch INJECTED`;touch INJECTED",
    "back\\slash\\n\\0",
    "-n",
    "*",
    "ünïcödé 环境",
    "\x1b]0;title\x07",
    "%s%n",
    "!history",
]


async def test_odd_names_are_found_whole_and_run(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    prefixes = {str(virtualenv(remote.home / "venvs" / name, runicorn_env())) for name in ODD}
    result = await probe(connection)
    environments = [one for one in result.environments if one.type == "venv"]
    assert {one.prefix for one in environments} == prefixes
    one_of_all = virtualenv(remote.home / "venvs" / "".join(ODD).replace("/", ""), runicorn_env())
    (env,) = [one for one in (await probe(connection)).environments if one.prefix == str(one_of_all)]
    viewer = await SshViewerClient.start(connection, env, env.prefix, lease_seconds=60)
    assert viewer.remote_root == env.prefix
    assert (await viewer.logs(1))[1] > 0
    assert await viewer.stop(cleanup=True)
    for one in environments:
        with pytest.raises(InvalidParameters, match="is not a directory"):
            await SshViewerClient.start(connection, one, "/no/such/folder", lease_seconds=60)
    assert not list(remote.home.rglob("INJECTED"))


async def test_what_is_broken_is_said_to_be(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    home = remote.home
    dangling = virtualenv(home / ".venvs" / "dangling", runicorn_env())
    (dangling / "bin" / "python").unlink()
    (dangling / "bin" / "python").symlink_to("/no/such/python")
    half = virtualenv(home / ".venvs" / "half", runicorn_env())
    (next(half.glob("lib/*/site-packages")) / "runicorn").unlink()
    editable = virtualenv(home / ".venvs" / "editable", runicorn_env())
    site = next(editable.glob("lib/*/site-packages"))
    (site / "runicorn").unlink()
    (site / "__editable__.runicorn-0.7.2.pth").write_text("/src\n")
    (home / ".venvs" / "loop").symlink_to("loop")
    (home / ".venvs" / "file").write_text("")
    (home / ".venvs" / "empty").mkdir()
    (home / ".config/runicorn").mkdir(parents=True)
    (home / ".config/runicorn/config.json").write_text("{")
    result = await probe(connection)
    state = {
        one.name: (one.python_version is not None, one.runicorn_installed)
        for one in result.environments
        if one.type == "venv"
    }
    assert state == {"dangling": (False, False), "half": (True, False), "editable": (True, True)}
    assert result.notes == ["runicorn's config.json on the remote cannot be read."]


def make_state(home: Path) -> Path:
    """Write down this very process as if it were a viewer; return the folder."""
    machine = Machine.here()
    folder = Folder(str(home / ".local" / "state" / "runicorn-jupyter" / machine.folder), machine)
    folder.write(
        "0" * 24,
        {
            "version": STATE_VERSION,
            "host": machine.host,
            "boot": machine.boot,
            "uid": machine.uid,
            "pid": os.getpid(),
            "start_time": start_time(os.getpid()),
            "port": 1234,
            "secret": "s" * 43,
            "prefix": "/e",
            "root": None,
            "runicorn_version": None,
            "folder": folder.path,
            "key": "0" * 24,
        },
    )
    return Path(folder.path)


def share_the_folder(folder: Path) -> None:
    folder.chmod(0o770)


def share_the_folder_above(folder: Path) -> None:
    folder.parent.chmod(0o707)


def give_the_folder_away(folder: Path) -> None:
    os.chown(folder, 12345, -1)


def give_the_state_away(folder: Path) -> None:
    os.chown(next(folder.glob("*.json")), 12345, -1)


def link_the_folder(folder: Path) -> None:
    elsewhere = folder.parent.parent / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


def link_the_folder_above(folder: Path) -> None:
    folder.parent.rename(folder.parent.with_name("elsewhere"))
    folder.parent.symlink_to("elsewhere")


def link_the_state(folder: Path) -> None:
    path = next(folder.glob("*.json"))
    path.rename(path.with_suffix(".x"))
    path.symlink_to(path.with_suffix(".x").name)


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(
    "spoil",
    [
        share_the_folder,
        share_the_folder_above,
        give_the_folder_away,
        give_the_state_away,
        link_the_folder,
        link_the_folder_above,
        link_the_state,
    ],
)
def test_a_state_that_others_could_have_put_there_is_not_adopted(
    shell: str, spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    if spoil.__name__.startswith("give") and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    folder = make_state(tmp_path)
    assert [one.pid for one in run_locally(tmp_path, [shell]).viewers] == [os.getpid()]
    spoil(folder)
    assert run_locally(tmp_path, [shell]).viewers == []


def test_paths_that_are_no_text_are_left_out_and_counted(tmp_path: Path, empty_env: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/venvs/\xff\xfe"
    Path(os.fsdecode(raw)).mkdir(parents=True)
    (tmp_path / "venvs" / "fine").symlink_to(empty_env)
    Path(os.fsdecode(raw), "bin").symlink_to(empty_env / "bin")
    Path(os.fsdecode(raw), "pyvenv.cfg").write_text("version = 3.11\n")
    result = run_locally(tmp_path, ["/bin/sh"])
    assert [one.name for one in result.environments if one.type == "venv"] == ["fine"]
    assert result.notes == ["1 paths are not UTF-8 and are left out."]


@pytest.mark.parametrize(
    "shell", [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"], ["mksh"], ["ksh93"], ["yash"]]
)
def test_every_sh_finds_the_same(shell: list[str], tmp_path: Path, runicorn_env: Prefix) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs {shell[0]}: apt-get install {shell[0]}")
    expected = make_everything(tmp_path, runicorn_env("0.5.0"))
    result = run_locally(tmp_path, [str(shutil.which(shell[0])), *shell[1:]])
    own = [one for one in result.environments if one.type != "system"]
    assert {one.name: one.python_version for one in own} == expected
    assert {one.runicorn_version for one in own} == {"0.5.0", None}
    assert result.server.python_version
    assert result.notes == []


def test_the_sessions_variables_count(tmp_path: Path, runicorn_env: Prefix) -> None:
    env = conda_env(tmp_path / "c", runicorn_env())
    (env / "conda-meta" / "state").write_text(json.dumps({"env_vars": {"RUNICORN_DIR": "/of/conda"}}))
    virtualenv(tmp_path / "work" / "v", runicorn_env())
    variables = {
        "RUNICORN_DIR": "/of/session",
        "CONDA_PREFIX": str(env),
        "VIRTUAL_ENV": str(tmp_path / "work" / "v"),
        "CDPATH": str(tmp_path),
        "IFS": "/",
    }
    result = run_locally(tmp_path, ["/bin/sh"], **variables)
    roots = {one.name: one.storage_root for one in result.environments if one.runicorn_installed}
    assert roots == {"c": "/of/conda", "v": "/of/session"}


def test_a_hundred_environments_need_no_process_each(tmp_path: Path, empty_env: Path) -> None:
    for number in range(100):
        virtualenv(tmp_path / ".virtualenvs" / f"env-{number:03}", None)
    if shutil.which("strace") is None:
        result = run_locally(tmp_path, ["/bin/sh"])
    else:
        log = tmp_path / "strace.log"
        result = run_locally(tmp_path, ["strace", "-f", "-e", "trace=process", "-o", str(log), "/bin/sh"])
        started = [line for line in log.read_text().splitlines() if "execve(" in line]
        assert len(started) < 8, started
    assert len([one for one in result.environments if one.type == "venv"]) == 100


def test_more_than_the_limit_is_said(tmp_path: Path) -> None:
    for number in range(4):
        virtualenv(tmp_path / ".virtualenvs" / f"env-{number}", None)
    done = subprocess.run(
        ["/bin/sh", "-s"],
        input=shell_input("probe.sh", mark="m", most="3", known="", wanted=""),
        env={"HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        check=True,
    )
    result = parse(done.stdout, "m")
    assert len([one for one in result.environments if one.type == "venv"]) == 3
    assert result.notes == ["Only the first 500 environments are listed."]


@given(st.lists(st.binary(max_size=12) | st.sampled_from([b"env", b"dist", b"viewer", b"config", b"end"])))
def test_whatever_is_answered_is_read_or_left(fields: list[bytes]) -> None:
    result = parse(b"noise\nm\0" + b"\0".join(fields), "m")
    assert len({one.name for one in result.environments}) == len(result.environments)


@given(st.binary(max_size=200))
def test_no_answer_is_no_knowledge(output: bytes) -> None:
    assert parse(output, "0" * 32).environments == []


async def test_what_is_named_by_its_path_is_looked_at(
    connection: Connection, remote: Sshd, runicorn_env: Prefix
) -> None:
    place = remote.home / "deep" / "down" / "apps $(touch INJECTED)" / "3.11"
    pyenv_version(remote.home / "unused", "3.11.7", runicorn_env())
    place.parent.mkdir(parents=True)
    (remote.home / "unused" / "versions" / "3.11.7").rename(place)
    (place / "bin" / "mine").symlink_to("python")
    assert "3.11" not in [one.name for one in (await probe(connection)).environments]
    for wanted, python in ((place, "python"), (place / "bin" / "mine", "mine")):
        found = await probe(connection, wanted=str(wanted))
        assert found.named == str(place)
        (named,) = [one for one in found.environments if one.prefix == str(place)]
        assert named.python_path == str(place / "bin" / python)
        assert named.runicorn_installed
        assert named.type == "system"
    listed = await probe(connection, wanted="/usr/bin/python3")
    assert "usr" not in [one.name for one in listed.environments]
    assert (await probe(connection, wanted="/no/such/python")).named == ""
    assert not list(remote.home.rglob("INJECTED"))
