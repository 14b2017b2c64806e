"""The machine that lives a connection's life: steps on a real server, and a model of what must be so."""

from __future__ import annotations

import os
import signal
from typing import Any

import requests
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.fuzz.life_world import (
    ENVIRONMENTS,
    HOW,
    IN_VAIN,
    NAMES,
    PATIENCE_SECONDS,
    Asker,
    Known,
    Process,
    eventually,
)
from tests.world.remote import is_running

MOST = 4
"""Connections at a time."""

WHICH = st.integers(0, MOST - 1)
NAVIGATION = {"Sec-Fetch-Dest": "document", "Accept": "text/html"}


class Life(Asker):
    """Steps of people's, and of the world's; the model is what the fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.up = True
        self.known: dict[str, Known] = {}
        self.gone: list[str] = []
        self.dead_urls: list[str] = []
        self.processes: list[Process] = []
        self.asked: list[str] = []
        self.spent: list[str] = []
        self.profiles: dict[str, str] = {}

    def is_up(self, connection_id: str) -> bool:
        """Whether the line of a connection is whole."""
        return self.up or self.known[connection_id].alias != "line"

    def shared(self, env_name: str) -> Process | None:
        """The process that a start of this environment adopts."""
        alive = [one for one in self.processes if one.env_name == env_name and is_running(one.pid)]
        return alive[-1] if alive else None

    def admit(self, body: dict[str, Any], alias: str) -> None:
        """Note a new connection."""
        connection_id = body["connection_id"]
        assert connection_id not in self.known
        assert connection_id not in self.gone
        assert body["status"] == "connected"
        self.known[connection_id] = Known(alias)

    def forget_url(self, known: Known) -> None:
        """Note that a capability has ended."""
        if known.url is not None:
            self.dead_urls.append(known.url)
            known.url = None

    # -- connections

    @initialize()
    def first(self) -> None:
        """Each walk has somewhere to begin."""
        self.connect("gpu1")

    @rule(alias=st.sampled_from(["gpu1", "line", "line"]))
    def connect(self, alias: str) -> None:
        """Connect, again to the same host too: that is another connection."""
        if len(self.known) >= MOST:
            return
        if alias == "line" and not self.up:
            assert self.ask("POST", "connect", 503, json={"host": alias})["error"] == "ssh_unavailable"
        else:
            self.admit(self.ask("POST", "connect", json={"host": alias}), alias)

    @rule(attempt=st.sampled_from(IN_VAIN))
    def connect_in_vain(self, attempt: tuple[dict[str, Any], int]) -> None:
        """What cannot be connected leaves nothing."""
        body, status = attempt
        self.ask("POST", "connect", status, json=body)

    @precondition(lambda self: self.known)
    @rule(which=WHICH, cleanup=st.sampled_from([True, True, False]))
    def disconnect(self, which: int, cleanup: bool) -> None:
        """Close a connection; its viewer goes with its last holder, unless it is to stay."""
        connection_id = self.pick(which, list(self.known))
        is_up = self.is_up(connection_id)
        params = {"cleanup_viewer": str(cleanup).lower()}
        self.ask("DELETE", f"connections/{connection_id}", params=params)
        known = self.known.pop(connection_id)
        self.gone.append(connection_id)
        self.forget_url(known)
        if known.process is not None:
            self.left(known.process, connection_id, told=is_up and cleanup)

    def left(self, process: Process, connection_id: str, *, told: bool) -> None:
        """Note that a holder has gone, and check that the process went with the last one."""
        process.holders.discard(connection_id)
        if not told:
            process.forsaken = True
        elif not process.holders and not process.forsaken:
            assert not is_running(process.pid)

    @precondition(lambda self: self.gone)
    @rule(which=WHICH)
    def use_a_closed_one(self, which: int) -> None:
        """A closed connection is not there, whatever is asked of it."""
        query = {"connection_id": self.pick(which, self.gone)}
        for path in ("environments", "viewer/status", "viewer/logs", "health", "ping"):
            assert self.ask("GET", path, 404, params=query)["error"] == "connection_not_found"
        for path in ("viewer/stop", "environments/detect"):
            assert self.ask("POST", path, 404, json=query)["error"] == "connection_not_found"
        start = {**query, "env_name": "rc072"}
        assert self.ask("POST", "viewer/start", 404, json=start)["error"] == "connection_not_found"
        assert (
            self.ask("DELETE", f"connections/{query['connection_id']}", 404)["error"]
            == "connection_not_found"
        )

    # -- challenges

    @precondition(lambda self: len(self.asked) < MOST)
    @rule()
    def be_asked(self) -> None:
        """A locked key is asked for its passphrase."""
        body = {"host": "gpu1", "private_key_path": str(self.line.locked_key)}
        self.note_challenge(self.ask("POST", "connect", 401, json=body))

    def note_challenge(self, body: dict[str, Any]) -> None:
        """Note what is asked; an answer that was wrong may be the end of it."""
        if body["error"] == "authentication_required":
            challenge = body["details"]["challenge_id"]
            assert challenge not in self.asked + self.spent
            self.asked.append(challenge)

    @precondition(lambda self: self.asked)
    @rule(which=WHICH, how=st.sampled_from(HOW))
    def answer(self, which: int, how: str) -> None:
        """An answer is taken once."""
        challenge = self.pick(which, self.asked)
        path = f"connect/{challenge}"
        self.asked.remove(challenge)
        self.spent.append(challenge)
        if how == "rightly" and len(self.known) < MOST:
            self.admit(self.ask("POST", path, json={"responses": ["open sesame"]}), "gpu1")
        elif how == "wrongly":
            self.note_challenge(self.ask("POST", path, 401, json={"responses": ["wrong"]}))
        elif how == "twice":
            self.note_challenge(self.ask("POST", path, {400, 401}, json={"responses": ["open sesame", "x"]}))
            self.ask("DELETE", path, {200, 404})
        else:
            self.ask("DELETE", path)

    @precondition(lambda self: self.spent)
    @rule(which=WHICH)
    def answer_a_spent_one(self, which: int) -> None:
        """What was answered or declined is not there."""
        path = f"connect/{self.pick(which, self.spent)}"
        for method, body in (("GET", None), ("DELETE", None), ("POST", {"responses": ["open sesame"]})):
            assert self.ask(method, path, 404, json=body)["error"] == "not_found"

    # -- viewers

    @precondition(lambda self: self.known)
    @rule(which=WHICH, env_name=st.sampled_from(["rc072", "rc072", "rc072", *ENVIRONMENTS]))
    def start(self, which: int, env_name: str) -> None:
        """Start a viewer, or adopt the one that runs."""
        connection_id = self.pick(which, list(self.known))
        known = self.known[connection_id]
        body = {"connection_id": connection_id, "env_name": env_name, "auto_open": False}
        if not self.is_up(connection_id):
            assert self.ask("POST", "viewer/start", 503, json=body)["error"] == "connection_lost"
        elif known.status == "running":
            refused = self.ask("POST", "viewer/start", 409, json=body)
            assert refused["error"] == "viewer_already_running"
            assert refused["details"]["viewer"]["url"] == known.url
        elif ENVIRONMENTS[env_name] != 200:
            self.forget_failed(known, self.ask("POST", "viewer/start", ENVIRONMENTS[env_name], json=body))
        else:
            self.started(connection_id, env_name, self.ask("POST", "viewer/start", json=body)["viewer"])

    def forget_failed(self, known: Known, body: dict[str, Any]) -> None:
        """Note a start that failed: what had crashed before is still that, but its address has ended."""
        if body["error"] == "runicorn_not_installed":
            self.forget_url(known)

    def started(self, connection_id: str, env_name: str, viewer: dict[str, Any]) -> None:
        """Note a viewer, which must be the shared one where there is one."""
        known, before = self.known[connection_id], self.shared(env_name)
        assert viewer["status"] == "running"
        self.forget_url(known)
        assert viewer["url"] not in self.dead_urls
        if before is None or viewer["pid"] != before.pid:
            assert before is None, "there was one to adopt"
            before = Process(env_name, viewer["pid"])
            self.processes.append(before)
        before.holders.add(connection_id)
        known.process, known.url, known.status = before, viewer["url"], "running"

    @precondition(lambda self: self.known)
    @rule(which=WHICH, cleanup=st.booleans())
    def stop(self, which: int, cleanup: bool) -> None:
        """Stop the viewer of a connection."""
        connection_id = self.pick(which, list(self.known))
        known = self.known[connection_id]
        body = {"connection_id": connection_id, "cleanup": cleanup}
        if known.status == "stopped":
            self.ask("POST", "viewer/stop", 404 if self.is_up(connection_id) else {404, 503}, json=body)
        elif not self.is_up(connection_id):
            assert self.ask("POST", "viewer/stop", 503, json=body)["error"] == "connection_lost"
        else:
            self.ask("POST", "viewer/stop", json=body)
            self.forget_url(known)
            assert known.process is not None
            process, known.process, known.status = known.process, None, "stopped"
            self.left(process, connection_id, told=True)

    @precondition(lambda self: any(known.url for known in self.known.values()))
    @rule(which=WHICH)
    def use(self, which: int) -> None:
        """A capability opens its viewer, and says so where that cannot be reached."""
        connection_id = self.pick(which, [name for name, known in self.known.items() if known.url])
        known = self.known[connection_id]
        expected = {200 if known.status == "running" else 502}
        if not self.is_up(connection_id):
            expected = {503} if known.status == "running" else {502, 503}
        answer = requests.get(str(known.url), headers=NAVIGATION, timeout=PATIENCE_SECONDS)
        assert answer.status_code in expected
        assert answer.headers["Content-Security-Policy"].startswith("sandbox ")

    @precondition(lambda self: self.dead_urls)
    @rule(which=WHICH)
    def use_a_dead_one(self, which: int) -> None:
        """A capability that has ended opens nothing, ever again."""
        url = self.pick(which, self.dead_urls)
        for path in ("", "api/runs", "assets/index-0123abcd.js"):
            assert requests.get(url + path, timeout=PATIENCE_SECONDS).status_code == 404

    @precondition(lambda self: self.up and any(known.status == "running" for known in self.known.values()))
    @rule(which=WHICH)
    def crash(self, which: int) -> None:
        """The viewer's process is killed: all its holders learn that."""
        running = [known.process for known in self.known.values() if known.status == "running"]
        process = self.pick(which, running)
        os.kill(process.pid, signal.SIGKILL)
        for connection_id in process.holders:
            eventually(lambda it=connection_id: self.viewer(it)["status"] == "crashed")  # type: ignore[misc]
            self.known[connection_id].status = "crashed"

    def viewer(self, connection_id: str) -> dict[str, Any]:
        """What the server says of a connection's viewer."""
        status = self.ask("GET", "viewer/status", params={"connection_id": connection_id})
        viewer: dict[str, Any] = status["viewer"]
        return viewer

    # -- the line

    @precondition(lambda self: self.up and any(known.alias == "line" for known in self.known.values()))
    @rule()
    def cut(self) -> None:
        """The line breaks."""
        self.line.relay.cut()
        self.up = False
        self.wait_until("reconnecting")

    @precondition(lambda self: not self.up)
    @rule()
    def mend(self) -> None:
        """It is whole again, and everything is as it was, under the same addresses."""
        self.line.relay.mend()
        self.up = True
        self.wait_until("connected")

    def wait_until(self, status: str) -> None:
        """Wait until all connections over the line, and their viewers, have the status that goes with it."""
        viewer = "reconnecting" if status == "reconnecting" else "running"
        names = [name for name, known in self.known.items() if known.alias == "line"]

        def is_so() -> bool:
            listed = self.listed()
            return all(
                listed[name]["status"] == status
                and (self.known[name].status != "running" or listed[name]["viewer"]["status"] == viewer)
                for name in names
            )

        eventually(is_so)

    # -- profiles

    @rule(name=st.sampled_from(NAMES), host=st.sampled_from(["gpu1", "line"]))
    def save(self, name: str, host: str) -> None:
        """Save a profile."""
        self.ask("POST", "profiles", json={"name": name, "host": host})
        self.profiles[name] = host

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        """Delete a profile that is there, or is not."""
        self.ask("DELETE", "profiles", 200 if name in self.profiles else 404, params={"name": name})
        self.profiles.pop(name, None)

    # -- what must be so after each step

    def listed(self) -> dict[str, dict[str, Any]]:
        """The server's own account, by id."""
        body = self.ask("GET", "connections")
        assert body["total"] == len(body["connections"])
        return {each["connection_id"]: each for each in body["connections"]}

    @invariant()
    def the_lists_are_right(self) -> None:
        """Connections in their order, and their viewers; profiles; challenges that are open."""
        listed = self.listed()
        assert list(listed) == list(self.known)
        for connection_id, known in self.known.items():
            is_up, each = self.is_up(connection_id), listed[connection_id]
            assert each["status"] == ("connected" if is_up else "reconnecting")
            viewer = each["viewer"]
            assert (viewer is None) is (known.status == "stopped")
            if viewer is not None:
                status = "reconnecting" if known.status == "running" and not is_up else known.status
                assert (viewer["status"], viewer["url"]) == (status, known.url)
                assert known.process is not None
                assert viewer["pid"] == known.process.pid
        profiles = self.ask("GET", "profiles")["profiles"]
        assert {each["name"]: each["host"] for each in profiles} == self.profiles

    @invariant()
    def each_answers(self) -> None:
        """Those that are up do their work; those that are down say so at once."""
        for connection_id, known in list(self.known.items())[-2:]:
            query = {"connection_id": connection_id}
            is_up = self.is_up(connection_id)
            self.ask("GET", "ping", 200 if is_up else 503, params=query)
            self.ask("GET", "environments", params=query)
            health = self.ask("GET", "health", params=query)
            expected = "unhealthy" if not is_up else "degraded" if known.status == "crashed" else "healthy"
            assert health["health"] == expected
        for challenge in self.asked:
            assert self.ask("GET", f"connect/{challenge}")["prompts"]

    def teardown(self) -> None:
        """Leave the world as it was."""
        if not self.up:
            self.mend()  # what cannot be told to end would go on
        for challenge in self.asked:
            self.ask("DELETE", f"connect/{challenge}")
        for connection_id in self.listed():
            self.ask("DELETE", f"connections/{connection_id}")
        for name in self.profiles:
            self.ask("DELETE", "profiles", params={"name": name})
        for process in self.processes:
            if is_running(process.pid):
                assert process.forsaken
                os.kill(process.pid, signal.SIGKILL)
