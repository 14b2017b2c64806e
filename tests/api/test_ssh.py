"""SSH as people have it, through the API: jump hosts, aliases, second factors, what was last opened."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import World
from tests.world.jupyter import JupyterServer
from tests.world.sshd import Sshd, SshHome, can_relocate

pytestmark = pytest.mark.skipif(not can_relocate(), reason="needs root for namespaces and a password file")


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, code), body
    details: dict[str, Any] = body.get("details") or {}
    return details


def accept(world: World, details: dict[str, Any]) -> None:
    key = details["host_key"]
    answer = world.jupyter.post(
        "known-hosts", host=key["host"], port=key["port"], public_key=key["public_key"]
    )
    assert answer.status_code == 200, answer.text


class Island(Sshd):
    """An sshd in a network namespace of its own."""

    namespace = ""

    def _command(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *super()._command()]


@pytest.fixture
def islands(tmp_path: Path) -> Iterator[tuple[Island, Island]]:
    """Two sshds: one that we reach, and one that only the first one reaches."""
    near, far = f"rjnear{os.getpid()}", f"rjfar{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    servers: list[Island] = []
    try:
        for name in (near, far):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "rjhost0", "type", "veth", "peer", "name", "rjnear0", "netns", near)
        ip("-n", near, "link", "add", "rjnear1", "type", "veth", "peer", "name", "rjfar0", "netns", far)
        ip("addr", "add", "10.203.77.1/30", "dev", "rjhost0")
        ip("link", "set", "rjhost0", "up")
        for namespace, device, address in (
            (near, "rjnear0", "10.203.77.2/30"),
            (near, "rjnear1", "10.203.77.5/30"),
            (far, "rjfar0", "10.203.77.6/30"),
        ):
            ip("-n", namespace, "addr", "add", address, "dev", device)
            ip("-n", namespace, "link", "set", device, "up")
        for namespace, address in ((near, "10.203.77.2"), (far, "10.203.77.6")):
            root = tmp_path / namespace
            root.mkdir()
            server = Island(root, address=address)
            server.namespace, server.port = namespace, 2022
            servers.append(server)
            server.start()
        yield servers[0], servers[1]
    finally:
        for server in servers:
            server.close()
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", "rjhost0"], check=False, capture_output=True)


def test_a_host_behind_a_jump_host_each_with_its_own_key(
    world: World, islands: tuple[Island, Island]
) -> None:
    near, far = islands
    known = {"UserKnownHostsFile": str(world.home.ssh / "known_islands")}
    world.home.host("ferry", near, **known)
    world.home.host("island", far, **known, ProxyJump="ferry")
    first = refused(world.jupyter.post("connect", host="island"), 409, "host_key_unknown")
    assert first["host_key"]["host"] == "ferry"
    assert first["host_key"]["public_key"] == near.host_key
    accept(world, first)
    second = refused(world.jupyter.post("connect", host="island"), 409, "host_key_unknown")
    assert second["host_key"]["host"] == "island"
    assert "Accepted" not in far.log
    accept(world, second)
    connection_id = world.connect("island")
    assert world.jupyter.get("ping", connection_id=connection_id).status_code == 200
    assert "from 10.203.77.5 port" in far.log  # from the jump host, not from here
    listed = {each["alias"]: each for each in world.jupyter.get("hosts").json()["hosts"]}
    assert listed["island"]["proxy_jump"] == "ferry"


def test_host_keys_by_alias_are_listed_and_forgotten(world: World, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd()
    own = {"UserKnownHostsFile": str(world.home.known_hosts), "HashKnownHosts": "yes"}
    world.home.host("hashed", server, **own)
    accept(world, refused(world.jupyter.post("connect", host="hashed"), 409, "host_key_unknown"))
    assert "|1|" in world.home.known_hosts.read_text()
    world.connect("hashed")

    def on_record() -> list[tuple[str, int]]:
        listed = world.jupyter.get("known-hosts").json()["known_hosts"]
        return [(each["host"], each["port"]) for each in listed]

    # The hash is recognised, because an alias leads there.
    assert (server.host, server.port) in on_record()
    gone = world.jupyter.delete("known-hosts", host="hashed", port=server.port)
    assert gone.status_code == 200, gone.text
    assert (server.host, server.port) not in on_record()
    refused(world.jupyter.delete("known-hosts", host="hashed", port=server.port), 404, "not_found")
    refused(world.jupyter.post("connect", host="hashed"), 409, "host_key_unknown")


def test_strict_means_that_nobody_accepts_a_key(
    make_jupyter: Callable[..., JupyterServer], sshd: Sshd, tmp_path: Path
) -> None:
    home = SshHome(tmp_path)
    home.host("gpu1", sshd)
    world = World(make_jupyter("--RunicornJupyter.host_key_policy=strict", home=tmp_path), sshd, home)
    key = refused(world.jupyter.post("connect", host="gpu1"), 409, "host_key_unknown")["host_key"]
    answer = world.jupyter.post("known-hosts", host="gpu1", port=key["port"], public_key=key["public_key"])
    refused(answer, 403, "forbidden")
    assert home.known_hosts.read_text() == ""


def test_a_key_and_then_what_pam_asks(world: World, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(
        password="c0de",
        UsePAM="yes",
        KbdInteractiveAuthentication="yes",
        AuthenticationMethods="publickey,keyboard-interactive",
    )
    world.home.trust(server)
    world.home.host("two-factors", server)
    asked = refused(world.jupyter.post("connect", host="two-factors"), 401, "authentication_required")
    assert [prompt["text"] for prompt in asked["prompts"]] == ["Password:"]
    assert not asked["prompts"][0]["echo"]
    answer = world.jupyter.post(f"connect/{asked['challenge_id']}", responses=["c0de"])
    assert answer.status_code == 200, answer.text
    assert "c0de" not in answer.text


def test_the_ssh_configs_hosts_are_saved_as_connections(world: World) -> None:
    config = world.home.ssh / "config"
    before = config.read_text()
    config.write_text(before + "\nHost taken\n  Port 2201\nHost fresh fresh.*\n  Include more\n")
    (world.home.ssh / "more").write_text("Host included\n")
    try:
        world.jupyter.post("profiles", name="taken", host="elsewhere")
        unknown = world.jupyter.post("profiles/import", aliases=["fresh", "nobody"])
        assert refused(unknown, 400, "invalid_parameters")["errors"][0]["field"] == "aliases"
        chosen = world.jupyter.post("profiles/import", aliases=["fresh", "taken"]).json()
        assert [(each["name"], each["host"], each["port"]) for each in chosen["imported"]] == [
            ("fresh", "fresh", 22)  # 22 is "not said": the config goes on to decide
        ]
        assert chosen["skipped"] == ["taken"]
        everything = world.jupyter.post("profiles/import").json()
        assert "included" in [each["name"] for each in everything["imported"]]
        assert {"fresh", "taken"} <= {*everything["skipped"]}
        saved = {each["name"]: each["host"] for each in world.jupyter.get("profiles").json()["profiles"]}
        assert {**saved, "taken": "elsewhere", "gpu1": "gpu1", "included": "included"} == saved
        config.write_text("Host \"never closed\n")
        refused(world.jupyter.post("profiles/import"), 503, "ssh_unavailable")
    finally:
        config.write_text(before)
        for each in world.jupyter.get("profiles").json()["profiles"]:
            world.jupyter.delete("profiles", name=each["name"])


def test_what_was_last_opened_is_offered_first(world: World) -> None:
    connection_id = world.connect()
    viewer = world.start(connection_id, "rc072", auto_open=False)
    recent = world.jupyter.get("profiles").json()["recent"]
    assert recent[0]["host"] == "gpu1"
    assert recent[0]["env_name"] == "rc072"
    assert recent[0]["remote_root"] == viewer["remote_root"]
