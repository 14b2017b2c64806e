"""Where a connection really went: copies of a machine share its host key, and are not it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

from tests.world.connections import Connect, target_of
from tests.world.relay import Relay
from tests.world.sshd import Sshd


def copy_of(server: Sshd, make_sshd: Callable[..., Sshd]) -> Sshd:
    """Start an sshd with the host key of another, as a cloned image or a container does."""
    copy = make_sshd()
    copy.stop()
    for end in ("", ".pub"):
        shutil.copy(f"{server.host_key_path}{end}", f"{copy.host_key_path}{end}")
    copy.restart()
    return copy


async def test_a_copy_with_the_same_host_key_is_another_place(
    sshd: Sshd, make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    copy = copy_of(sshd, make_sshd)
    one, other, again = await connect(sshd), await connect(copy), await connect(sshd)
    assert one.host_key_fingerprint == other.host_key_fingerprint
    assert one.way == again.way != other.way
    assert one.way == ((sshd.user, "127.0.0.1", sshd.port, one.host_key_fingerprint),)


async def test_so_is_the_same_address_behind_another_jump_host(
    sshd: Sshd, make_sshd: Callable[..., Sshd], connect: Connect
) -> None:
    """Behind a jump host an address is what that host calls by it."""
    copy = copy_of(sshd, make_sshd)
    jumps = [target_of(copy), target_of(sshd)]
    ways = [(await connect(sshd, proxy_jump=(jump,))).way for jump in jumps]
    assert ways[0] != ways[1]
    assert ways[0][-1] == ways[1][-1]
    assert [len(way) for way in ways] == [2, 2]


async def test_it_is_looked_at_again_at_each_reconnect(
    sshd: Sshd, make_relay: Callable[..., Relay], connect: Connect
) -> None:
    relay = make_relay(sshd.host, sshd.port)
    connection = await connect(sshd, via=relay)
    before = connection.way
    connection.way = (("nobody", "nowhere", 0, ""),)
    back = asyncio.Event()
    connection.subscribe(lambda it: back.set() if it.reconnects and it.status == "connected" else None)
    relay.reset()
    await back.wait()
    assert connection.way == before
