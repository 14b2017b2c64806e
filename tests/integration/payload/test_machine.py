"""What looks at a machine: in each shell, with what vendors' programs print, and gone when nobody listens."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.remote.accelerators import trouble
from runicorn_jupyter.remote.bundle import shell_input
from runicorn_jupyter.remote.host_client import SshHost
from runicorn_jupyter.remote.machine import MachineTexts, RunProcess, describe_parts
from tests.world.connections import Connect
from tests.world.gpus import nvidia_smi
from tests.world.sshd import Sshd

SHELLS = ["dash", "bash", "busybox sh", "mksh", "ksh93", "yash", "zsh --emulate sh"]


@contextmanager
def looking(shell: str, folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the script in a session of its own."""
    given = {"root": str(folder), "period": "1", "lease": "3", "patience": "10"}
    script = shell_input("machine.sh", **given | {"proc": "/proc", "sys": "/sys"} | variables)
    process = subprocess.Popen(
        [*shell.split(), "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
    )
    assert process.stdin is not None
    process.stdin.write(script)
    process.stdin.flush()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        with process.stdout, suppress(BrokenPipeError):
            process.stdin.close()


def told(process: subprocess.Popen[bytes]) -> MachineTexts:
    """Read until all was looked at."""
    texts = MachineTexts()
    assert process.stdout is not None
    while texts.looked != {"machine", "accelerators"} or "disk" not in texts.texts:
        data = os.read(process.stdout.fileno(), 65536)
        assert data, texts.texts
        texts.feed(data)
    return texts


def rest(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """List what is left of the script's session."""

    def is_rest(each: psutil.Process) -> bool:
        try:
            return os.getsid(each.pid) == process.pid and each.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    return [each for each in psutil.process_iter() if is_rest(each)]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_in_each_shell_and_nothing_is_left(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell.split(maxsplit=1)[0]) is None:
        pytest.skip(f"no {shell} on this machine")
    nvidia_smi(tmp_path, os.getpid())
    own = psutil.Process()
    with looking(shell, tmp_path) as process:
        texts = told(process)
        run = RunProcess(m.RunKey(connection_id="c", run_id="r"), os.getpid(), own.create_time() + 2)
        cpu, memory, disk, gpus = describe_parts(texts.texts, [run])
        assert cpu.count == os.cpu_count()
        assert cpu.used_percent is not None
        assert memory.total == psutil.virtual_memory().total
        assert disk is not None
        assert disk.total == pytest.approx(shutil.disk_usage(tmp_path).total, abs=1024)
        (gpu,) = gpus
        assert (gpu.used_percent, gpu.memory_used, gpu.power_w) == (43, 10 * 2**30, 250.12)
        (user,) = gpu.processes
        assert (user.pid, user.user, user.mine, user.run) == (os.getpid(), own.username(), True, run.run)
        assert "python" in (user.command or "")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
        psutil.wait_procs(rest(process), timeout=30)
        assert rest(process) == []


LONG_APPS = """#!/bin/sh
case $* in
*index,uuid*) echo "0, GPU-a, A100, 81920" ;;
*utilization*) echo "0, 5, 1000, 45, 250.12" ;;
*) seq 1000000 1000999 | sed "s/$/, of 10 GB, $(date +%N)/; s/^/GPU-a, /" ;;
esac
"""
LONG_DF = """#!/bin/sh
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
seq 200 | sed "s|$| $(date +%N) a name as long as those that automount makes on a cluster with many users|"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_long_text_stays_whole_whoever_writes_beside_it(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell.split(maxsplit=1)[0]) is None:
        pytest.skip(f"no {shell} on this machine")
    nvidia_smi(tmp_path, 0, LONG_APPS)
    (tmp_path / "df").write_text(LONG_DF)
    (tmp_path / "df").chmod(0o755)
    with looking(shell, tmp_path, period="0.01", lease="100000") as process:
        assert process.stdout is not None
        # As full as it can be: what does not fit in at once is where another's may come between.
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 4096)
        texts, lines = MachineTexts(), {"disk": 201, "nvidia_apps": 1000}
        left = dict.fromkeys(lines, 8)
        while any(count > 0 for count in left.values()):
            for tag in texts.feed(os.read(process.stdout.fileno(), 4096)):
                if tag in lines:
                    left[tag] -= 1
                    assert len(texts.texts[tag].splitlines()) == lines[tag]


def test_more_processes_than_can_be_told(tmp_path: Path) -> None:
    """Each has a command line as long as can be: what does not fit is not known, and nothing is half told."""
    filler = "x" * 2000
    commands = [
        subprocess.Popen(["sh", "-c", "read line; :", str(number), filler], stdin=subprocess.PIPE)
        for number in range(80)
    ]
    try:
        apps = "\n".join(f"GPU-a, {each.pid}, 10" for each in commands)
        nvidia_smi(
            tmp_path,
            0,
            "#!/bin/sh\ncase $* in *index,uuid*) echo '0, GPU-a, A100, 81920' ;;"
            f" *utilization*) echo '0, 5, 1000, 45, 1' ;; *) echo '{apps}' ;; esac\n",
        )
        with looking("sh", tmp_path) as process:
            texts = told(process).texts
        assert len(texts["processes"]) > 50_000
        (gpu,) = describe_parts(texts, [])[3]
        assert {each.pid for each in gpu.processes} == {each.pid for each in commands}
        assert 40 < sum(each.command is not None for each in gpu.processes) < 80
        assert {each.command[:14] for each in gpu.processes if each.command} == {"sh -c read lin"}
    finally:
        for each in commands:
            each.communicate()


def test_it_ends_by_itself_where_nobody_prolongs_it(tmp_path: Path) -> None:
    with looking("sh", tmp_path) as process:
        assert process.wait(60) == 0
        psutil.wait_procs(rest(process), timeout=30)
        assert rest(process) == []


def test_what_is_as_it_was_is_not_told_again(tmp_path: Path) -> None:
    log = nvidia_smi(tmp_path, os.getpid())
    with looking("sh", tmp_path, period="0.1", lease="40") as process:
        told(process)
        assert process.stdout is not None
        later = process.stdout.read()
    assert b"GPU-a" not in later
    assert len(log.read_text().splitlines()) > 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#!/bin/sh\necho 'Unable to determine the device handle'\nexit 15\n", "Unable to determine"),
        ("#!/bin/sh\nexec sleep 1000\n", "hangs"),
    ],
)
def test_a_driver_that_fails_leaves_the_rest_as_it_is(text: str, said: str, tmp_path: Path) -> None:

    nvidia_smi(tmp_path, 0, text)
    with looking("sh", tmp_path, lease="60", patience="1") as process:
        texts = told(process)
        assert said in (trouble(texts.texts) or "")
        assert "memory" in texts.texts


def test_amd_by_its_sysfs(tmp_path: Path) -> None:
    device = tmp_path / "sys/class/drm/card1/device"
    files = {
        "mem_info_vram_total": 2**36, "mem_info_vram_used": 2**30, "gpu_busy_percent": 12,
        "unique_id": "f8a2", "hwmon/hwmon3/temp1_input": 45000, "drm/renderD128/dev": 1,
    }  # fmt: skip
    kfd = tmp_path / "sys/class/kfd/kfd"
    node = {kfd / "topology/nodes/1/gpu_id": 777, kfd / "topology/nodes/1/properties": "drm_render_minor 128"}
    of_process = {kfd / f"proc/{os.getpid()}/vram_777": 4096}
    for path, value in ({device / name: value for name, value in files.items()} | node | of_process).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    with looking("sh", tmp_path, sys=str(tmp_path / "sys")) as process:
        gpus = describe_parts(told(process).texts, [])[3]
    (gpu,) = gpus
    assert (gpu.vendor, gpu.uuid, gpu.used_percent, gpu.temperature_c) == ("amd", "f8a2", 12, 45)
    assert [(each.pid, each.memory) for each in gpu.processes] == [(os.getpid(), 4096)]


async def test_over_ssh_and_gone_with_who_listened(remote: Sshd, connect: Connect) -> None:
    connection = await connect(remote)
    async with SshHost(connection).watch_machine("") as said:
        while said.texts.looked != {"machine", "accelerators"}:
            assert await said.read()
    await connection.close()
    assert await asyncio.to_thread(remote.left) == []
