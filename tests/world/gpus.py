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


def two_gpus() -> str:
    """Make a stand-in with two GPUs: the first is free, the second is used by the process."""
    return (
        NVIDIA_SMI.replace('81920" ;;', '81920"; echo "1, GPU-b, NVIDIA A100, 81920" ;;')
        .replace('"0, 43, 10240, 61, 250.12" ;;', '"0, 0, 4, 30, 55.00"; echo "1, 99, 79872, 80, 390.00" ;;')
        .replace('"GPU-a, {pid}, 9000"', '"GPU-b, {pid}, 79000"')
    )


def nvidia_smi_of(folder: Path, count: int) -> None:
    """Put a stand-in of several idle GPUs into a folder, whose figures change each time that it is asked."""
    cards = " ".join(map(str, range(count)))
    program = folder / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        f"for n in {cards}; do\n"
        "case $* in\n"
        '*name,memory.total*) echo "$n, GPU-$n, NVIDIA A100, 81920" ;;\n'
        '*utilization.gpu*) echo "$n, $(($$ % 100)), $(($$ % 81920)), 61, 250.12" ;;\n'
        "esac\n"
        "done\n"
    )
    program.chmod(0o755)
