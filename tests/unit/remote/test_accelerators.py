"""What vendors' programs print, in the forms that they document, and what they print when they fail."""

from __future__ import annotations

import pytest

from runicorn_jupyter.remote.accelerators import MAX_PROCESSES, read_accelerators, trouble

NVIDIA = {
    "nvidia": "0, GPU-8f6f, NVIDIA A100-SXM4-80GB, 81920\n1, GPU-11c2, NVIDIA A100-SXM4-80GB, 81920\n",
    "nvidia_use": "0, 43, 10240, 61, 250.12\n1, [N/A], [N/A], [N/A], [Not Supported]\n",
    "nvidia_apps": "GPU-8f6f, 4711, 9000\nGPU-11c2, 4712, [N/A]\nGPU-gone, 1, 2\n",
}
NPU_SMI = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 23.0.2                   Version: 23.0.2                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 95.1        47                0    / 0             |
| 0                         | 0000:C1:00.0  | 12          0    / 0          3345 / 65536         |
+===========================+===============+====================================================+
| 1     910B3               | OK            | 90.0        45                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          3340 / 65536         |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 0       0                 | 2741          | python                   | 3000                    |
+===========================+===============+====================================================+
"""


def test_nvidia_in_bytes_and_what_it_cannot_say_is_none() -> None:
    first, second = read_accelerators(NVIDIA)
    assert (first.index, first.vendor, first.name) == (0, "nvidia", "NVIDIA A100-SXM4-80GB")
    assert (first.memory_total, first.memory_used) == (80 * 2**30, 10 * 2**30)
    assert (first.used_percent, first.temperature_c, first.power_w) == (43, 61, 250.12)
    assert [(use.pid, use.memory) for use in first.uses] == [(4711, 9000 * 2**20)]
    assert (second.used_percent, second.memory_used, second.temperature_c, second.power_w) == (None,) * 4
    assert [(use.pid, use.memory) for use in second.uses] == [(4712, None)]


def test_a_process_that_is_named_several_times_is_one() -> None:
    """MIG and MPS name a process once for each of its parts."""
    (first, _) = read_accelerators({**NVIDIA, "nvidia_apps": "GPU-8f6f, 7, 100\nGPU-8f6f, 7, 50\n"})
    assert [(use.pid, use.memory) for use in first.uses] == [(7, 150 * 2**20)]


def test_amd_by_its_sysfs() -> None:
    texts = {
        "amd": "1|f8a2|MI300X|206141652992|1073741824|37|45000|150000000|128\n0|||16|8|bad|||\n",
        "amd_nodes": "0 0 51234 128 ",
        "amd_apps": "99 51234 4096 98 1 1 ",
    }
    first, second = read_accelerators(texts)
    assert (first.name, first.uuid, first.used_percent) == ("MI300X", "f8a2", 37)
    assert (first.temperature_c, first.power_w, first.memory_used) == (45, 150, 2**30)
    assert [(use.pid, use.memory) for use in first.uses] == [(99, 4096)]
    assert (second.name, second.used_percent, second.temperature_c, second.uses) == (None, None, None, [])


def test_ascend_by_its_table() -> None:
    first, second = read_accelerators({"ascend": NPU_SMI})
    assert (first.vendor, first.name, first.used_percent) == ("ascend", "910B3", 12)
    assert (first.power_w, first.temperature_c) == (95.1, 47)
    assert (first.memory_used, first.memory_total) == (3345 * 2**20, 2**36)
    assert [(use.pid, use.memory) for use in first.uses] == [(2741, 3000 * 2**20)]
    assert (second.index, second.used_percent, second.uses) == (1, 0, [])


def test_several_vendors_at_once() -> None:
    found = read_accelerators({**NVIDIA, "ascend": NPU_SMI})
    assert [one.vendor for one in found] == ["nvidia", "nvidia", "ascend", "ascend"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({}, None),
        (NVIDIA, None),
        ({"nvidia": "failed 124"}, "nvidia-smi does not answer there: its driver hangs."),
        ({"nvidia": "No devices were found\nfailed 6"}, None),
        ({"nvidia": "failed 9"}, "nvidia-smi fails there."),
        ({"ascend": "failed 124"}, "npu-smi does not answer there: its driver hangs."),
        (
            {"nvidia": "Unable to determine the device handle for GPU 0000:03:00.0: \x1b[1mX\nfailed 15"},
            'nvidia-smi fails there: "Unable to determine the device handle for GPU 0000:03:00.0: X"',
        ),
    ],
)  # fmt: skip
def test_what_hinders_is_said_in_its_own_words(texts: dict[str, str], said: str | None) -> None:
    assert trouble(texts) == said


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a, b", "0, , , ", "x" * 60000, ", " * 20000, "|" * 60000, "9" * 60000]
)
def test_nonsense_is_no_accelerator_and_no_error(text: str) -> None:
    for tag in ("nvidia", "nvidia_use", "nvidia_apps", "amd", "amd_nodes", "amd_apps", "ascend"):
        for one in read_accelerators({**NVIDIA, tag: text}):
            assert one.memory_total is None or one.memory_total >= 0


def test_the_processes_of_one_are_bounded() -> None:
    apps = "".join(f"GPU-8f6f, {pid}, 1\n" for pid in range(1, 3 * MAX_PROCESSES))
    assert len(read_accelerators({**NVIDIA, "nvidia_apps": apps})[0].uses) == MAX_PROCESSES
