"""What a probe's answer may be made of, and what becomes of it: bounded, unique, and said to be partial."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from runicorn_jupyter import models as m
from runicorn_jupyter.remote import probe as module
from runicorn_jupyter.remote.environments import MAX_NAME, find
from runicorn_jupyter.remote.probe import MAX_LIST_BYTES, MAX_OUTPUT_BYTES, MAX_ROOTS_BYTES, Probe, parse
from runicorn_jupyter.ssh.channels.exec_channel import Completed
from runicorn_jupyter.text import plain_text

MARK = "m" * 32
LEFT_OUT = "too long, or too many of their kind"


def record(*fields: str) -> bytes:
    return b"".join(field.encode() + b"\0" for field in fields)


def env(path: str, kind: str = "venv", python: str = "bin/python") -> bytes:
    return record("env", kind, path, path, python, "3.11.2", "/usr/bin", "false", "lib/python3.11")


def answer(*records: bytes) -> bytes:
    system = record("system", "host", "boot", "Linux", "6", "Debian", "/home/u", "")
    return b"\n" + MARK.encode() + b"\0" + system + b"".join(records) + record("end", "")


def looked(*records: bytes) -> Probe:
    output = answer(*records)
    assert len(output) <= MAX_OUTPUT_BYTES, "no such answer is read"
    return parse(output, MARK)


def as_api(found: Probe) -> bytes:
    made = m.EnvironmentsResponse(
        environments=found.environments,
        total=len(found.environments),
        notes=found.notes,
        storage_candidates=list(found.roots),
    )
    return made.to_json().encode()


@pytest.mark.parametrize("length", [1, 200, 255, 600, 1500])
def test_names_that_look_the_same_are_told_apart_within_a_bound(length: int) -> None:
    found = looked(*(env("/" + "x" * length + "\x01" * (n + 1)) for n in range(500)))
    names = [one.name for one in found.environments]
    assert len(set(names)) == len(names) > 100
    assert max(map(len, names)) <= MAX_NAME + len(" (500)")
    assert [name for name in names if plain_text(name) != name] == []
    assert all(find(found.environments, one.name) is one for one in found.environments)


def test_a_number_that_is_taken_already_is_left_to_its_owner() -> None:
    long = "x" * 600
    path = f"/a/{long}"
    shown = f"{'x' * 255} @{path}"[:MAX_NAME]
    found = looked(env(path), env(path + "\x01"), env(path + "\x02"), env(path + "\x03"))
    assert [one.name for one in found.environments] == ["x" * 255, shown, f"{shown} (2)", f"{shown} (3)"]


def test_the_list_is_bounded_however_its_paths_are_escaped() -> None:
    paths = [f"/{n}/" + "\x01" * 1900 for n in range(500)]
    found = looked(*map(env, paths))
    assert 0 < len(found.environments) < 500
    assert len(as_api(found)) < MAX_LIST_BYTES + 2 * MAX_ROOTS_BYTES
    assert any("too long to be true" in note for note in found.notes)
    # A root that each of them has counts as often as it is answered.
    dist = record("dist", "lib/python3.11/site-packages/runicorn-0.7.2.dist-info", "yes")
    config = record("config", json.dumps({"user_root_dir": "/" + "\x01" * 4000}))
    found = looked(config, *(env(f"/{n}") + dist for n in range(500)))
    assert found.environments[0].storage_root
    assert len(as_api(found)) < MAX_LIST_BYTES + 2 * MAX_ROOTS_BYTES


def test_roots_are_bounded_and_said_to_be() -> None:
    found = looked(*(record("root", f"/{n}/" + "\x01" * 2000, "1") for n in range(500)))
    assert 0 < len(found.roots) < 100
    assert len(json.dumps(list(found.roots))) <= MAX_ROOTS_BYTES * 2
    assert any(f"{500 - len(found.roots)} parts" in note and LEFT_OUT in note for note in found.notes)


def test_distributions_without_end_are_one_installation() -> None:
    dists = [
        record("dist", f".local/lib/python3.11/site-packages/runicorn-0.7.{n}.dist-info", "yes")
        for n in range(3000)
    ]
    found = looked(record("user"), *dists, *(env(f"/e{n}", "conda") for n in range(400)))
    assert len(found.environments) == 400
    assert {one.runicorn_version for one in found.environments} == {"0.7.63"}
    assert any(LEFT_OUT in note for note in found.notes)


@pytest.mark.parametrize(
    "odd",
    [
        record("env", "venv", "/" + "x" * 5000, "/x", "bin/python", "3.11", "", "false", ""),
        record("env", "venv", "/x", "/x", "bin/python", "3" * 300, "", "false", ""),
        record("env", "no such kind", "/x", "/x", "bin/python", "3.11", "", "false", ""),
    ],
)
def test_what_follows_an_environment_that_is_left_out_is_no_others(odd: bytes) -> None:
    dist = record("dist", "lib/python3.11/site-packages/runicorn-0.7.2.dist-info", "yes")
    variables = record("variables", json.dumps({"env_vars": {"RUNICORN_DIR": "/of/the/odd/one"}}))
    found = looked(env("/good", "conda") + dist, odd + variables + dist)
    (one,) = found.environments
    assert (one.name, one.runicorn_version, one.storage_root) == ("good", "0.7.2", None)
    assert any(LEFT_OUT in note for note in found.notes)


@pytest.mark.parametrize("text", ["[" * 60000, '{"env_vars":' * 5000, '{"env_vars": {"RUNICORN_DIR": [1]}}'])
def test_variables_of_conda_that_are_none_are_none(text: str) -> None:
    dist = record("dist", "lib/python3.11/site-packages/runicorn-0.7.2.dist-info", "yes")
    (one,) = looked(env("/e", "conda") + record("variables", text) + dist).environments
    assert (one.runicorn_installed, one.storage_root) == (True, None)


@pytest.mark.parametrize(
    ("config", "answered"),
    [
        ({"user_root_dir": 7, "viewer_port": "x"}, {"user_root_dir": None, "viewer_port": 23300}),
        ({"user_root_dir": ["/x"], "viewer_port": 2**70}, {"user_root_dir": None, "viewer_port": 23300}),
        ({"viewer_port": True, "x": 1e999}, {"user_root_dir": None, "viewer_port": 23300, "x": None}),
        ({"user_root_dir": "/\ud800", "viewer_port": 80}, {"user_root_dir": "/\ufffd", "viewer_port": 80}),
    ],
)
def test_a_config_of_any_types_can_be_answered(config: dict[str, Any], answered: dict[str, Any]) -> None:
    text = json.dumps(config).replace("Infinity", "1e999")
    made = m.RunicornConfig.model_validate(looked(record("config", text)).config)
    assert json.loads(made.model_dump_json()) == answered


@pytest.mark.parametrize("text", ["[" * 60000, "NaN", "[]", '{"a":' * 51 + "1" + "}" * 51])
def test_a_config_that_is_none_is_said_to_be(text: str) -> None:
    found = looked(record("config", text))
    assert (found.config, found.notes) == ({}, ["runicorn's config.json on the remote cannot be read."])


async def test_an_answer_is_looked_at_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def parse_there(output: bytes, mark: str, errors: bytes = b"") -> Probe:
        threads.append(threading.get_ident())
        return parse(output, mark, errors)

    class Remote:
        async def run(self, *_: object, **__: object) -> Completed:
            return Completed(0, b"", b"")

    monkeypatch.setattr(module, "parse", parse_there)
    await module.probe(Remote())  # type: ignore[arg-type]
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
