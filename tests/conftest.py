"""The world that tests live in: each part is a plugin of its own in ``tests/world``."""

from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a loaded machine is no fault of an example
settings.load_profile("untimed")
settings.register_profile("long", max_examples=5000, deadline=None)  # `make fuzz`

pytest_plugins = [
    "tests.world.sshd",
    "tests.world.relay",
    "tests.world.peers",
    "tests.world.connections",
    "tests.world.keys",
    "tests.world.remote",
    "tests.world.environments",
    "tests.world.jupyter",
    "tests.world.inprocess",
    "tests.world.hub",
    "tests.world.browser",
    "tests.browser.lab",
]

LONGEST = ("faults/test_viewer.py", "hub/test_hub.py", "fuzz/test_life.py", "browser/test_lab_panel.py")
"""Files that take minutes, the longest first."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Put the files that take long first: workers that take a file at a time end together then.

    A shuffle stays for the unit tests. The others share real servers within a file, which some tests stop or
    fill, and keep the order in which they are written.
    """
    written = {item: number for number, item in enumerate(items)}
    yield
    rank = {name: number for number, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> tuple[int, bool, int]:
        is_unit = "unit" in item.path.parts
        return (
            rank.get("/".join(item.path.parts[-2:]), len(rank)),
            is_unit,
            0 if is_unit else written[item],
        )

    items.sort(key=place)
