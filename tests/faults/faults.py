"""What may go wrong, a function a fault: it does the fault to the world, and undoes what is undone in life.

Each takes the world and a connection with a well viewer. What must hold afterwards is in the table
(``test_viewer.py``); what must hold meanwhile is looked at here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

from tests.faults.clock import Clock
from tests.faults.world import LIMIT, Held, World, end_jupyter, removable_environment, until
from tests.world.sshd import Option

Fault = Callable[[World, Held], None]

BROKEN_OFF = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""How a client sees an answer that ended too soon; it cannot be taken for a whole one."""


# -- the line ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def reconnects(held: Held) -> Iterator[None]:
    """Do something that costs the connection, and wait until it is back."""
    before = held.entry()["reconnects"]
    yield
    until("it is connected anew", lambda: held.entry()["reconnects"] > before)


def cut_of_5_seconds(world: World, held: Held) -> None:
    before = held.entry()["reconnects"]
    world.network.drop()
    time.sleep(world.times.scaled(5))
    world.network.mend()
    world.content_is_whole(held)
    assert held.entry()["reconnects"] == before


def cut_of_a_minute(world: World, held: Held) -> None:
    before = held.entry()["reconnects"]
    world.network.drop()
    with world.measure("noticed"):
        held.noticed()
    page = held.ask(headers={"Accept": "text/html"})
    assert (page.status_code, "Reconnecting" in page.text) == (503, True)
    time.sleep(world.times.scaled(60 - 20))
    world.network.mend()
    with world.measure("usable again"):
        until("it is well", lambda: held.entry()["reconnects"] > before and held.is_well())


def cut_longer_than_the_lease(world: World, held: Held) -> None:
    world.network.drop()
    held.noticed()
    world.await_nothing_left()
    world.network.mend()


def address_changes(world: World, held: Held) -> None:
    with reconnects(held):
        world.network.change_address()


def resets_under_load(world: World, held: Held) -> None:
    digest = hashlib.sha256(world.asset.read_bytes()).digest()
    over = threading.Event()

    def load() -> int:
        whole = 0
        while not over.is_set():
            try:
                answer = held.ask(f"assets/{world.asset.name}")
            except BROKEN_OFF:
                continue
            assert answer.status_code in (200, 502, 503), answer.text
            if answer.status_code == 200:
                assert hashlib.sha256(answer.content).digest() == digest
                whole += 1
        return whole

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        try:
            for _ in range(3):
                with reconnects(held):
                    world.network.reject()
                    held.noticed()
                    world.network.mend()
        finally:
            over.set()
        assert sum(each.result() for each in loads)


def slow_line(world: World, held: Held) -> None:
    """300 ms there and back, 1 Mbit/s: the same viewer is reached over it, and what comes is whole."""
    relay = world.relay(delay_ms=150, rate_mbit=1)
    world.client_home.host(
        "slow", world.sshd, HostName=relay.host, Port=relay.port, HostKeyAlias=world.host_key_alias
    )
    slow = world.start(held.jupyter, world.connect(held.jupyter, "slow"))
    assert slow.pid == held.pid
    small = min(
        (file for file in world.asset.parent.glob("*.js") if file.stat().st_size > 65536),
        key=lambda file: file.stat().st_size,
    )
    assert slow.ask().status_code == 200
    answer = slow.ask(f"assets/{small.name}")
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(small.read_bytes()).digest()
    assert slow.entry()["reconnects"] == 0
    slow.disconnect()


def names_gone(world: World, held: Held) -> None:
    with reconnects(held):
        world.names_known(False)
        world.sshd.drop_sessions()
        held.noticed()
        time.sleep(world.times.scaled(30))  # attempts that cannot find the host
        assert held.entry()["status"] == "reconnecting"
        world.names_known(True)


# -- the SSH server ---------------------------------------------------------------------------------


def session_killed(world: World, held: Held) -> None:
    with reconnects(held):
        world.sshd.drop_sessions()


def listener_down(world: World, held: Held) -> None:
    with reconnects(held):
        world.sshd.stop()
        held.noticed()
        world.sshd.start()


def server_stopped(world: World, held: Held) -> None:
    with reconnects(held):
        world.sshd.pause()
        held.noticed()
        world.sshd.resume()


def comes_back_with(**options: Option) -> Fault:
    """Make the fault of an sshd that allows less when it is back."""

    def fault(world: World, held: Held) -> None:
        with reconnects(held):
            world.sshd.restart(**options)
        until("the viewer is reached again", held.is_well)
        world.content_is_whole(held)

    fault.__name__ = "comes_back_with_" + "_".join(f"{name}={value}" for name, value in options.items())
    return fault


def forced_command(world: World, held: Held) -> None:
    """Nothing can be run any more: the viewer is reached all the same, and what cannot be done is said."""
    comes_back_with(ForceCommand="echo This account only forwards")(world, held)
    other = world.connect(held.jupyter)
    answer = held.jupyter.post("viewer/start", connection_id=other, env_name="train")
    assert answer.json()["error"] in ("ssh_unavailable", "environment_not_found")
    assert held.jupyter.delete(f"connections/{other}").status_code == 200
    world.sshd.options = {}
    with reconnects(held):
        world.sshd.restart()


def few_at_a_time(world: World, held: Held) -> None:
    """Ten connections come back to a server that lets one in at a time, and drops the others."""
    others = [world.connect(held.jupyter) for _ in range(9)]
    with reconnects(held):
        world.sshd.restart(MaxStartups="1:100:1")
    for ident in others:
        other = Held(held.jupyter, ident, {})
        until("all are back", lambda entry=other.entry: entry()["status"] == "connected")
        other.disconnect()


def new_host_key(world: World, held: Held) -> None:
    saved = [
        (path, path.read_bytes()) for path in (world.sshd.root / "host_key", world.sshd.root / "host_key.pub")
    ]
    try:
        world.sshd.new_host_key()
        world.sshd.restart()
        until("it gives up", lambda: held.entry()["status"] == "disconnected")
    finally:
        for path, content in saved:
            path.write_bytes(content)
        world.sshd.restart()


def agent_gone(world: World, held: Held) -> None:
    """A connection by a key of the agent's: when the agent has gone, nobody is asked again and again."""
    path = world.folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as agent:
        try:
            until("the agent listens", path.exists)
            environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            subprocess.run(["ssh-add", "-q", world.sshd.key_path], env=environment, check=True)
            world.client_home.host(
                "by-agent",
                HostName=world.sshd.host,
                Port=world.sshd.port,
                User=world.sshd.user,
                HostKeyAlias=world.host_key_alias,
                UserKnownHostsFile=world.client_home.known_hosts,
                IdentityAgent=path,
                IdentityFile="none",
            )
            other = world.start(held.jupyter, world.connect(held.jupyter, "by-agent", auth_method="agent"))
            assert other.pid == held.pid
        finally:
            agent.kill()
    with reconnects(held):
        world.sshd.drop_sessions()
    until("it gives up", lambda: other.entry()["status"] == "disconnected")
    said = held.jupyter.get("ping", connection_id=other.connection_id).json()
    assert said["error"] == "connection_lost"
    assert "has ended" in said["message"]
    other.disconnect()


# -- the viewer -------------------------------------------------------------------------------------


def viewer_killed(world: World, held: Held) -> None:
    os.kill(held.pid, signal.SIGKILL)


def viewer_killed_during_a_cut(world: World, held: Held) -> None:
    world.network.drop()
    held.noticed()
    os.kill(held.pid, signal.SIGKILL)
    world.network.mend()


def viewer_stopped(world: World, held: Held) -> None:
    """It is told to hang, is not killed, and is well by itself as soon as it goes on."""
    os.kill(held.pid, signal.SIGSTOP)
    try:
        until("it is told to hang", lambda: held.now()["health"] == "degraded")
        assert held.now()["status"] == "running"
        checks = held.jupyter.get("health", connection_id=held.connection_id).json()["checks"]
        assert checks == {"ssh_connection": "pass", "viewer_process": "pass", "tunnel_active": "fail"}
        time.sleep(world.times.brief_lease / 2)  # longer than its lease in all
    finally:
        os.kill(held.pid, signal.SIGCONT)


def viewer_out_of_memory(world: World, held: Held) -> None:
    """No page more of memory: whatever the viewer does then is told, and every request ends."""
    before = resource.prlimit(held.pid, resource.RLIMIT_AS)
    resource.prlimit(held.pid, resource.RLIMIT_AS, (1, before[1]))
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: _status(held, "api/runs"), range(40)):
            assert answer in (0, 200, 500, 502, 503), answer
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(held.pid, resource.RLIMIT_AS, before)


def _status(held: Held, path: str) -> int:
    try:
        return held.ask(path).status_code
    except BROKEN_OFF:
        return 0


_SQUATTER = """
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(64)
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    peer.settimeout(2)
    with peer:
        try:
            heard = peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        except OSError:
            continue
    print(heard.hex(), flush=True)
"""


def port_squatted(world: World, held: Held) -> None:
    """Another program has the viewer's port after a cut: it neither hears the secret nor is believed."""
    (secret,) = {
        line for file in world.sshd.home.rglob("runicorn-jupyter/*/*.json") for line in _secrets(file)
    }
    world.network.drop()
    held.noticed()
    os.kill(held.pid, signal.SIGKILL)
    until("the viewer is gone", lambda: held.pid not in world.viewers())
    command = world.inside(sys.executable, "-c", _SQUATTER, str(held.viewer["remote_port"]))
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as squatter,
        ThreadPoolExecutor(4) as pool,
    ):
        try:
            assert squatter.stdout is not None
            assert squatter.stdout.readline() == "ready\n"
            over = threading.Event()

            def ask() -> None:
                while not over.is_set():
                    _status(held, "api/runs")

            asking = [pool.submit(ask) for _ in range(4)]
            world.network.mend()
            until("there is a viewer again", held.is_well)
            over.set()
            for each in asking:
                each.result()
        finally:
            over.set()
            squatter.kill()
        heard = [bytes.fromhex(line) for line in squatter.stdout]
    assert heard
    assert not any(secret.encode() in each for each in heard)


def _secrets(state: Path) -> list[str]:
    import json

    return [json.loads(state.read_text())["secret"]]


def environment_deleted(world: World, held: Held) -> None:
    """A viewer whose environment was deleted serves what it can; started again it says what is missing."""
    prefix = removable_environment(world.sshd.home / ".virtualenvs" / "doomed", world.prefix)
    doomed = world.start(held.jupyter, world.connect(held.jupyter), env_name="doomed")
    assert doomed.pid != held.pid
    shutil.rmtree(prefix)
    assert len(doomed.ask("api/runs").json()) == 2
    os.kill(doomed.pid, signal.SIGKILL)
    crash_is_told(doomed)
    again = held.jupyter.post("viewer/start", connection_id=doomed.connection_id, env_name="doomed")
    assert (again.status_code, again.json()["error"]) == (404, "environment_not_found")
    doomed.disconnect()


def crash_is_told(held: Held) -> None:
    """Hold that a crash shows, with the last lines of the log."""
    until("the crash is told", lambda: held.now()["status"] == "crashed")
    assert held.now()["health"] == "unhealthy"
    assert held.logs()
    assert held.ask("api/runs").status_code == 502


@contextlib.contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Fill a disk to the last byte, that of the viewer's log included."""
    filling = folder / "filling"
    logs = list(folder.rglob("runicorn-jupyter/*/*.log"))
    assert logs
    try:
        for path, block in ((filling, bytes(2**16)), (filling, b"0"), *((log, b"\n") for log in logs)):
            with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
                while True:
                    file.write(block)
        yield
    finally:
        filling.unlink()


def disk_full(world: World, held: Held) -> None:
    """The viewer's home is full: all goes on, and it ends with its lease as ever."""
    with _full(world.sshd.home):
        session_killed(world, held)
        until("it is well", held.is_well)
        world.content_is_whole(held)
        other = world.start(
            held.jupyter, world.connect(held.jupyter), remote_root=str(world.folder / "empty")
        )
        other.disconnect()
        leave_to_the_lease(world, held)


def home_read_only(world: World, held: Held) -> None:
    """Nothing can be written or removed in the viewer's home any more: it ends with its lease as ever."""
    state = world.sshd.home / ".local"
    subprocess.run(["chattr", "-R", "+i", state], check=True)
    try:
        session_killed(world, held)
        until("it is well", held.is_well)
        world.content_is_whole(held)
        leave_to_the_lease(world, held)
    finally:
        subprocess.run(["chattr", "-R", "-i", state], check=True)
        shutil.rmtree(state)


def leave_to_the_lease(world: World, held: Held) -> None:
    """Disconnect without a stop, and wait until the viewer has ended by itself."""
    held.jupyter.delete(f"connections/{held.connection_id}", cleanup_viewer=False)
    until("the lease has ended it", lambda: held.pid not in world.viewers())


# -- our side ---------------------------------------------------------------------------------------


def jupyter_stopped(world: World, held: Held) -> None:
    """Stopped for less than the lease, as by Ctrl-Z or a swapping machine."""
    with stopped(held.jupyter.process.pid):
        time.sleep(world.times.scaled(30))


def jupyter_sleeps_past_the_lease(world: World, held: Held) -> None:
    """A laptop that is closed for the night: the viewer ends, and is there again in the morning."""
    with stopped(held.jupyter.process.pid):
        world.await_no_viewer()


def everything_sleeps(world: World, held: Held) -> None:
    """A laptop and a remote that are one machine: time in which nothing lives is no time."""
    with stopped(held.jupyter.process.pid):
        world.sshd.pause()
        with stopped(held.pid):
            time.sleep(1.25 * world.times.brief_lease)
            world.sshd.resume()
            os.kill(held.jupyter.process.pid, signal.SIGCONT)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kernel_killed(world: World, held: Held) -> None:
    from tests.notebook.kernels import server_kernel

    with server_kernel(held.jupyter) as kernel:
        kernel.good("%load_ext runicorn_jupyter\n%runicorn_connect gpu1 --name mine")
        listed = held.jupyter.get("connections").json()["connections"]
        (mine,) = [each for each in listed if each["connection_id"] != held.connection_id]
        os.kill(kernel.pid, signal.SIGKILL)
    other = Held(held.jupyter, mine["connection_id"], {})
    assert other.entry()["status"] == "connected"
    other.disconnect()


def two_jupyters(world: World, held: Held) -> None:
    """They share a viewer, and neither ends the other's."""
    other = world.start(world.brief, world.connect(world.brief))
    assert other.pid == held.pid
    assert other.url != held.url
    world.content_is_whole(other)
    other.disconnect()


def the_other_jupyter_killed(world: World, held: Held) -> None:
    """It cannot say that it leaves: its claim ends with it, and the viewer with the last who lives."""
    other = world.start(world.brief, world.connect(world.brief))
    assert other.pid == held.pid
    other.jupyter.kill()
    world.content_is_whole(held)
    held.disconnect()


def jupyter_killed_and_started_again(world: World, held: Held) -> None:
    """The next Jupyter adopts the viewer, and a disconnect leaves nothing."""
    held.jupyter.kill()
    world.patient = world.jupyter(world.times.lease)
    again = world.start(world.patient, world.connect(world.patient))
    assert again.pid == held.pid
    world.content_is_whole(again)
    again.disconnect()


def everything_of_ours_dies(world: World, held: Held) -> None:
    held.jupyter.kill()
    world.sshd.drop_sessions()


def clock_set(world: World, held: Held) -> None:
    """The clocks of both sides jump, an hour forth and two back: no time is taken from them."""
    held.disconnect()
    clock = Clock(world.folder)
    world.sshd.restart(SetEnv=[f"{name}={value}" for name, value in clock.environment.items()])
    jupyter = world.jupyter(world.times.brief_lease, env=clock.environment)
    mine = world.start(jupyter, world.connect(jupyter))
    assert clock.environment["LD_PRELOAD"] in Path(f"/proc/{mine.pid}/maps").read_text()
    for seconds in (3600, -3600):
        clock.set(seconds)
        said = parsedate_to_datetime(jupyter.get("connections").headers["Date"]).timestamp()
        assert abs(said - time.time() - seconds) < 1000
        time.sleep(world.times.brief_lease + world.times.keepalive)
        assert (mine.now()["pid"], mine.is_well(), mine.entry()["reconnects"]) == (mine.pid, True, 0)
        world.content_is_whole(mine)
    mine.disconnect()
    end_jupyter(jupyter)


def a_hundred_connections(world: World, held: Held) -> None:
    """Twenty of them start one viewer at once; all come back after a cut; Jupyter stops orderly."""
    jupyter = held.jupyter
    held.disconnect()
    with ThreadPoolExecutor(20) as pool:
        idents = list(pool.map(lambda _: world.connect(jupyter, timeout=120), range(100)))
        many = list(pool.map(lambda ident: world.start(jupyter, ident), idents[:20]))
        assert len({each.pid for each in many}) == 1
        assert world.viewers() == [many[0].pid]
        world.sshd.drop_sessions()
        until("all are back", lambda: _are_back(held, 100))
        until("all viewers are well", lambda: all(each.now()["status"] == "running" for each in many))
        assert set(pool.map(lambda each: each.ask("api/runs").status_code, many)) == {200}
    with world.measure("stopped with 100 connections"):
        assert jupyter.stop(timeout=LIMIT) == 0
    until("no session is left", lambda: not world.sshd.session_pids())


def _are_back(held: Held, count: int) -> bool:
    listed = held.jupyter.get("connections").json()["connections"]
    return [each["status"] for each in listed if each["reconnects"]] == count * ["connected"]
