"""What has to hold on every system and Python: the unit tests, and the wheel in use against an SSH server.

``make portable`` runs it here, the workflow ``test.yml`` on Linux, macOS and Windows. It needs nothing but a
Python with venv, and makes its environment in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"pqcrypto", "jupyterhub", "jupyterlab-language-pack-zh-CN"}
"""Of the extra `test`, what is not to be had on every system, or not needed here."""
NEEDS_LINUX = ("proxy/test_headers.py", "remote/test_control.py", "remote/test_run_sync.py")
UNIT = (
    ["-n", "2", "--dist", "loadfile", "tests/unit"]
    if sys.platform == "linux"
    else [
        *(f"tests/unit/{room}" for room in ("api", "http1", "proxy", "remote", "streams")),
        *(f"--ignore=tests/unit/{file}" for file in NEEDS_LINUX),
    ]
)
"""The unit tests; elsewhere those of the rooms that know nothing of files' rights, sockets and processes."""


def requirements() -> list[str]:
    """Return what the tests need, by pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"]["test"]
    return [each for each in wanted if re.split(r"[^\w-]", each)[0] not in ELSEWHERE]


def make_environment(folder: Path, wheel: Path) -> Path:
    """Make an environment with the wheel and what the tests need; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        f"{wheel}[keyring]",
        *requirements(),
    )
    return python


def copy_tests(folder: Path) -> Path:
    """Copy the tests to where the package of this checkout is not, so that they try the wheel's."""
    shutil.copytree(
        ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("pictures", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> None:
    """Run a program, whose output is shown; raises `subprocess.CalledProcessError`."""
    shown = " ".join(str(part) for part in command)
    print(f"==== {shown[:200]} ====", flush=True)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY", "PYTHON"))
    }
    subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, "PYTHONUTF8": "1", **variables}, check=True
    )


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path, help="the wheel, or the folder that it lies in")
    parser.add_argument("tests", nargs="*", help="what goes to pytest; default: the unit tests")
    options = parser.parse_args()
    wheel = options.wheel if options.wheel.is_file() else next(options.wheel.glob("*.whl"), None)
    if wheel is None:
        parser.error(f"{options.wheel} has no wheel; make dist makes one")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            python = make_environment(Path(folder, "venv"), wheel.resolve())
            home = Path(folder, "home")
            home.mkdir()
            own = {"HOME": str(home), "USERPROFILE": str(home), "JUPYTER_PLATFORM_DIRS": "0"}
            run(python, ROOT / "scripts" / "portable_use.py", cwd=home, **own)
            tests = copy_tests(Path(folder, "tests of the wheel"))
            run(python, "-m", "pytest", "-q", *(options.tests or UNIT), cwd=tests)
        except subprocess.CalledProcessError as error:
            print(f"Failed: exit status {error.returncode}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
