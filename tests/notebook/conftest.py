"""A kernel in the world of the API's tests: ``gpu1`` is a host of its ssh config."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.conftest import World, session_world, world
from tests.notebook.kernels import Kernel, lone_kernel, server_kernel

__all__ = ["session_world", "world"]


@pytest.fixture
def kernel(world: World) -> Iterator[Kernel]:
    """A kernel of the world's Jupyter server, with the magics loaded."""
    with server_kernel(world.jupyter) as made:
        made.good("%load_ext runicorn_jupyter")
        yield made


@pytest.fixture
def kernel_alone(world: World, tmp_path: object) -> Iterator[Kernel]:
    """A kernel that no Jupyter server started, in the same home, with the magics loaded."""
    from pathlib import Path

    with lone_kernel(world.jupyter.env, Path(str(tmp_path))) as made:
        made.good("%load_ext runicorn_jupyter")
        yield made


@pytest.fixture(params=["of a server", "alone"])
def any_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Both kinds of kernel, one after the other."""
    made: Kernel = request.getfixturevalue("kernel" if request.param == "of a server" else "kernel_alone")
    return made
