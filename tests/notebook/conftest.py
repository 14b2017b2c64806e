"""Kernels in the world of the API's tests: ``gpu1`` is a host of its ssh config.

A kernel takes seconds to start, so the tests of a session share two; each finds an empty namespace.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.conftest import World, session_world, world
from tests.notebook.kernels import Kernel, lone_kernel, server_kernel

__all__ = ["session_world", "world"]


@pytest.fixture(scope="session")
def _kernel(session_world: World) -> Iterator[Kernel]:
    with server_kernel(session_world.jupyter) as made:
        yield made


@pytest.fixture(scope="session")
def _kernel_alone(session_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with lone_kernel(session_world.jupyter.env, tmp_path_factory.mktemp("kernel-alone")) as made:
        yield made


@pytest.fixture
def kernel(_kernel: Kernel, world: World) -> Kernel:
    """A kernel of the world's Jupyter server, with the magics loaded."""
    return _fresh(_kernel)


@pytest.fixture
def kernel_alone(_kernel_alone: Kernel, world: World) -> Iterator[Kernel]:
    """A kernel that no Jupyter server started, in the same home, with the magics loaded."""
    yield _fresh(_kernel_alone)
    _kernel_alone.good(
        "for _c in get_ipython().run_line_magic('runicorn_connections', ''):\n"
        "    get_ipython().run_line_magic('runicorn_disconnect', _c['connection_id'])"
    )


@pytest.fixture(params=["of a server", "alone"])
def any_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Both kinds of kernel, one after the other."""
    made: Kernel = request.getfixturevalue("kernel" if request.param == "of a server" else "kernel_alone")
    return made


def _fresh(kernel: Kernel) -> Kernel:
    kernel.good("%reset -f\n%reload_ext runicorn_jupyter")
    return kernel
