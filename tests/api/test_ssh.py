"""SSH as people have it, through the API: jump hosts, aliases, second factors, what was last opened."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from tests.api.conftest import World
from tests.world.jupyter import JupyterServer
from tests.world.layouts import add_environments
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


HOPS = ("ferry", "bridge", "tower", "island")
CABLES = "10.203.77"


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


@pytest.fixture(scope="module")
def hops(tmp_path_factory: pytest.TempPathFactory, _sshd_program: str) -> Iterator[list[Sshd]]:
    """Four sshds, each on a network of its own that only the one before it reaches, the first one we."""
    namespaces = [f"rj{name}{os.getpid()}" for name in HOPS]
    servers: list[Sshd] = []
    try:
        for number, namespace in enumerate(namespaces):
            near, far = f"rjn{number}", f"rjf{number}"
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
            ours = ["-n", namespaces[number - 1]] if number else []
            ip(*ours, "link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace)
            ip(*ours, "addr", "add", f"{CABLES}.{4 * number + 1}/30", "dev", near)
            ip(*ours, "link", "set", near, "up")
            address = f"{CABLES}.{4 * number + 2}"
            ip("-n", namespace, "addr", "add", f"{address}/30", "dev", far)
            ip("-n", namespace, "link", "set", far, "up")
            servers.append(Sshd(tmp_path_factory.mktemp(HOPS[number]), address=address, network=namespace))
            servers[-1].start()
        yield servers
    finally:
        for server in servers:
            server.close()
        for namespace in namespaces:
            ip("netns", "del", namespace, check=False)
        ip("link", "del", "rjn0", check=False)


def write_chain(world: World, hops: list[Sshd]) -> dict[str, Path]:
    """Write each host's own config: its key, its way, its known_hosts file; return those files."""
    files = {name: world.home.ssh / f"known_{name}" for name in HOPS}
    own = {"bridge": {"HostKeyAlias": "the-bridge", "HashKnownHosts": "no"}}
    for number, (name, server) in enumerate(zip(HOPS, hops, strict=True)):
        way = {"ProxyJump": HOPS[number - 1]} if number else {}
        world.home.host(name, server, UserKnownHostsFile=str(files[name]), **own.get(name, {}), **way)
        files[name].write_text("" if name == "bridge" else server.known_hosts_line)
    # The same as one chain; each hop's own way does not count then, its keys and files do.
    in_one = {"UserKnownHostsFile": str(files["island"]), "ProxyJump": ",".join(HOPS[:-1])}
    world.home.host("island-in-one", hops[-1], **in_one)
    return files


def test_a_chain_of_hosts_each_with_its_own_config_and_key(world: World, hops: list[Sshd]) -> None:
    files = write_chain(world, hops)
    _, bridge, tower, island = hops
    unknown = refused(world.jupyter.post("connect", host="island"), 409, "host_key_unknown")
    assert unknown["host_key"]["host"] == "bridge"
    assert unknown["host_key"]["public_key"] == bridge.host_key
    assert "Connection from" not in tower.log + island.log
    accept(world, unknown)
    assert files["bridge"].read_text() == f"the-bridge {bridge.host_key}\n"
    connection_id = world.connect("island")
    assert world.jupyter.get("ping", connection_id=connection_id).status_code == 200
    assert f"from {CABLES}.13 port" in island.log  # from the tower, not from here
    listed = {each["alias"]: each for each in world.jupyter.get("hosts").json()["hosts"]}
    assert listed["island"]["proxy_jump"] == "tower"

    with RunicornRemoteClient(world.jupyter.url, token=world.jupyter.token) as client:
        in_one = client.connect("island-in-one")["connection_id"]
        assert client.detect_environments(in_one, force_refresh=True)["environments_found"] > 0
        assert client.ping(in_one)["latency_ms"] > 0
        bridge.stop()
        bridge.new_host_key()
        bridge.start()
        seen = len(bridge.log)
        with pytest.raises(ApiError) as changed:
            client.connect("island-in-one")
    assert changed.value.code == "host_key_changed"
    assert changed.value.details["host_key"]["host"] == "bridge"
    assert "userauth" not in bridge.log[seen:]
    assert "Accepted" not in bridge.log[seen:]


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


def test_an_administrator_has_the_last_word(
    make_jupyter: Callable[..., JupyterServer], sshd: Sshd, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    home = SshHome(tmp_path)
    home.config.write_text(f'Match exec "touch {ran}"\n  User nobody\n')
    home.host("gpu1", sshd, KnownHostsCommand=f"/usr/bin/touch {ran}")
    home.host("proxied", sshd, ProxyCommand=f"touch {ran}")
    options = ("--RunicornJupyter.host_key_policy=strict", "--RunicornJupyter.config_commands=False")
    world = World(make_jupyter(*options, home=tmp_path), sshd, home)
    key = refused(world.jupyter.post("connect", host="gpu1"), 409, "host_key_unknown")["host_key"]
    answer = world.jupyter.post("known-hosts", host="gpu1", port=key["port"], public_key=key["public_key"])
    refused(answer, 403, "forbidden")
    assert home.known_hosts.read_text() == ""
    refused(world.jupyter.post("connect", host="proxied"), 403, "host_not_allowed")
    assert not ran.exists()


def test_one_session_and_no_forwarding_carry_a_viewer(
    world: World, make_sshd: Callable[..., Sshd], runicorn_env: Callable[..., Path]
) -> None:
    server = make_sshd(AllowTcpForwarding="no", MaxSessions=1)
    add_environments(server.home, rc072=runicorn_env())
    (server.home / "vision" / ".runicorn" / "runs").mkdir(parents=True)
    world.home.trust(server)
    world.home.host("narrow", server)
    connection_id = world.connect("narrow")
    url = str(world.start(connection_id, "rc072", auto_open=False)["url"])
    page = requests.get(url, timeout=60)
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.text)
    assert assets
    paths = [urljoin(url, path) for path in (*assets, "api/health", "api/runs")] * 3
    with ThreadPoolExecutor(8) as pool:
        beside = pool.submit(
            world.jupyter.post, "environments/detect", connection_id=connection_id, force_refresh=True
        )
        answers = list(pool.map(lambda path: requests.get(path, timeout=60), paths))
    assert {answer.status_code for answer in answers} == {200}
    found = beside.result().json()  # by a command, where the relay holds the session
    assert found["environments_found"] > 0
    assert str(server.home / "vision" / ".runicorn") in found["storage_candidates"]
    assert found["notes"] == []
    assert world.jupyter.get("viewer/logs", connection_id=connection_id).json()["logs"]
    assert world.jupyter.get("health", connection_id=connection_id).json()["health"] == "healthy"
    world.jupyter.delete(f"connections/{connection_id}")
    assert server.left() == []


def test_a_host_that_runs_no_commands_says_so(world: World, make_sshd: Callable[..., Sshd]) -> None:
    server = make_sshd(shell="/usr/sbin/nologin")
    world.home.trust(server)
    world.home.host("no-shell", server)
    answer = world.jupyter.post("connect", host="no-shell").json()
    assert set(answer["server_info"].values()) == {None}
    about = world.jupyter.get("environments", connection_id=answer["connection_id"]).json()
    assert about["environments"] == []
    assert ["does not run commands" in note for note in about["notes"]] == [True]
    nothing = world.jupyter.post("viewer/start", connection_id=answer["connection_id"], env_name="base")
    refused(nothing, 404, "environment_not_found")


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
        config.write_text('Host "never closed\n')
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
