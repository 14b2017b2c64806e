"""What starts have said of environments, over later probes."""

from __future__ import annotations

from runicorn_jupyter import models as m
from runicorn_jupyter.service.environment_problems import EnvironmentProblems


def environment(prefix: str, problem: str | None = None) -> m.Environment:
    return m.Environment(
        name=prefix,
        type="venv",
        python_version="3.11.2",
        python_path=f"{prefix}/bin/python",
        prefix=prefix,
        runicorn_installed=True,
        problem=problem,
    )


def test_what_was_said_is_kept_until_it_is_taken_back() -> None:
    problems = EnvironmentProblems()
    one, two, broken = environment("/a"), environment("/b"), environment("/c", "no such file")
    problems.note(one, "load the module first")
    for _ in range(2):
        assert [each.problem for each in problems.mark([one, two, broken])] == [
            "load the module first", None, "no such file",
        ]  # fmt: skip
    assert not problems.forget(two)
    assert problems.forget(one)
    assert problems.mark([one, two, broken]) == [one, two, broken]
    problems.note(two, "no")
    problems.clear()
    assert problems.mark([two]) == [two]
