"""A row that fails takes its world with it, and the report of the failure says how that was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.faults.conftest import FAILED, Worlds, pytest_runtest_makereport
from tests.faults.world import World


class Light(World):
    """A world of nothing, which remembers what was done to it."""

    def __init__(self, *, restorable: bool = True) -> None:  # builds no network, no sshd, no Jupyter
        self.restored = 0
        self.ended = False
        self.restorable = restorable

    def restore(self) -> None:
        if not self.restorable:
            raise AssertionError("a server does not come up again")
        self.restored += 1

    def describe(self) -> str:
        return "patient has one connection"


def built(*worlds: Light) -> Worlds:
    """Return what opens these worlds, one after the other."""
    coming = iter(worlds)

    @contextlib.contextmanager
    def build() -> Iterator[World]:
        made = next(coming)
        yield made
        made.ended = True

    return Worlds(build)


def test_rows_share_a_world_until_one_fails() -> None:
    first, second = Light(), Light()
    worlds = built(first, second)
    assert worlds.open() is first
    assert worlds.open() is first
    assert (first.restored, first.ended) == (1, False)
    worlds.give_up()
    assert first.ended
    assert worlds.open() is second
    worlds.give_up()
    assert second.ended


def test_a_world_that_cannot_be_restored_fails_one_row_only() -> None:
    first, second = Light(restorable=False), Light()
    worlds = built(first, second)
    assert worlds.open() is first
    with pytest.raises(AssertionError, match="come up again"):
        worlds.open()
    assert first.ended
    assert worlds.open() is second
    worlds.give_up()


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_the_report_of_a_failure_says_how_the_world_was(outcome: str) -> None:
    item = _Row(Light())
    report = pytest.TestReport("row", ("", 0, ""), {}, outcome, None, "call")  # type: ignore[arg-type]
    hook = pytest_runtest_makereport(item, None)  # type: ignore[arg-type]
    next(hook)
    with pytest.raises(StopIteration) as done:
        hook.send(report)
    assert done.value.value is report
    assert item.stash.get(FAILED, False) == (outcome == "failed")
    assert report.sections == (
        [("the world, call", "patient has one connection")] if outcome == "failed" else []
    )


class _Row:
    """What the hook goes by of a test."""

    def __init__(self, world: World) -> None:
        self.funcargs = {"world": world}
        self.stash = pytest.Stash()
