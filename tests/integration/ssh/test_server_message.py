"""What a server, or a ProxyCommand, says before it lets anybody in: heard while it waits, with a failure."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.errors import AuthenticationFailed, ConnectionTimeout, RemoteError, SshUnavailable
from runicorn_jupyter.ssh.auth.authentication import Credentials
from runicorn_jupyter.ssh.config.resolver import Target
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.deadline import Deadline
from runicorn_jupyter.ssh.server_message import MAX_BYTES, ServerMessage
from runicorn_jupyter.ssh.transport.transport import SshTransport
from tests.integration.ssh.scripted import Script, announcing, scripted
from tests.integration.ssh.test_dial import peer
from tests.world.connections import Census, await_census, credentials_of, target_of
from tests.world.proxy_command import write_proxy_command
from tests.world.relay import Relay
from tests.world.remote import is_running, until
from tests.world.sshd import Sshd

CHECK = "# Tailscale SSH requires an additional check.\n# To authenticate, visit: https://login.example/a/1\n"


class Heard:
    """Takes a message as the opener does, and tells when it comes."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.news = asyncio.Event()
        self.message = ServerMessage(self._take)

    def _take(self, text: str) -> None:
        self.texts.append(text)
        self.news.set()


class HeldDeadline(Deadline):
    """Stands still until the test lets time pass, however slow the machine is."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(60, lambda: self._now)

    def outlast_work(self) -> None:
        """Let more time pass than the work may take in all."""
        self._now += self.seconds + 1
        self._reschedule()

    def run_out(self) -> None:
        """Let as much time pass as is left to whose it is."""
        self._now += self._allowed() or 0
        self._reschedule()


def target(port: int, key: str, folder: Path, **changes: Any) -> Target:
    known = folder / "known_hosts"
    known.write_text(f"it {key}\n")
    given = {"asked": "it", "hostname": "127.0.0.1", "port": port, "username": "ada", "host_key_alias": "it"}
    return Target(**{**given, "user_known_hosts": (known,), "identity_agent": "none", **changes})


def opening(to: Target, heard: Heard, deadline: Deadline, login: Credentials | None = None) -> Any:
    return asyncio.create_task(
        Connection.open(
            to,
            login or Credentials(),
            timeout=deadline,
            message=heard.message,
            connection_id="conn_00000001",
        )
    )


async def test_a_login_elsewhere_is_said_and_waited_for(tmp_path: Path) -> None:
    let_in, heard = threading.Event(), Heard()
    with announcing(iter([CHECK]), let_in) as (port, key):
        deadline = HeldDeadline()
        task = opening(target(port, key, tmp_path), heard, deadline)
        await heard.news.wait()
        assert heard.texts == [CHECK.rstrip()]
        assert deadline.is_persons
        deadline.outlast_work()
        let_in.set()
        connection = await task
        assert not deadline.is_persons
        assert deadline.left > 0
        await connection.close()


async def test_words_without_end_are_bounded_and_end(tmp_path: Path) -> None:
    words = (f"word {number} " + "x" * 900 + "\n" for number in itertools.count())
    heard, deadline = Heard(), HeldDeadline()
    begun = time.monotonic()
    with announcing(words, threading.Event(), pause=0.0005) as (port, key):
        task = opening(target(port, key, tmp_path), heard, deadline)
        await until(lambda: len(heard.texts) > 2)
        deadline.run_out()
        with pytest.raises(ConnectionTimeout, match="said something before it lets you in") as late:
            await task
        assert isinstance(late.value, RemoteError)
    # Once a second at most, however many words there were.
    assert 1 <= len(heard.texts) <= time.monotonic() - begun + 2
    assert all(len(text.encode()) <= MAX_BYTES for text in heard.texts)
    text = heard.message.text
    assert text.startswith("word 0 x")
    assert "\n…\n" in text
    assert len(text.encode()) <= MAX_BYTES


async def test_words_do_not_hold_up_coming_back(make_relay: Callable[..., Relay], tmp_path: Path) -> None:
    """A server that greets and then stalls, as at the end of a cut, is asked again after ``timeout``."""
    let_in = threading.Event()
    let_in.set()
    deadline = HeldDeadline()
    deadline.seconds = 1.5  # for each time it comes back; the first time may take longer
    with announcing(itertools.repeat(CHECK), let_in, pause=0.1) as (port, key):
        line = make_relay("127.0.0.1", port)
        connection = await opening(target(line.port, key, tmp_path), Heard(), deadline)
        let_in.clear()
        line.reset()
        await until(lambda: line.accepted >= 3)
        assert connection.status == "reconnecting"
        let_in.set()
        assert await connection.wait_connected(60)
        await connection.close()


@pytest.mark.parametrize("login", ["accepted", "refused"])
async def test_a_policy_text_of_sshd(make_sshd: Callable[..., Sshd], tmp_path: Path, login: str) -> None:
    banner = tmp_path / "banner"
    banner.write_text("Authorised use.\n\x1b[31mSee https://policy.example/ssh\x1b[0m\n\u202eno tricks\n")
    server = make_sshd(Banner=str(banner))
    heard = Heard()
    said = "Authorised use.\nSee https://policy.example/ssh\nno tricks"
    if login == "accepted":
        connection = await opening(target_of(server), heard, Deadline(60), credentials_of(server))
        await connection.close()
        assert heard.texts == [said]
        return
    with pytest.raises(AuthenticationFailed) as refused:
        await opening(target_of(server, username="root" * 3), heard, Deadline(60), credentials_of(server))
    heard.message.attach(refused.value)
    assert refused.value.details["server_message"].startswith(said)


LOGIN = "Please open the following URL and log in: https://login.example/x?é=1"


@pytest.fixture
def login_script(tmp_path: Path) -> Path:
    """Prints where to log in, byte after byte and without a newline, then waits until ``done`` is written."""
    os.mkfifo(tmp_path / "done")
    before = (
        f"for byte in {LOGIN!r}.encode():\n"
        "    os.write(2, bytes([byte])); time.sleep(0.003)\n"
        f"open({str(tmp_path / 'done')!r}).read()\n"
    )
    return write_proxy_command(tmp_path / "access.py", before=before)


async def test_a_proxy_command_that_wants_a_login(sshd: Sshd, login_script: Path, tmp_path: Path) -> None:
    heard = Heard()
    to = target_of(sshd, proxy_command=f"python3 {login_script} {sshd.host} {sshd.port}")
    task = opening(to, heard, Deadline(30), credentials_of(sshd))
    while LOGIN not in heard.texts:
        heard.news.clear()
        await heard.news.wait()
    # However it was cut, each text is the beginning of what was said.
    assert all(LOGIN.startswith(text) for text in heard.texts)
    await asyncio.to_thread((tmp_path / "done").write_text, "")
    await (await task).close()


async def test_a_proxy_command_at_which_nobody_logs_in(sshd: Sshd, login_script: Path) -> None:
    heard, before, deadline = Heard(), Census.take(), HeldDeadline()
    to = target_of(sshd, proxy_command=f"python3 {login_script} x 1")
    task = opening(to, heard, deadline, credentials_of(sshd))
    await until(lambda: heard.message.text == LOGIN)
    assert deadline.is_persons
    deadline.run_out()
    with pytest.raises(ConnectionTimeout) as late:
        await task
    heard.message.attach(late.value)
    assert "https://login.example/x" in late.value.details["server_message"]
    await asyncio.to_thread(await_census, before)


async def test_a_proxy_command_that_ignores_termination_is_killed(sshd: Sshd, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    stubborn = tmp_path / "stubborn.sh"
    stubborn.write_text(f"trap '' TERM; echo $$ > {pid}; while :; do sleep 60; done\n")
    to = target_of(sshd, proxy_command=f"sh {stubborn}")
    deadline = HeldDeadline()
    task = opening(to, Heard(), deadline, credentials_of(sshd))
    await until(lambda: pid.is_file() and pid.read_text().endswith("\n"))
    deadline.run_out()
    with pytest.raises(ConnectionTimeout):
        await task
    assert not is_running(int(pid.read_text()))


async def test_what_a_proxy_command_says_before_it_fails(sshd: Sshd) -> None:
    heard = Heard()
    to = target_of(sshd, proxy_command="sh -c 'echo first line >&2; echo gate closed >&2; exit 1'")
    with pytest.raises(SshUnavailable, match="gate closed") as failed:
        await opening(to, heard, Deadline(30), credentials_of(sshd))
    heard.message.attach(failed.value)
    assert failed.value.details["server_message"] == "first line\ngate closed"


def transports() -> list[SshTransport]:
    return [thread for thread in threading.enumerate() if isinstance(thread, SshTransport)]


async def test_a_server_that_is_none_gets_no_time_of_a_person_but_is_quoted(tmp_path: Path) -> None:
    heard, deadline = Heard(), HeldDeadline()
    with peer(b"220 mail.example ESMTP\r\n") as port:
        task = opening(target(port, "ssh-ed25519 AAAA", tmp_path), heard, deadline)
        await until(lambda: any(transport.greeting for transport in transports()))
        assert not deadline.is_persons
        deadline.run_out()
        with pytest.raises(ConnectionTimeout, match="within 60 seconds") as late:
            await task
    heard.message.attach(late.value)
    assert late.value.details["server_message"] == "220 mail.example ESMTP"
    assert heard.texts == []


def test_a_question_is_not_said_twice_and_a_message_without_one_is() -> None:
    rounds = [
        ("Push sent to your phone.\nApprove it there.", [], []),
        ("1. Push\n2. Call", [("Option: ", True)], ["1"]),
    ]
    message = ServerMessage()
    asked: list[str] = []

    async def attempt() -> None:
        message.begin(lambda: None)
        await asyncio.to_thread(log_in)
        message.end()

    def log_in() -> None:
        from pydantic import SecretStr

        from runicorn_jupyter.ssh.auth.authentication import authenticate
        from tests.integration.ssh.people import connected

        def ask(instruction: str, _prompts: Any) -> list[SecretStr]:
            asked.append(instruction)
            return [SecretStr("1")]

        with scripted(Script(rounds=rounds)) as connect, connected(connect()) as transport:
            to = Target("gpu", "gpu", 22, "alice")
            authenticate(transport, to, Credentials(), ask, message)

    asyncio.run(attempt())
    assert asked == ["alice@gpu:\nPush sent to your phone.\nApprove it there.\n1. Push\n2. Call"]
    assert message.unasked == "Push sent to your phone.\nApprove it there."
    assert message.text == "Push sent to your phone.\nApprove it there.\n1. Push\n2. Call\nOption:"
