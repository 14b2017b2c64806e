"""The world that tests live in: each part is a plugin of its own in ``tests/world``."""

pytest_plugins = [
    "tests.world.sshd",
    "tests.world.relay",
    "tests.world.peers",
    "tests.world.network",
    "tests.world.connections",
    "tests.world.environments",
    "tests.world.jupyter",
    "tests.world.hub",
    "tests.world.browser",
    "tests.browser.lab",
]
