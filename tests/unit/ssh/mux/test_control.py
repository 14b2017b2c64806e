"""One connection to a master: what it says may come in any pieces, and descriptors arrive one by one."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from runicorn_jupyter.ssh.mux.control import ControlConnection
from runicorn_jupyter.ssh.mux.messages import NotAMaster
from tests.unit.ssh.mux.test_messages import MESSAGES, STREAM


def pair() -> tuple[ControlConnection, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ControlConnection(ours), theirs


@pytest.mark.parametrize("cut", range(0, len(STREAM), 3))
async def test_messages_in_two_reads(cut: int) -> None:
    control, master = pair()
    master.sendall(STREAM[:cut])
    reading = asyncio.create_task(_all(control))
    await asyncio.sleep(0)  # it has read what there is
    master.sendall(STREAM[cut:])
    master.close()
    assert await reading == MESSAGES
    control.close()


async def _all(control: ControlConnection) -> list[object]:
    found: list[object] = []
    while (message := await control.receive()) is not None:
        found.append(message)
    return found


async def test_what_is_no_message_ends_the_reading() -> None:
    control, master = pair()
    master.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(NotAMaster):
        await control.receive()
    control.close()
    master.close()


async def test_a_long_message_goes_out_in_pieces_and_its_descriptors_after_it() -> None:
    control, master = pair()
    master.setblocking(False)
    message = bytes(range(256)) * 8192  # more than the sockets hold
    readers, writers = zip(*(os.pipe() for _ in range(3)), strict=True)
    sending = asyncio.create_task(control.send(message, writers))
    got = b""
    loop = asyncio.get_running_loop()
    while len(got) < len(message):
        got += await loop.sock_recv(master, len(message) - len(got))
    await sending
    assert got == message
    for number, reader in enumerate(readers):
        data, descriptors, _flags, _address = socket.recv_fds(master, 1, 1)
        assert (data, len(descriptors)) == (b"\0", 1)
        os.write(descriptors[0], b"%d" % number)
        assert os.read(reader, 9) == b"%d" % number
        os.close(descriptors[0])
    for descriptor in (*readers, *writers):
        os.close(descriptor)
    control.close()
    master.close()


async def test_ending_it_wakes_who_reads() -> None:
    control, master = pair()
    reading = asyncio.create_task(control.receive())
    await asyncio.sleep(0)
    control.end()
    assert await reading is None
    control.close()
    control.end()  # again, for nothing
    master.close()


async def test_cancelling_leaves_nothing_watched() -> None:
    control, master = pair()
    reading = asyncio.create_task(control.receive())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not asyncio.get_running_loop().remove_reader(control._sock)
    control.close()
    master.close()
