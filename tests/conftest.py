"""The world that tests live in: each part is a plugin of its own in ``tests/world``."""

import itertools
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# No example has a deadline: a loaded machine is no fault of it.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
settings.register_profile("long", settings.get_profile("untimed"), max_examples=5000)  # `make fuzz`

pytest_plugins = [
    "tests.world.sshd",
    "tests.world.relay",
    "tests.world.peers",
    "tests.world.connections",
    "tests.world.masters",
    "tests.world.keys",
    "tests.world.remote",
    "tests.world.environments",
    "tests.world.package_index",
    "tests.world.standalone",
    "tests.world.jupyter",
    "tests.world.inprocess",
    "tests.world.hub",
    "tests.world.browser",
    "tests.browser.lab",
]

LONGEST = (
    "faults/test_viewer.py",
    "faults/test_soak.py",
    "browser/test_lab_panel.py",
    "integration/remote/test_odd_shells.py",
    "browser/test_lab_around.py",
    "browser/test_lab_runs.py",
    "browser/test_rebinding.py",
    "notebook/test_in_browser.py",
    "notebook/test_live_curves.py",
    "api/test_viewer.py",
    "hub/test_hub.py",
    "integration/remote/test_viewer_client.py",
    "integration/payload/test_server.py",
    "notebook/test_magics.py",
)
"""Files that take minutes or most of one, the longest first."""

WRITTEN = pytest.StashKey[int]()
_numbers = itertools.count()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Remember the order in which the tests are written."""
    item.stash[WRITTEN] = next(_numbers)


# Last of the wrappers: after a shuffle, before pytest groups by the fixtures' parameters.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Put the files that take long first: workers that take a file at a time end together then.

    A shuffle stays for the unit tests. The others share real servers within a file, which some tests stop or
    fill, and keep the order in which they are written.
    """
    rank = {name: number for number, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> tuple[int, bool, int]:
        name = item.path.relative_to(Path(__file__).parent)
        is_unit = name.parts[0] == "unit"
        return rank.get(name.as_posix(), len(rank)), is_unit, 0 if is_unit else item.stash[WRITTEN]

    items.sort(key=place)
    yield
