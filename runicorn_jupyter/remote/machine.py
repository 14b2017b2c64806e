"""What ``payload/machine.sh`` tells of a machine: its records, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from runicorn_jupyter import models as m
from runicorn_jupyter.remote.accelerators import Use, read_accelerators
from runicorn_jupyter.streams import END, End
from runicorn_jupyter.text import mask_secrets, plain_text

__all__ = ["MAX_TEXT_BYTES", "MachineStream", "MachineTexts", "OddMachine", "RunProcess", "describe_parts"]

MAX_TEXT_BYTES = 2**16
"""Of one text: eight accelerators' table has 4 KiB."""
_OF_MACHINE = {"facts", "cpu", "load", "memory", "disk", "stats", "processes", "looked"}
_OF_ACCELERATORS = {"nvidia", "nvidia_use", "nvidia_apps", "amd", "amd_nodes", "amd_apps", "ascend"}
_TAGS = _OF_MACHINE | _OF_ACCELERATORS
"""What ``machine.sh`` says: ``looked`` ends a round, of the machine or of its accelerators."""
_LONG = {f"{tag}+" for tag in _TAGS - {"looked"}}
"""A part of a text; the rest follows by the same tag."""
_MAX_PARTS = 256
_LAUNCHER = re.compile(r"torchrun|torch\.distributed|accelerate|deepspeed|mpirun|mpiexec|srun|horovodrun")
_COMMAND = 512
_MAX_PROCESSES = 1024
_MAX_DEPTH = 16
_KIB = 1024


class OddMachine(ValueError):
    """What came is not what ``machine.sh`` tells."""


@dataclass(frozen=True)
class RunProcess:
    """The process that logs a run.

    Parameters
    ----------
    run
        Its key.
    pid
        The process's id on the run's server.
    began
        When the run began, in seconds since 1970 by the server's clock: a process that is younger has got
        the pid of another.
    """

    run: m.RunKey
    pid: int
    began: float


class MachineTexts:
    """Takes the records apart, however the bytes are split, and keeps the last text of each tag.

    Attributes
    ----------
    texts
        By tag.
    looked
        Of what a round has ended, at any time.
    news
        Of what a round has ended since the caller emptied it.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.looked: set[str] = set()
        self.news: set[str] = set()
        self._buffer = bytearray()
        self._searched = 0
        self._tag: str | None = None
        self._parts: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> list[str]:
        """Take what came.

        Returns
        -------
        list of str
            The tags of the records that it completes, in order.

        Raises
        ------
        OddMachine
            If a tag is unknown, or a text too long.
        """
        self._buffer += data
        complete: list[str] = []
        at = 0
        while (end := self._buffer.find(b"\0", max(at, self._searched))) >= 0:
            self._take(bytes(self._buffer[at:end]), complete)
            at = self._searched = end + 1
        del self._buffer[:at]
        self._searched = len(self._buffer)
        if self._searched > MAX_TEXT_BYTES:
            raise OddMachine("a text that is too long")
        return complete

    @property
    def size(self) -> int:
        """How many characters the texts have together."""
        return sum(map(len, self.texts.values()))

    def _take(self, piece: bytes, complete: list[str]) -> None:
        if len(piece) > MAX_TEXT_BYTES:
            raise OddMachine("a text that is too long")
        text = piece.decode("utf-8", "replace").replace("\x1e", "\n")
        if self._tag is None:
            if text not in _TAGS and text not in _LONG:
                raise OddMachine("an unknown record")
            self._tag = text
            return
        tag, self._tag = self._tag, None
        if tag in _LONG:
            parts = self._parts.setdefault(tag, [])
            parts.append(text)
            if len(parts) > _MAX_PARTS or sum(map(len, parts)) > MAX_TEXT_BYTES:
                raise OddMachine("a text that is too long")
            return
        if tag == "looked":
            if text not in ("machine", "accelerators"):
                raise OddMachine("an unknown round")
            self.looked.add(text)
            self.news.add(text)
        else:
            self.texts[tag] = "\n".join([*self._parts.pop(f"{tag}+", ()), text])
        complete.append(tag)


class Talk(Protocol):
    """The script's output and input, such as a `Conversation`."""

    async def read(self) -> bytes | End:
        """Return what has arrived, at least one byte; `END` after the last."""

    async def write(self, data: bytes, /) -> None:
        """Send some input."""


class MachineStream:
    """What ``machine.sh`` tells.

    Parameters
    ----------
    stream
        The script's output and input.

    Attributes
    ----------
    texts
        What was told so far.
    """

    def __init__(self, stream: Talk) -> None:
        self.texts = MachineTexts()
        self._stream = stream

    async def read(self) -> bool:
        """Wait for more; return whether there is some, False at the end.

        Raises
        ------
        OddMachine
            If it is not what the script tells.
        """
        data = await self._stream.read()
        if data is END:
            return False
        self.texts.feed(data)
        return True

    async def beat(self) -> None:
        """Prolong the script's lease."""
        await self._stream.write(b"\n")


@dataclass
class _Process:
    parent: int
    start: int
    user: str | None = None
    command: str | None = None


def describe_parts(
    texts: Mapping[str, str], runs: Iterable[RunProcess]
) -> tuple[m.MachineCpu, m.MachineMemory, m.MachineDisk | None, list[m.Gpu]]:
    """Say what is known of a machine.

    Time and memory are linear in what the texts hold.

    Parameters
    ----------
    texts
        `MachineTexts.texts`.
    runs
        The processes of the runs that its viewer knows.
    """
    facts = texts.get("facts", "").split()
    count, account = (facts[0], facts[1]) if len(facts) > 1 else ("", None)
    cpu = m.MachineCpu(
        count=_integer(count), used_percent=_float(texts.get("cpu", "")), load1=_float(texts.get("load", ""))
    )
    sizes = [_integer(word) for word in texts.get("memory", "").split()]
    total, available = (sizes[0], sizes[1]) if len(sizes) == 2 else (None, None)
    used = max(0, total - available) * _KIB if total is not None and available is not None else None
    memory = m.MachineMemory(total=None if total is None else total * _KIB, used=used)
    clock = None
    if len(facts) == 4 and (boot := _integer(facts[2])) and (ticks := _integer(facts[3])):
        clock = _Clock(boot, ticks)
    return cpu, memory, _disk(texts.get("disk", "")), _gpus(texts, runs, account, clock)


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _float(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,4})?", text.strip()) else None


def _disk(text: str) -> m.MachineDisk | None:
    """Read the last line of ``df -kP``: blocks, used, available, capacity, and where it is mounted."""
    lines = text.strip().splitlines()
    found = (
        re.search(r"\s([0-9]{1,18})\s+[0-9]{1,18}\s+(-?[0-9]{1,18})\s+\S{1,8}\s(/.*)$", lines[-1][-8192:])
        if lines
        else None
    )
    if found is None:
        return None
    return m.MachineDisk(
        path=plain_text(found[3], limit=4096),
        total=int(found[1]) * _KIB,
        free=max(0, int(found[2])) * _KIB,
    )


def _processes(texts: Mapping[str, str]) -> dict[int, _Process]:
    words = texts.get("stats", "").split()[: 3 * _MAX_PROCESSES]
    found: dict[int, _Process] = {}
    for pid, parent, start in zip(*[iter(words)] * 3, strict=False):
        numbers = [_integer(word) for word in (pid, parent, start)]
        if None not in numbers:
            found[int(pid)] = _Process(int(parent), int(start))
    for line in texts.get("processes", "").splitlines()[:_MAX_PROCESSES]:
        parts = line.split(None, 2)
        process = found.get(_integer(parts[0]) or 0) if parts else None
        if process is not None and len(parts) == 3:
            process.user = plain_text(parts[1], limit=64)
            process.command = mask_secrets(plain_text(parts[2], limit=2 * _COMMAND))[:_COMMAND]
    return found


def _above(pid: int, processes: Mapping[int, _Process]) -> list[int]:
    """List a process and all above it, the process first."""
    line: list[int] = []
    while pid in processes and pid not in line and len(line) < _MAX_DEPTH:
        line.append(pid)
        pid = processes[pid].parent
    return line


@dataclass(frozen=True)
class _Clock:
    """A server's count of ticks from its start on (proc(5): ``btime``, ``starttime``)."""

    boot: int
    ticks_per_second: int

    def at(self, ticks: int) -> float:
        """Return the time in seconds since 1970; ``btime`` has whole seconds, so it may be a second late."""
        return self.boot + ticks / self.ticks_per_second - 1


def _gpus(
    texts: Mapping[str, str], runs: Iterable[RunProcess], account: str | None, clock: _Clock | None
) -> list[m.Gpu]:
    accelerators = read_accelerators(texts)
    processes = _processes(texts)
    of_pid = {run.pid: run for run in runs}

    def own(pid: int) -> m.RunKey | None:
        """Find the run of a process, or of the nearest above it."""
        for each in _above(pid, processes):
            run = of_pid.get(each)
            if run is not None and clock is not None and clock.at(processes[each].start) <= run.began:
                return run.run
        return None

    # Of a launcher's workers one logs the run; the others are its too.
    owners = {use.pid: own(use.pid) for one in accelerators for use in one.uses}
    launchers = {pid: _launcher(pid, processes) for pid in owners}
    of_launcher: dict[int, m.RunKey] = {}
    for pid, key in owners.items():
        if key is not None and (launcher := launchers[pid]) is not None:
            of_launcher.setdefault(launcher, key)

    def process(use: Use) -> m.GpuProcess:
        known = processes.get(use.pid)
        launcher = launchers[use.pid]
        run = owners[use.pid] or (of_launcher.get(launcher) if launcher is not None else None)
        user = known.user if known else None
        return m.GpuProcess(
            pid=use.pid,
            user=user,
            command=known.command if known else None,
            memory=use.memory,
            mine=None if user is None or account is None else _same_user(user, account),
            run=run,
        )

    return [
        m.Gpu(
            index=one.index,
            uuid=one.uuid,
            name=one.name,
            vendor=one.vendor,
            used_percent=one.used_percent,
            memory_total=one.memory_total,
            memory_used=one.memory_used,
            temperature_c=one.temperature_c,
            power_w=one.power_w,
            processes=[process(use) for use in one.uses],
        )
        for one in accelerators
    ]


def _same_user(user: str, account: str) -> bool:
    """Compare with ``ps``'s word, which cuts a long name and marks that by a plus (procps)."""
    return user == account or (user.endswith("+") and len(user) > 1 and account.startswith(user[:-1]))


def _launcher(pid: int, processes: Mapping[int, _Process]) -> int | None:
    for each in _above(pid, processes)[1:]:
        if _LAUNCHER.search(processes[each].command or ""):
            return each
    return None
