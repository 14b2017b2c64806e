"""Render conda-forge's recipe (``conda/recipe.yaml``), and say where it differs from ``pyproject.toml``.

``make recipe`` runs it. Rendering is rattler-build's own; a build needs conda-forge's channel.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from rattler_build import Stage0Recipe

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "conda" / "recipe.yaml"
OF_CONDA = {"python", "pip"}  # requirements there that pyproject.toml says otherwise, or not at all


def render(text: str) -> dict[str, Any]:
    """Render a recipe as rattler-build does before it builds.

    Parameters
    ----------
    text
        The recipe.

    Raises
    ------
    rattler_build.RattlerBuildError
        It is none.
    """
    (variant,) = Stage0Recipe.from_yaml(text).render()
    rendered: dict[str, Any] = variant.recipe.to_dict()
    return rendered


def _needs(lines: Iterable[str]) -> dict[str, SpecifierSet]:
    parsed = [Requirement(line) for line in lines if line.split()[0] not in OF_CONDA]
    return {canonicalize_name(need.name): need.specifier for need in parsed}


def differences(recipe: dict[str, Any]) -> list[str]:
    """Return where a rendered recipe says something else than the project.

    Parameters
    ----------
    recipe
        As `render` gives it.
    """
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    version = re.search(r'= "(.+)"', (ROOT / "runicorn_jupyter" / "_version.py").read_text(encoding="utf-8"))
    pythons = [line.split()[1] for line in recipe["requirements"]["run"] if line.split()[0] == "python"]
    sides = {
        "name": (recipe["package"]["name"], project["name"]),
        "version": (recipe["package"]["version"], version[1] if version else None),
        "python": (pythons, [project["requires-python"]]),
        "run": (_needs(recipe["requirements"]["run"]), _needs(project["dependencies"])),
        "host": (_needs(recipe["requirements"]["host"]), _needs(pyproject["build-system"]["requires"])),
        "entry_points": (
            recipe["build"]["python"]["entry_points"],
            [f"{name} = {where}" for name, where in project["scripts"].items()],
        ),
        "summary": (recipe["about"]["summary"], project["description"]),
        "license": (recipe["about"]["license"], project["license"]),
        "repository": (recipe["about"]["repository"], project["urls"]["Repository"]),
    }
    return [
        f"{name}: conda/recipe.yaml has {theirs}, pyproject.toml {ours}"
        for name, (theirs, ours) in sides.items()
        if theirs != ours
    ]


def main() -> int:
    """Run the command; return its exit status."""
    recipe = render(RECIPE.read_text(encoding="utf-8"))
    wrong = differences(recipe)
    for each in wrong:
        print(each, file=sys.stderr)
    if "--show" in sys.argv:
        print(json.dumps(recipe, indent=1))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
