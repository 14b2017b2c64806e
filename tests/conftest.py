"""The world that tests live in: each part is a plugin of its own in ``tests/world``."""

import pytest
from hypothesis import settings

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


@pytest.hookimpl(trylast=True)  # after a shuffle
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first: workers that take a file at a time end together then."""
    rank = {name: number for number, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        return rank.get("/".join(item.path.parts[-2:]), len(rank)), "unit" in item.path.parts

    items.sort(key=place)
