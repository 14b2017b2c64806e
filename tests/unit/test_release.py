"""What is released: the wheel has everything, and its parts agree on what they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from runicorn_jupyter import __version__

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_all_that_is_tracked_and_built(tmp_path: Path) -> None:
    """With what npm has built already; `make dist` goes on from here."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "SKIP_JUPYTER_BUILDER": "1"},
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "dist.py"), "contents", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_both_sides_have_one_version_and_one_licence() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    lock = json.loads((ROOT / "labextension" / "package-lock.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package["version"] == lock["version"] == lock["packages"][""]["version"] == __version__
    assert package["license"] == project["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_the_changelog_has_the_version_or_it_is_not_released() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == __version__


def test_the_lock_file_names_no_registry() -> None:
    assert not re.search(r'"resolved": "http', (ROOT / "labextension" / "package-lock.json").read_text())


def test_what_the_forge_reads_is_yaml() -> None:
    """A form of an issue that does not parse is one that nobody sees."""
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    parsed = {form.name: yaml.safe_load(form.read_text()) for form in forms}
    assert parsed.pop("config.yml")["blank_issues_enabled"] is True
    for form in parsed.values():
        assert form["name"]
        assert form["description"]
        ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(ids) == len(set(ids)) >= 3
        assert all(field["attributes"].get("label") or field["type"] == "markdown" for field in form["body"])
