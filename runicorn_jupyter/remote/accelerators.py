"""What the vendors' programs and drivers say of accelerators, as the models have it.

Sources: ``nvidia-smi --help-query-gpu`` and ``--help-query-compute-apps`` (CSV without header and units,
memory in MiB); the kernel's documentation of amdgpu (sysfs: bytes, millidegrees Celsius, microwatts) and
amdkfd; the table of Ascend's ``npu-smi info`` (memory in MB of 2**20 bytes). All of it is another machine's:
what cannot be read is None, and nothing here raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["MAX_GPUS", "MAX_PROCESSES", "Accelerator", "Use", "read_accelerators", "trouble"]

MAX_GPUS, MAX_PROCESSES = 64, 256
"""Accelerators of a machine that count, and processes of one."""
MIB = 2**20
_NAME = 128
_FAILED = re.compile(r"^failed (\d{1,3})$")
_TIMED_OUT = 124
"""The exit status of ``timeout`` (coreutils) for a program that it ended."""


@dataclass
class Use:
    """A process on an accelerator; memory in bytes."""

    pid: int
    memory: int | None


@dataclass
class Accelerator:
    """An accelerator; memory in bytes, degrees Celsius, watts."""

    index: int
    vendor: str
    name: str | None = None
    uuid: str | None = None
    used_percent: float | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    uses: list[Use] = field(default_factory=list)


def read_accelerators(texts: Mapping[str, str]) -> list[Accelerator]:
    """Read all accelerators of a machine.

    Parameters
    ----------
    texts
        What ``payload/machine.sh`` tells, by tag.
    """
    found = [*_nvidia(texts), *_amd(texts), *_ascend(texts.get("ascend", ""))]
    return found[:MAX_GPUS]


def trouble(texts: Mapping[str, str]) -> str | None:
    """Say what hinders a vendor's program, in its own words; None if nothing does.

    Parameters
    ----------
    texts
        What ``payload/machine.sh`` tells, by tag.
    """
    for tag in ("nvidia", "nvidia_use", "nvidia_apps", "ascend"):
        lines = [line.strip() for line in texts.get(tag, "").splitlines() if line.strip()]
        failed = _FAILED.match(lines[-1]) if lines else None
        if failed is None:
            continue
        program = "npu-smi" if tag == "ascend" else "nvidia-smi"
        if int(failed[1]) == _TIMED_OUT:
            return f"{program} does not answer there: its driver hangs."
        words = plain_text(lines[0] if len(lines) > 1 else "", limit=200)
        if words.startswith("No devices were found"):
            continue
        return f'{program} fails there: "{words}"' if words else f"{program} fails there."
    return None


def _rows(text: str, columns: int) -> Iterator[list[str]]:
    """Yield the lines of a CSV that have so many columns; the programs quote nothing."""
    for line in text.splitlines()[: MAX_GPUS * MAX_PROCESSES]:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == columns:
            yield cells


def _number(text: str, factor: float = 1.0) -> float | None:
    """Read a finite number ≥ 0 of up to 20 characters; None for ``[N/A]`` and the like."""
    text = text.strip()
    if not re.fullmatch(r"\d{1,18}(?:\.\d{1,6})?", text):
        return None
    return float(text) * factor


def _bytes(text: str, unit: int = 1) -> int | None:
    number = _number(text, unit)
    return None if number is None else int(number)


def _percent(text: str) -> float | None:
    number = _number(text)
    return number if number is not None and number <= 100 else None


def _index(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,4}", text) else None


def _nvidia(texts: Mapping[str, str]) -> list[Accelerator]:
    found: dict[int, Accelerator] = {}
    for index, uuid, name, total in _rows(texts.get("nvidia", ""), 4):
        number = _index(index)
        if number is not None:
            found[number] = Accelerator(
                number,
                "nvidia",
                name=plain_text(name, limit=_NAME),
                uuid=plain_text(uuid, limit=_NAME),
                memory_total=_bytes(total, MIB),
            )
    for index, used, memory, temperature, power in _rows(texts.get("nvidia_use", ""), 5):
        number = _index(index)
        one = found.get(number) if number is not None else None
        if one is not None:
            one.used_percent, one.memory_used = _percent(used), _bytes(memory, MIB)
            one.temperature_c, one.power_w = _number(temperature), _number(power)
    of_uuid = {one.uuid: one for one in found.values()}
    for uuid, pid, memory in _rows(texts.get("nvidia_apps", ""), 3):
        _add(of_uuid.get(plain_text(uuid, limit=_NAME)), pid, _bytes(memory, MIB))
    return list(found.values())


def _add(one: Accelerator | None, pid: str, memory: int | None) -> None:
    """Add a process; MPS and MIG name one several times, whose memory counts together."""
    if one is None or not re.fullmatch(r"\d{1,10}", pid):
        return
    for use in one.uses:
        if use.pid == int(pid):
            use.memory = None if use.memory is None or memory is None else use.memory + memory
            return
    if len(one.uses) < MAX_PROCESSES:
        one.uses.append(Use(int(pid), memory))


def _amd(texts: Mapping[str, str]) -> list[Accelerator]:
    found: list[Accelerator] = []
    of_render: dict[str, Accelerator] = {}
    for line in texts.get("amd", "").splitlines():
        cells = line.split("|")
        if len(cells) < 8 or _index(cells[0]) is None:
            continue
        _, uuid, name, total, used, busy, temperature, power, *renders = cells
        one = Accelerator(
            len(found),
            "amd",
            name=plain_text(name, limit=_NAME) or None,
            uuid=plain_text(uuid, limit=_NAME) or None,
            used_percent=_percent(busy),
            memory_total=_bytes(total),
            memory_used=_bytes(used),
            temperature_c=_number(temperature, 1e-3),
            power_w=_number(power, 1e-6),
        )
        found.append(one)
        of_render.update(dict.fromkeys(renders, one))
    of_node = {
        node: of_render[render]
        for node, render in _groups(texts.get("amd_nodes", ""), 2)
        if render in of_render
    }
    for pid, node, memory in _groups(texts.get("amd_apps", ""), 3):
        _add(of_node.get(node), pid, _bytes(memory))
    return found


def _groups(text: str, size: int) -> Iterable[tuple[str, ...]]:
    """Cut words into groups of so many."""
    words = text.split()[: size * MAX_GPUS * MAX_PROCESSES]
    return zip(*[iter(words)] * size, strict=False)


def _ascend(text: str) -> list[Accelerator]:
    """Read a table whose rows are told apart by what their cells hold.

    An accelerator has two: number and name, health, power and temperature; then chip, bus, use and memory. A
    process has one: number and chip, pid, name, memory.
    """
    found: dict[int, Accelerator] = {}
    named: Accelerator | None = None
    for line in text.splitlines()[: MAX_GPUS * MAX_PROCESSES]:
        cells = [cell.split() for cell in line.strip()[:256].strip("|").split("|")]
        number = _index(cells[0][0]) if cells[0] else None
        if number is None:
            continue
        if len(cells) == 4 and len(cells[1]) == len(cells[3]) == 1:
            _add(found.get(number), cells[1][0], _bytes(cells[3][0], MIB))
        elif len(cells) == 3 and named is not None:
            named.used_percent = _percent(cells[2][0]) if cells[2] else None
            # Pairs of used and whole; with HBM, the first is the memory of the chip's own processors.
            sizes = [word for word in cells[2][1:] if word != "/"][-2:]
            if len(sizes) == 2:
                named.memory_used, named.memory_total = _bytes(sizes[0], MIB), _bytes(sizes[1], MIB)
            named = None
        elif len(cells) == 3 and len(cells[0]) > 1 and len(cells[2]) > 1:
            name, (power, temperature) = " ".join(cells[0][1:]), cells[2][:2]
            named = Accelerator(
                number,
                "ascend",
                name=plain_text(name, limit=_NAME),
                power_w=_number(power),
                temperature_c=_number(temperature),
            )
            found[number] = named
    return list(found.values())
