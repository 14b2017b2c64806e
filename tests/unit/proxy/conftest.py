"""What the proxy's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.unit.proxy.world import FakeViewer, Proxy, running_proxy, running_upstream


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[FakeViewer]:
    """A server in the viewer's place."""
    async with running_upstream() as made:
        yield made


@pytest_asyncio.fixture
async def proxy(upstream: FakeViewer) -> AsyncIterator[Proxy]:
    """The proxy before ``upstream``."""
    async with running_proxy(upstream.port) as made:
        yield made
