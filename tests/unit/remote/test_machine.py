"""The records of ``machine.sh``, split at every byte, and what they mean."""

from __future__ import annotations

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.remote.machine import (
    MAX_TEXT_BYTES,
    MachineTexts,
    OddMachine,
    RunProcess,
    describe_parts,
)

BOOT, TICKS = 1_000_000, 100
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a b 1000 400 -5 40% /data disk\n"
GPUS = {"nvidia": "0, GPU-a, A100, 81920\n1, GPU-b, A100, 81920", "nvidia_use": "0, 1, 2, 3, 4"}
RUN = m.RunKey(connection_id="c", run_id="r")


def records(**texts: str) -> bytes:
    return b"".join(f"{tag}\0{text}\0".encode() for tag, text in texts.items())


def test_records_however_they_are_split() -> None:
    data = records(cpu="5", load="0.10", looked="machine")
    for cut in range(len(data) + 1):
        texts = MachineTexts()
        complete = [*texts.feed(data[:cut]), *texts.feed(data[cut:])]
        assert complete == ["cpu", "load", "looked"]
        assert (texts.texts, texts.looked) == ({"cpu": "5", "load": "0.10"}, {"machine"})


def test_a_text_in_parts_with_other_records_between() -> None:
    data = b"disk+\0a\x1ea\0cpu\x005\0disk+\0b\0nvidia+\0x\0disk\0c\0nvidia\0y\0disk\0d\0"
    for cut in range(len(data) + 1):
        texts = MachineTexts()
        complete = texts.feed(data[:cut])
        assert texts.texts.get("disk") == {0: None, 1: "a\na\nb\nc", 2: "d"}[complete.count("disk")]
        assert [*complete, *texts.feed(data[cut:])] == ["cpu", "disk", "nvidia", "disk"]
        assert texts.texts == {"cpu": "5", "disk": "d", "nvidia": "x\ny"}


@pytest.mark.parametrize(
    "data",
    [
        b"what\0is\0",
        b"looked+\0machine\0",
        b"disk+\0\0" * 257,
        (b"disk+\0" + b"x" * 40_000 + b"\0") * 2,
        b"looked\0elsewhere\0",
        b"x" * (MAX_TEXT_BYTES + 1),
        b"cpu\0" + b"1" * (MAX_TEXT_BYTES + 1) + b"\0",
    ],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(OddMachine):
        MachineTexts().feed(data)


def test_a_machine() -> None:
    texts = {"facts": f"8 ada {BOOT} {TICKS}", "cpu": "12", "load": "0.52", "memory": "1000 400", "disk": DF}
    cpu, memory, disk, gpus = describe_parts(texts, [])
    assert (cpu.count, cpu.used_percent, cpu.load1) == (8, 12, 0.52)
    assert (memory.total, memory.used) == (1024000, 600 * 1024)
    assert disk is not None
    assert (disk.path, disk.total, disk.free) == ("/data disk", 1024000, 0)
    assert gpus == []


@pytest.mark.parametrize("text", ["", "nan", "-1", "1 2 3", "\x00", "9" * 400, "df: /data: No such file"])
def test_what_cannot_be_read_is_not_known(text: str) -> None:
    cpu, memory, disk, gpus = describe_parts(
        {"facts": text, "cpu": text, "load": text, "memory": text, "disk": text, "stats": text}, []
    )
    assert (cpu.used_percent, memory.total, memory.used, disk, gpus) == (None, None, None, None, [])


def stats(*processes: tuple[int, int, int]) -> str:
    """Say pid, parent, and seconds after the start of the machine."""
    return " ".join(f"{pid} {parent} {seconds * TICKS}" for pid, parent, seconds in processes)


def owners(
    apps: str, of: str, commands: str = "", began: float = BOOT + 50, pid: int = 10
) -> list[m.RunKey | None]:
    texts = {
        **GPUS,
        "facts": f"8 ada {BOOT} {TICKS}",
        "nvidia_apps": apps,
        "stats": of,
        "processes": commands,
    }
    gpus = describe_parts(texts, [RunProcess(RUN, pid, began)])[3]
    return [process.run for gpu in gpus for process in gpu.processes]


def test_a_run_s_process_and_its_children_are_the_run_s() -> None:
    assert owners("GPU-a, 10, 1", stats((10, 1, 40))) == [RUN]
    assert owners("GPU-a, 12, 1", stats((12, 11, 60), (11, 10, 55), (10, 1, 40))) == [RUN]
    assert owners("GPU-a, 12, 1", stats((12, 1, 60))) == [None]


def test_a_pid_that_another_process_has_now_is_not_the_run_s() -> None:
    assert owners("GPU-a, 10, 1", stats((10, 1, 400))) == [None]
    assert owners("GPU-a, 10, 1", "") == [None]


def test_a_launcher_s_workers_are_its_run_s() -> None:
    of = stats((10, 9, 40), (11, 9, 40), (9, 1, 30))
    apps = "GPU-a, 10, 1\nGPU-b, 11, 1"
    assert owners(apps, of, "9 ada /env/bin/python -m torch.distributed.run train.py") == [RUN, RUN]
    assert owners(apps, of, "9 ada bash") == [RUN, None]


def test_a_circle_of_parents_ends() -> None:
    assert owners("GPU-a, 5, 1", stats((5, 6, 1), (6, 5, 1))) == [None]


def test_who_it_is_and_what_they_run_without_secrets() -> None:
    texts = {
        **GPUS,
        "facts": f"8 averylongname {BOOT} {TICKS}",
        "nvidia_apps": "GPU-a, 10, 1\nGPU-a, 11, 2\nGPU-b, 12, 3",
        "stats": stats((10, 1, 1), (11, 1, 1)),
        "processes": "10 averylo+ python t.py --api-token hf_x --lr=1\n11 bob env WANDB_API_KEY=k git clone https://u:p@h/r\n",
    }
    first, second, third = (p for gpu in describe_parts(texts, [])[3] for p in gpu.processes)
    assert (first.user, first.mine) == ("averylo+", True)
    assert first.command == "python t.py --api-token *** --lr=1"
    assert (second.user, second.mine) == ("bob", False)
    assert second.command == "env WANDB_API_KEY=*** git clone https://u:***@h/r"
    assert (third.user, third.command, third.mine, third.memory) == (None, None, None, 3 * 2**20)
