"""What wheels have to be for: the facts of this Python that decide it. Runs on the remote (Python >= 3.8)."""

import os
import platform
import re
import sys
import sysconfig
from typing import Any, Dict

__all__ = ["target_facts"]


def target_facts() -> Dict[str, Any]:
    """Return this Python's version, ABI and platform, and its values for environment markers (PEP 508)."""
    version = sys.version_info
    return {
        "implementation": sys.implementation.name,
        "version": [version[0], version[1]],
        "abi_flags": getattr(sys, "abiflags", ""),
        "platform": sysconfig.get_platform(),
        "glibc": _glibc(),
        "musl": _musl(),
        "markers": {
            "implementation_name": sys.implementation.name,
            "implementation_version": platform.python_version(),
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": platform.python_version(),
            "platform_python_implementation": platform.python_implementation(),
            "python_version": f"{version[0]}.{version[1]}",
            "sys_platform": sys.platform,
        },
    }


def _glibc() -> str:
    try:
        found = re.match(r"glibc (\d+\.\d+)", os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, OSError, ValueError):  # none of glibc's names
        return ""
    return found[1] if found else ""


def _musl() -> str:
    """Return musl's version where this Python is linked with it: its loader prints it when it is run."""
    try:
        loaders = [name for name in os.listdir("/lib") if re.match(r"ld-musl-.+\.so\.1$", name)]
    except OSError:
        return ""
    if not loaders or _glibc():
        return ""
    import subprocess

    done = subprocess.run(
        [os.path.join("/lib", loaders[0])], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    found = re.search(rb"Version (\d+\.\d+)", done.stderr)
    return found[1].decode() if found else "1.0"
