"""Channels without a connection below: what a transport would feed them, a test does."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from paramiko import Message

from runicorn_jupyter.ssh.transport.channel import Channel
from runicorn_jupyter.ssh.transport.notifier import Notifier


class Recorder:
    """Takes the place of a transport, and remembers what it should send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.room = True
        self.forgotten = 0

    def send(self, payload: bytes) -> None:
        self.sent.append(payload)

    def has_room(self, _channel: Channel) -> bool:
        return self.room

    def forget(self, _channel: Channel) -> None:
        self.forgotten += 1

    def of(self, kind: int) -> list[bytes]:
        return [payload for payload in self.sent if payload[0] == kind]


def opened(window: int = 1000, packet: int = 100) -> tuple[Channel, Recorder]:
    """Return an open channel, and what stands for its transport."""
    recorder = Recorder()
    channel = Channel(recorder, 0, lambda: None)
    channel.on_open(7, window, packet)
    return channel, recorder


def watched(channel: Channel) -> Notifier:
    """Return a notifier that has the channel's news on the running loop."""
    loop = asyncio.get_running_loop()
    bridge: Any = SimpleNamespace(loop=loop, wake=lambda notifier: loop.call_soon(notifier.notify))
    notifier = Notifier(bridge)
    channel.wake = notifier.wake
    return notifier


def message(*parts: bytes | int | str | bool) -> Message:
    """Return an SSH message of these fields, to be read."""
    built = Message()
    for part in parts:
        if isinstance(part, bool):
            built.add_boolean(part)
        elif isinstance(part, int):
            built.add_int(part)
        else:
            built.add_string(part)
    built.rewind()
    return built


async def taken(channel: Channel) -> None:
    """Return once everything that has arrived was read."""
    while channel.buffered:
        await asyncio.sleep(0)
