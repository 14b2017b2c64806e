"""Settings as they are written: read as what they look like, or reported by name."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from traitlets.config import Config
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from runicorn_jupyter.extension import RunicornJupyter

SETTINGS = sorted(RunicornJupyter.class_own_traits(config=True))


def read(config: Config) -> RunicornJupyter:
    """Give the extension what the server has read, as linking does."""
    app = RunicornJupyter()
    app.update_config(config)
    return app


def from_command_line(*options: str) -> RunicornJupyter:
    server = ServerApp()
    server.parse_command_line([f"--RunicornJupyter.{option}" for option in options])
    return read(server.config)


def from_file(folder: Path, line: str) -> RunicornJupyter:
    (folder / "config.py").write_text(f"c.RunicornJupyter.{line}\n")
    return read(PyFileConfigLoader("config.py", str(folder)).load_config())


WRONG_WORDS = {
    "host_key_policy": "strickt",
    "allowed_hosts": "gpu server",
    "config_commands": "no",
    "use_keyring": "maybe",
    "start_remembered": "2",
    "max_connections": "none",
    "max_connections_per_user": "-1",
    "max_viewers": "few",
    "max_logins_per_minute": "1.5",
    "viewer_mb_per_second": "-2",
    "keepalive_seconds": "soon",
    "reconnect_for_seconds": "-1",
    "viewer_lease_seconds": "0",
    "viewer_origin": "hub.example.org/user",
    "private_server_origins": "http://code.example",
    "private_server_port": "65536",
    "asset_cache_mb": "nan",
    "connection_memory_mb": "0",
    "memory_mb": "much",
    "metrics_by_host": "3",
}
LISTS = ("allowed_hosts", "private_server_origins")


def test_each_setting_is_below() -> None:
    assert sorted(WRONG_WORDS) == SETTINGS


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_word_on_the_command_line_is_reported(name: str) -> None:
    assert list(from_command_line(f"{name}={WRONG_WORDS[name]}").wrong) == [name]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("value", [None, {}, object, "", b"ask"], ids=repr)
def test_a_wrong_type_in_a_file_is_reported(name: str, value: Any) -> None:
    app = read(Config({"RunicornJupyter": {name: value}}))
    assert list(app.wrong) == ([] if (name, value) == ("viewer_origin", "") else [name])


@pytest.mark.parametrize(
    "name",
    [n for n in SETTINGS if n.startswith("max_") or n.endswith(("_seconds", "_mb", "_port", "_per_second"))],
)
@pytest.mark.parametrize("value", [True, math.nan, math.inf, -math.inf, -1, 1e300, "8", [8]], ids=repr)
def test_what_is_no_quantity_is_reported(name: str, value: Any) -> None:
    assert list(read(Config({"RunicornJupyter": {name: value}})).wrong) == [name]


@pytest.mark.parametrize("name", [n for n in SETTINGS if n not in LISTS])
def test_a_value_given_twice_is_reported(name: str) -> None:
    default = getattr(RunicornJupyter(), name)
    app = from_command_line(f"{name}={default}", f"{name}={default}")
    assert app.wrong[name].endswith("is more than one value")


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["gpu1"], ["gpu1"]),
        (["a,b"], ["a", "b"]),
        (["a, b"], ["a", "b"]),
        (["a", "b"], ["a", "b"]),
        (["a,b", "10.0.0.0/8"], ["a", "b", "10.0.0.0/8"]),
        (["['a', 'b']"], ["a", "b"]),
        (["('a', 'b:22')"], ["a", "b:22"]),
        (["['gpu1']"], ["gpu1"]),
        (["[fd00::/8]:22"], ["[fd00::/8]:22"]),
        (["[fd00::/8],gpu1"], ["[fd00::/8]", "gpu1"]),
        (["[]"], []),
    ],
    ids=repr,
)
def test_hosts_on_the_command_line_mean_what_they_look_like(options: list[str], rules: list[str]) -> None:
    app = from_command_line(*[f"allowed_hosts={option}" for option in options])
    assert (dict(app.wrong), app.allowed_hosts) == ({}, rules)


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("allowed_hosts = 'gpu1'", ["gpu1"]),
        ("allowed_hosts = 'a,b'", ["a", "b"]),
        ("allowed_hosts = ['a', 'b']", ["a", "b"]),
        ("allowed_hosts = ('a',)", ["a"]),
        ("allowed_hosts.append('a')", ["a"]),
        ("allowed_hosts.extend(['a', 'b'])", ["a", "b"]),
        ("allowed_hosts", []),
    ],
)
def test_hosts_in_a_file_mean_what_they_look_like(line: str, rules: list[str], tmp_path: Path) -> None:
    app = from_file(tmp_path, line)
    assert (dict(app.wrong), app.allowed_hosts) == ({}, rules)


@pytest.mark.parametrize(
    "value",
    [
        "''", "[gpu1]", "gpu1,", "['a' 'b', 3]", "[['a']]", "'gpu1'", "{'a': 1}", "gpu1 gpu2", "10.0.0.1/8",
        "[", "[" * 5000,
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_hosts_that_nobody_can_read_are_reported(value: str) -> None:
    assert list(from_command_line(f"allowed_hosts={value}").wrong) == ["allowed_hosts"]


def test_an_empty_variable_of_the_shell_does_not_allow_all() -> None:
    assert list(from_command_line("allowed_hosts=").wrong) == ["allowed_hosts"]


@pytest.mark.parametrize(
    "line",
    [
        "allowed_hosts = list('gpu1')",
        "allowed_hosts.extend('gpu1')",
        "allowed_hosts.add('gpu1')",
        "allowed_hosts.update({'gpu1'})",
        "allowed_hosts = {'gpu1'}",
        "allowed_hosts = [('gpu1', 22)]",
        "host_key_policy.append('strict')",
        "max_connections.update({8})",
    ],
)
def test_lists_that_were_made_in_another_way_are_reported(line: str, tmp_path: Path) -> None:
    name = re.split(r"\W", line, maxsplit=1)[0]
    assert list(from_file(tmp_path, line).wrong) == [name]


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("allowed_host", "allowed_hosts"),
        ("allow_hosts", "allowed_hosts"),
        ("allowedHosts", "allowed_hosts"),
        ("hostkey_policy", "host_key_policy"),
        ("max_connection", "max_connections"),
    ],
)
def test_a_misspelt_setting_is_reported_with_the_right_one(written: str, near: str, tmp_path: Path) -> None:
    for app in (from_command_line(f"{written}=gpu1"), from_file(tmp_path, f"{written} = ['gpu1']")):
        assert dict(app.wrong) == {written: f"is no setting; did you mean {near}?"}


def test_a_setting_that_nothing_is_like_is_reported_too() -> None:
    assert dict(from_command_line("colour=red").wrong) == {"colour": "is no setting"}


@pytest.mark.parametrize(
    "written",
    [
        "RunicornJuypter.allowed_hosts",
        "runicornJupyter.allowed_hosts",
        "RunicornJupyterApp.colour",
        "Runicorn.allowed_hosts",
        "runicorn_jupyter.allowed_hosts",
        "allowed_hosts",
    ],
)
def test_a_misspelt_section_is_reported(written: str, tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text(f"c.{written} = ['gpu1']\n")
    app = read(PyFileConfigLoader("config.py", str(tmp_path)).load_config())
    assert list(app.wrong) == [written.split(".", maxsplit=1)[0]]
    assert "RunicornJupyter" in next(iter(app.wrong.values()))


def test_others_sections_are_theirs() -> None:
    app = read(Config({"ServerApp": {"colour": 1}, "LabApp": {"x": 1}, "RunicornViewerProxy": {"port": 1}}))
    assert dict(app.wrong) == {}


def test_json_is_read_as_python_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"RunicornJupyter": {"allowed_hosts": "gpu1", "max_connections": "8", "use_keyring": "yes",'
        ' "keepalive_seconds": 20}}'
    )
    app = read(JSONFileConfigLoader("config.json", str(tmp_path)).load_config())
    assert sorted(app.wrong) == ["max_connections", "use_keyring"]
    assert (app.allowed_hosts, app.keepalive_seconds) == (["gpu1"], 20)


def test_what_was_wrong_in_one_place_and_is_right_in_a_later_one_is_right() -> None:
    app = read(Config({"RunicornJupyter": {"max_connections": "eight"}}))
    assert list(app.wrong) == ["max_connections"]
    app.update_config(Config({"RunicornJupyter": {"max_connections": 8}}))
    assert (dict(app.wrong), app.max_connections) == ({}, 8)


def test_what_a_wrong_value_is_shown_as_is_one_short_line() -> None:
    app = read(Config({"RunicornJupyter": {"viewer_origin": "x\n" * 100_000}}))
    assert len(app.wrong["viewer_origin"]) < 400
    assert "\n" not in app.wrong["viewer_origin"]
