"""Connections through the API: what they say, how long they last, and what they leave behind."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from operator import le
from pathlib import Path

import pytest
import requests

from tests.api.conftest import World
from tests.faults.world import until
from tests.world.jupyter import start_jupyter
from tests.world.layouts import add_environments
from tests.world.masters import SshMaster
from tests.world.sshd import Sshd, SshHome


def census(pid: int) -> tuple[int, int]:
    """Count the threads and the sockets of a process."""
    tasks = len(list(Path(f"/proc/{pid}/task").iterdir()))
    links = [link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return tasks, sum(str(link).startswith("socket:") for link in links)


def fetch(url: str) -> int:
    """Get a page over a connection that the server closes."""
    return requests.get(url, headers={"Connection": "close"}, timeout=60).status_code


@pytest.fixture(scope="module")
def own(
    _sshd_program: str, tmp_path_factory: pytest.TempPathFactory, runicorn_env: Callable[..., Path]
) -> Iterator[World]:
    """A Jupyter server and a remote that nothing else uses."""
    with ExitStack() as stack:
        remote = Sshd(tmp_path_factory.mktemp("own-sshd")).start()
        stack.callback(remote.close)
        add_environments(remote.home, rc072=runicorn_env())
        home = SshHome(tmp_path_factory.mktemp("own"))
        home.trust(remote)
        home.host("gpu1", remote)
        server = start_jupyter(home.path)
        stack.callback(server.stop)
        yield World(server, remote, home)


def test_connect_answers_what_the_contract_lists(world: World) -> None:
    before = datetime.now(UTC)
    answer = world.jupyter.post(
        "connect", host="gpu1", username=world.sshd.user, port=22, auth_method="key"
    ).json()
    assert set(answer) == {
        "success", "connection_id", "host", "port", "username", "status", "server_info", "created_at",
    }  # fmt: skip
    assert re.fullmatch(r"conn_[0-9a-f]{8}", answer["connection_id"])
    assert (answer["host"], answer["port"], answer["status"]) == ("gpu1", world.sshd.port, "connected")
    assert answer["server_info"]["hostname"]
    assert "Linux" in answer["server_info"]["os"]
    assert re.match(r"3\.\d+\.\d+", answer["server_info"]["python_version"])
    assert before <= datetime.fromisoformat(answer["created_at"]) <= datetime.now(UTC)


def test_each_connect_is_a_connection_of_its_own(world: World) -> None:
    ids = [world.connect() for _ in range(3)]
    listed = world.jupyter.get("connections").json()
    assert len(set(ids)) == 3
    assert [each["connection_id"] for each in listed["connections"]] == ids
    assert listed["total"] == 3
    for each in listed["connections"]:
        assert (each["viewer"], each["reconnects"], each["status"]) == (None, 0, "connected")
        assert each["connected_since"]


def test_a_connection_over_a_master_needs_no_key_shows_a_viewer_and_says_so(
    own: World, make_master: Callable[[Sshd], SshMaster]
) -> None:
    master = make_master(own.sshd)
    own.home.host("over", own.sshd, IdentityFile="/nonexistent", ControlPath=master.path)
    plain, over = own.connect(), own.connect("over")
    listed = own.jupyter.get("connections").json()["connections"]
    said = {each["connection_id"]: each["multiplexed"] for each in listed}
    assert (said[plain], said[over]) == (False, True)
    assert fetch(own.start(over, "rc072")["url"]) == 200
    for each in (plain, over):
        own.jupyter.delete(f"connections/{each}")
    assert "Master running" in master.ssh("-O", "check")


def test_after_disconnect_nothing_is_left_on_either_side(own: World) -> None:
    first = own.connect()
    viewer = own.start(first, "rc072")
    assert fetch(viewer["url"]) == 200
    own.jupyter.delete(f"connections/{first}")
    before = census(own.jupyter.process.pid)

    second = own.connect()
    viewer = own.start(second, "rc072")
    for _ in range(5):
        assert fetch(f"{viewer['url']}api/health") == 200
    assert own.sshd.processes()
    gone = own.jupyter.delete(f"connections/{second}").json()
    assert gone["connection_id"] == second
    assert own.sshd.left() == []
    assert fetch(viewer["url"]) == 404
    # The loop's executor keeps its idle threads, which are not ours.
    most = (before[0] + 2, before[1])
    until("threads and sockets are closed", lambda: all(map(le, census(own.jupyter.process.pid), most)))


def test_a_viewer_left_behind_on_purpose_is_adopted(world: World) -> None:
    first = world.connect()
    viewer = world.start(first, "rc072")
    world.jupyter.delete(f"connections/{first}", cleanup_viewer=False)
    assert viewer["pid"] in world.sshd.processes()
    second = world.connect()
    adopted = world.start(second, "rc072")
    assert adopted["pid"] == viewer["pid"]
    assert adopted["url"] != viewer["url"]
    assert requests.get(viewer["url"], timeout=60).status_code == 404
    assert requests.get(adopted["url"], timeout=60).status_code == 200


def test_two_holders_of_one_viewer_the_last_one_ends_it(world: World) -> None:
    first, second = world.connect(), world.connect()
    viewer, same = world.start(first, "rc072"), world.start(second, "rc072")
    assert viewer["pid"] == same["pid"]
    world.jupyter.delete(f"connections/{first}")
    assert requests.get(same["url"], timeout=60).status_code == 200
    world.jupyter.delete(f"connections/{second}")
    assert viewer["pid"] not in world.sshd.processes()


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])  # a service manager's, JupyterHub's
def test_an_orderly_stop_of_jupyter_ends_its_viewers(own: World, by: signal.Signals) -> None:
    # A shell's background job ignores interrupts, and hands that down to what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        its = World(start_jupyter(own.home.path), own.sshd, own.home)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        viewer = its.start(its.connect(), "rc072")
        assert viewer["pid"] in own.sshd.processes()
    finally:
        its.jupyter.stop(by=by)
    assert own.sshd.left() == []


def test_a_client_that_hangs_up_while_connecting_leaves_no_connection(
    world: World, make_sshd: Callable[..., Sshd]
) -> None:
    slow = make_sshd()
    world.home.host("slow", slow)
    world.home.trust(slow)
    slow.pause()
    try:
        with pytest.raises(requests.ReadTimeout):
            world.jupyter.request("POST", "connect", json={"host": "slow"}, timeout=0.5)
    finally:
        slow.resume()
    slow.wait_log("[preauth]")
    assert world.jupyter.get("connections").json()["total"] == 0


def test_an_answer_does_not_wait_for_another_that_is_slow(
    world: World, make_sshd: Callable[..., Sshd]
) -> None:
    slow = make_sshd()
    world.home.host("stuck", slow)
    slow.pause()
    answered: list[int] = []

    def connect() -> None:
        with requests.Session() as session:
            answer = session.post(
                f"{world.jupyter.url}api/remote/connect",
                json={"host": "stuck", "timeout": 2},
                headers={"Authorization": f"token {world.jupyter.token}"},
                timeout=30,
            )
            answered.append(answer.status_code)

    waiting = threading.Thread(target=connect)
    waiting.start()
    try:
        world.connect()
        assert answered == []
    finally:
        waiting.join()
        slow.resume()
    assert answered == [408]
