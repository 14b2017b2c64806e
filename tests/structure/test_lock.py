"""constraints.txt has a version of all that pyproject.toml asks for, on each Python and system."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PINS = [Requirement(line) for line in LINES]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ASKED = [
    *PROJECT["dependencies"],
    *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
]


def pinned(name: str, environment: dict[str, str]) -> list[str]:
    """Return the versions that the lock has of a package in that environment: one, as it should be."""
    found = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(name)]
    return [str(pin.specifier)[2:] for pin in found if pin.marker is None or pin.marker.evaluate(environment)]


def test_it_has_versions_and_no_address() -> None:
    assert len(LINES) > 100
    assert [line for line in LINES if not re.fullmatch(r"[\w.-]+==[\w.+!]+( ; [^/]+)?", line)] == []


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0", "3.14.0"])
def test_it_has_one_version_of_each_that_is_asked_for(python: str, system: str) -> None:
    environment = {
        "python_version": python.rpartition(".")[0], "python_full_version": python, "sys_platform": system,
    }  # fmt: skip
    for asked in map(Requirement, ASKED):
        if asked.marker is None or asked.marker.evaluate(environment):
            (version,) = pinned(asked.name, environment)
            assert asked.specifier.contains(version, prereleases=True), (str(asked), version)


@pytest.mark.parametrize("has_uv", [True, False])
@pytest.mark.parametrize("fails", [0, 1, 2])
def test_what_is_tried(has_uv: bool, fails: int, tmp_path: Path) -> None:
    """By uv, by pip, by pip without the lock: the next where one fails, and the last one's answer counts."""
    log = tmp_path / "log"
    program = f"""#!/bin/sh
echo "${{0##*/}} $*" >> {log}
tries=0
while read -r _; do tries=$((tries + 1)); done < {log}
[ $tries -gt {fails} ]
"""
    for name in ["python", *(["uv"] if has_uv else [])]:
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts/install.sh", tmp_path / "python", "demo"],
        env={"PATH": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    pip = "python -m pip install -q --disable-pip-version-check"
    tries = [f"{pip} -c constraints.txt -e .[demo]", f"{pip} -e .[demo]"]
    if has_uv:
        tries.insert(0, f"uv pip install -q --python {tmp_path}/python -c constraints.txt -e .[demo]")
    assert log.read_text().splitlines() == tries[: fails + 1]
    assert done.returncode == (0 if fails < len(tries) else 1)
    assert ("newest that fit" in done.stderr) is (fails >= len(tries) - 1)
