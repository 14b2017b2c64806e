"""The server of one-time codes leaves nothing behind, however its connections end."""

from __future__ import annotations

import gc
from pathlib import Path

import asyncssh
import pytest

from tests.world.codes import code_server

# One that reads, one that never stops, two that leave something, and one that has ended.
COMMANDS = ("cat", "yes", "sleep 600 & sleep 600", "cat; sleep 600", "true")


class Client(asyncssh.SSHClient):
    """Knows the code."""

    def kbdint_auth_requested(self) -> str:
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: list[tuple[str, bool]]
    ) -> list[str]:
        return ["1"]


@pytest.mark.parametrize("how", ["abort", "close", "stay"])
async def test_commands_end_with_it_however_the_connection_does(tmp_path: Path, how: str) -> None:
    with code_server(tmp_path, ["1"]) as server:
        connection = await asyncssh.connect(
            "127.0.0.1",
            server.port,
            known_hosts=None,
            client_factory=Client,
            client_keys=None,
            username="somebody",
            config=None,
            agent_path=None,
        )
        started = [await connection.create_process(command) for command in COMMANDS]
        if how == "abort":
            connection.abort()
        elif how == "close":
            connection.close()
        if how != "stay":
            await connection.wait_closed()
    connection.abort()
    await connection.wait_closed()
    del connection, started
    gc.collect()  # what was not closed warns, and warnings are errors
