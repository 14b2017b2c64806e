"""The world that tests live in: each part is a plugin of its own in ``tests/world``."""

from hypothesis import settings

settings.register_profile("long", max_examples=5000, deadline=None)  # `make fuzz`

pytest_plugins = [
    "tests.world.sshd",
    "tests.world.relay",
    "tests.world.peers",
    "tests.world.connections",
    "tests.world.environments",
    "tests.world.jupyter",
    "tests.world.inprocess",
    "tests.world.hub",
    "tests.world.browser",
    "tests.browser.lab",
]
