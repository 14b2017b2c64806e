"""What is released: the wheel has everything, and its parts agree on what they are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from runicorn_jupyter import __version__
from scripts.dist_check import addresses, build_sdist, check, read_metadata, wrong_links, wrong_tag

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


def test_a_build_without_node_ends_with_a_sentence(tmp_path: Path) -> None:
    """As ``pip install .`` in a checkout, in pip's own words only."""
    needed = (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "runicorn_jupyter/__init__.py",
        "runicorn_jupyter/_version.py",
        "scripts/build_lab.py",
    )
    for name in (*needed, "labextension/package.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Install Node.js 20 or newer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_says_what_it_needs(tmp_path: Path) -> None:
    """From the wheel alone, without the extra; here with an import path that lacks one of its parts."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['asyncssh'] = None\n")
    done = subprocess.run(
        [sys.executable, "-m", "runicorn_jupyter.demo"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0)
    assert "python -m pip install asyncssh" in done.stderr


def test_what_make_runs_takes_a_path_with_a_space() -> None:
    """CI runs it in one (``.ci/ordinary-user``); here each use of the folder's own path is in quotes."""
    makefile = (ROOT / "Makefile").read_text()
    makefile = makefile.replace("export PATH := $(CURDIR)", "")  # a variable's value takes no quotes
    assert makefile.count("$(CURDIR)") == len(
        re.findall(r'"\$\(CURDIR\)[^"\s]*"|"\$\(CURDIR\)[^"]*:\$\$PATH"', makefile)
    )


def test_dist_runs_on_the_oldest_python_that_we_take() -> None:
    """Debian 12 has 3.11.2: no ``filter`` of tarfile and shutil yet, which 3.11.4 brought."""
    assert "filter=" not in (ROOT / "scripts" / "dist.py").read_text()


def workflows() -> dict[str, list[dict[str, str]]]:
    """Give the steps of each workflow of the forge."""
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    documents = {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}
    return {
        name: [step for job in document["jobs"].values() for step in job.get("steps", [])]
        for name, document in documents.items()
    }


def test_each_step_of_a_workflow_runs_here_too() -> None:
    """A make target or a script; so nothing is found out on the forge alone."""
    makefile = (ROOT / "Makefile").read_text()
    commands = [step["run"] for steps in workflows().values() for step in steps if "run" in step]
    assert len(commands) > 3
    for command in commands:
        program, what, *_ = command.split()
        if program == "make":
            assert re.search(rf"^{re.escape(what)}:", makefile, re.MULTILINE), command
        else:
            assert (program, (ROOT / what).is_file()) == ("python", True), command


def test_actions_are_pinned_to_a_commit() -> None:
    used = [step["uses"] for steps in workflows().values() for step in steps if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []


HOME = "https://github.com/o/r"
RAW = "https://raw.githubusercontent.com/o/r"


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("docs/ssh.md", True),
        (f"{HOME}/blob/v1.0/docs/ssh.md#algorithms", False),
        (f"{RAW}/v1.0/docs/images/jupyterlab.png", False),
        (f"{RAW}/v1.0/docs/images/nothing.png", True),
        ("https://github.com/other/runicorn-jupyter/blob/v1.0/README.md", True),
        ("https://example.org/", False),
    ],
)
def test_links_of_the_description_are_whole_and_lead_to_files(link: str, wrong: bool) -> None:
    assert bool(wrong_links(f"text ![picture]({link}) text", HOME, "1.0")) is wrong
    for attribute in ("src", "srcset"):
        assert bool(wrong_links(f'text <img alt="it" {attribute}="{link}"> text', HOME, "1.0")) is wrong


def test_the_description_is_for_a_registrys_page(tmp_path: Path) -> None:
    metadata = read_metadata(build_sdist(tmp_path))
    home = addresses(metadata)["Repository"]
    assert check(metadata, None, home) == []
    assert check(metadata, None, "https://github.com/else/where") != []
    assert metadata["Author"]
    for name in ("demo.webp)", 'jupyterlab.png"', 'jupyterlab-dark.png"'):
        assert f"/v{__version__}/docs/images/{name}" in str(metadata.get_payload())


def test_only_what_the_changelog_names_is_released() -> None:
    assert any("CHANGELOG" in each for each in wrong_tag("v0.0.0", "0.0.0"))
    assert any("tag is" in each for each in wrong_tag("v9", __version__))
