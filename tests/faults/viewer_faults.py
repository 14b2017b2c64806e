"""What may go wrong with the viewer and its machine: a function a fault.

Each takes the world and a connection with a well viewer, does the fault, and undoes what is undone in life.
What must hold afterwards is in the table (``test_viewer.py``); what must hold meanwhile is looked at here.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.line_faults import BROKEN_OFF, session_killed
from tests.faults.world import Held, World, removable_environment, until


def viewer_killed(world: World, held: Held) -> None:
    os.kill(held.pid, signal.SIGKILL)
    until("its end is noticed", lambda: not held.is_well() or held.now()["pid"] != held.pid)


def viewer_killed_during_a_cut(world: World, held: Held) -> None:
    world.network.drop()
    held.noticed()
    os.kill(held.pid, signal.SIGKILL)
    world.network.mend()


def viewer_stopped(world: World, held: Held) -> None:
    """It is told to hang, is not killed, and is well by itself as soon as it goes on."""
    os.kill(held.pid, signal.SIGSTOP)
    try:
        until("it is told to hang", lambda: held.now()["health"] == "unresponsive")
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
            assert answer in (0, 200, 500, 502, 503, 504), answer
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(held.pid, resource.RLIMIT_AS, before)
    # One whose event loop waits for a thread that never came ends itself within a minute.
    until("how it is shows", lambda: held.is_well() or held.now()["status"] == "crashed", seconds=120)


def _status(held: Held, path: str) -> int:
    try:
        return held.ask(path).status_code
    except BROKEN_OFF:
        return 0


_SQUATTER = """
import errno, socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
while True:
    try:
        listener.bind(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError as error:  # the dead viewer's port may be another connection's own for a moment
        if error.errno != errno.EADDRINUSE:
            raise
        time.sleep(0.05)
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
        over = threading.Event()
        try:
            assert squatter.stdout is not None
            assert squatter.stdout.readline() == "ready\n"

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
    assert held.now()["health"] == "unresponsive"
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
