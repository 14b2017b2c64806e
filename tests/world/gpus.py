"""Stand-ins for the programs of GPUs' vendors: they print what the real ones print."""

from __future__ import annotations

from pathlib import Path

NVIDIA_SMI = """#!/bin/sh
echo "$*" >>{log}
case $* in
*name,memory.total*) echo "0, GPU-a, NVIDIA A100, 81920" ;;
*utilization.gpu*) echo "0, 43, 10240, 61, 250.12" ;;
*query-compute-apps*) echo "GPU-a, {pid}, 9000" ;;
esac
"""


def nvidia_smi(folder: Path, pid: int, text: str = NVIDIA_SMI) -> Path:
    """Put a stand-in that prints what the real program prints into a folder; give its log."""
    log = folder / "nvidia-smi.log"
    log.touch()
    program = folder / "nvidia-smi"
    program.write_text(text.format(log=log, pid=pid))
    program.chmod(0o755)
    return log
