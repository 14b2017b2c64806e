"""Which Python a private environment is made with."""

from __future__ import annotations

from runicorn_jupyter.models import Environment, EnvironmentType
from runicorn_jupyter.remote.setup.pythons import best_pythons


def environment(
    name: str,
    kind: EnvironmentType,
    version: str | None,
    *,
    problem: str | None = None,
    private: bool = False,
) -> Environment:
    return Environment(
        name=name, type=kind, python_version=version, python_path=f"/{name}/bin/python", prefix=f"/{name}",
        runicorn_installed=False, problem=problem, private=private,
    )  # fmt: skip


def test_the_newest_that_is_well_served_comes_first_and_of_two_the_one_that_stays() -> None:
    found = [
        environment("old", "system", "3.6.8"),
        environment("rhel", "system", "3.9.18"),
        environment("mine", "venv", "3.12.1"),
        environment("base", "conda", "3.12.4"),
        environment("pyenv", "pyenv", "3.12.0"),
        environment("new", "pyenv", "3.15.0"),
        environment("broken", "system", "3.12.0", problem="no library"),
        environment("runicorn", "venv", "3.12.0", private=True),
        environment("unknown", "conda", None),
    ]
    names = [each.name for each in best_pythons(found)]
    assert names == ["pyenv", "base", "mine", "new", "rhel"]
