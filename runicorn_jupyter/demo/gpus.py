"""Stand-ins for ``nvidia-smi`` on the demo's servers, which print what the real program would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DemoGpu", "write_nvidia_smi"]

_SCRIPT = """#!/bin/sh
# Written by runicorn_jupyter.demo at each start: there is no GPU, these numbers are made up.
wave=$(($(date +%s) % 13))
case $* in
*name,utilization.gpu*)
{page} ;;
*name,memory.total*)
{names} ;;
*utilization.gpu*)
{uses} ;;
*query-compute-apps*)
{processes} ;;
esac
"""


@dataclass(frozen=True)
class DemoGpu:
    """A GPU that is none.

    Parameters
    ----------
    name
        Of its model.
    total, used
        Its memory in MiB.
    busy
        Percent; a little more now and then, if it is not 0.
    pid
        Of the process that uses it; None: nobody, or somebody whom the server does not show.
    """

    name: str
    total: int
    used: int = 4
    busy: int = 0
    pid: int | None = None


def write_nvidia_smi(folder: Path, gpus: Sequence[DemoGpu]) -> None:
    """Put the program into a folder, which is to stand first on a server's ``PATH``.

    Parameters
    ----------
    folder
        Made where it is missing.
    gpus
        What it prints.
    """
    lines: dict[str, list[str]] = {"page": [], "names": [], "uses": [], "processes": []}
    for index, gpu in enumerate(gpus):
        uuid = f"GPU-demo-{index}"
        busy = f"$(({gpu.busy} + wave))" if gpu.busy else "0"
        heat, power = 30 + gpu.busy // 2, 45 + 3 * gpu.busy
        lines["names"].append(f"{index}, {uuid}, {gpu.name}, {gpu.total}")
        lines["uses"].append(f"{index}, {busy}, {gpu.used}, {heat}, {power}.00")
        share = 100 * gpu.used // gpu.total
        lines["page"].append(
            f"{index}, {gpu.name}, {busy}, {share}, {gpu.total}, {gpu.used}, {heat}, {power}.00, 400.00, "
            "1410, 1215, P0, 35"
        )
        if gpu.pid is not None:
            lines["processes"].append(f"{uuid}, {gpu.pid}, {gpu.used}")
    text = _SCRIPT.format(
        **{name: "\n".join(f'    echo "{line}"' for line in some) or "    :" for name, some in lines.items()}
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    program = folder / "nvidia-smi"
    program.write_text(text, encoding="utf-8")
    program.chmod(0o700)
