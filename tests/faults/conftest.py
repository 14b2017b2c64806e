"""The world that the rows of the fault table share, for as long as none of them fails."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.faults.world import World, open_world, require_root

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the world to the report of a row that failed, and remember that it did."""
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and isinstance(world, World):
        item.stash[FAILED] = True
        report.sections.append((f"the world, {report.when}", world.describe()))
    return report


@pytest.hookimpl(trylast=True)  # after a shuffle
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the rows of each Jupyter server together: what they share would be made anew at each change."""
    rows = {at: item.callspec.params["row"].jupyter for at, item in enumerate(items) if _is_row(item)}
    ordered = [items[at] for at in sorted(rows, key=rows.__getitem__)]
    for at, item in zip(rows, ordered, strict=True):
        items[at] = item


def _is_row(item: pytest.Item) -> bool:
    return item.path.parent == Path(__file__).parent and "row" in getattr(item, "fixturenames", ())


class Worlds:
    """Opens the world when a row wants it, and gives it up with a row that fails.

    Parameters
    ----------
    build
        Makes a world.
    """

    def __init__(self, build: Callable[[], AbstractContextManager[World]] = open_world) -> None:
        self._build = build
        self._stack = contextlib.ExitStack()
        self._world: World | None = None

    def open(self) -> World:
        """Return the world, as good as new."""
        if self._world is not None:
            try:
                self._world.restore()
            except Exception:
                self.give_up()
                raise
        if self._world is None:
            self._world = self._stack.enter_context(self._build())
        return self._world

    def give_up(self) -> None:
        """End all of it: viewers, remote and Jupyter servers."""
        self._world = None
        self._stack.close()


@pytest.fixture(scope="module")
def worlds() -> Iterator[Worlds]:
    """What opens the world for each row."""
    reason = require_root()
    if reason:
        pytest.skip(reason)
    made = Worlds()
    yield made
    made.give_up()


@pytest.fixture
def world(worlds: Worlds, request: pytest.FixtureRequest) -> Iterator[World]:
    """The world: the one that the row before left well, or a new one."""
    yield worlds.open()
    if request.node.stash.get(FAILED, False):
        worlds.give_up()
