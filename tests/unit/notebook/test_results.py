"""What the magics return: the API's own data, with a table in which text from afar stays text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runicorn_jupyter.notebook.results import Connection, Connections, Environments, Logs, Status, plain

ENVIRONMENTS: list[dict[str, Any]] = [
    {
        "name": "pytorch",
        "type": "conda",
        "python_version": "3.11.4",
        "runicorn_installed": True,
        "runicorn_version": "0.7.2",
        "storage_root": "/data/runs",
    },
    {
        "name": "<img src=x onerror=alert(1)>",
        "type": "venv",
        "python_version": None,
        "runicorn_installed": False,
        "runicorn_version": None,
        "storage_root": None,
    },
]


def test_environments_are_a_list_of_the_apis_dicts() -> None:
    found = Environments(ENVIRONMENTS)
    assert found == ENVIRONMENTS
    assert json.loads(json.dumps(found)) == ENVIRONMENTS
    assert [entry["name"] for entry in found.with_runicorn] == ["pytorch"]


def test_environments_as_text_are_aligned_and_say_what_is_missing() -> None:
    lines = repr(Environments(ENVIRONMENTS)).splitlines()
    assert lines[0].split() == ["Environment", "Type", "Python", "Runicorn", "Storage", "root"]
    assert "0.7.2" in lines[1]
    assert "not installed" in lines[2]
    assert lines[1].index("conda") == lines[2].index("venv")


def test_environments_as_html_escape_names_and_fade_those_without_runicorn() -> None:
    table = Environments(ENVIRONMENTS)._repr_html_()
    assert "<img" not in table
    assert "&lt;img src=x onerror=alert(1)&gt;" in table
    assert table.count("opacity") == 1
    assert table.count('scope="col"') == 10
    shown, _, folded = table.partition("<details><summary>1 environment without Runicorn</summary>")
    assert "pytorch" in shown
    assert "&lt;img" in folded


@pytest.mark.parametrize("rows", [ENVIRONMENTS, []])
def test_environments_say_below_what_could_not_be_found_out(rows: list[dict[str, Any]]) -> None:
    found = Environments.of({"environments": rows, "notes": ["Only the first 2 are listed.", "<b>\x1b[2J"]})
    assert found == rows
    assert repr(found).splitlines()[-2:] == ["Only the first 2 are listed.", "<b>\ufffd"]
    page = found._repr_html_()
    assert page.index(">Only the first") > page.find("</table>")
    assert page.endswith("&lt;b&gt;\ufffd</p>")


@pytest.mark.parametrize("kind", [Environments, Connections])
def test_an_empty_list_says_what_to_do(kind: type[Environments]) -> None:
    assert repr(kind()).endswith(".")
    assert kind()._repr_html_().startswith("<p>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ü 中", "plain ü 中"),
        ("red \x1b[31m", "red \ufffd"),
        ("title \x1b]0;x\x07", "title \ufffd"),
        ("bidi \u202eexe.txt", "bidi \ufffdexe.txt"),
        ("zero\u200bwidth", "zero\ufffdwidth"),
        ("two\nlines", "two\ufffdlines"),
        (None, "–"),
        (True, "yes"),
    ],
)
def test_text_from_afar_is_text(text: object, expected: str) -> None:
    assert plain(text) == expected


def test_a_connection_shows_where_it_is() -> None:
    shown = Connection(
        connection_id="conn_12345678",
        name="lab",
        host="gpu<1>",
        port=22,
        username="me",
        status="connected",
        server_info={"os": "Debian"},
    )
    assert "me@gpu<1>:22" in repr(shown)
    assert "conn_12345678" in repr(shown)
    assert "me@gpu&lt;1&gt;:22" in shown._repr_html_()
    assert shown["connection_id"] == "conn_12345678"


def test_a_status_shows_health_and_never_the_url() -> None:
    status = Status(
        host="gpu1",
        username="me",
        status="connected",
        health="degraded",
        viewer={"status": "crashed", "env_name": "a", "remote_root": "/r", "uptime_seconds": 7.2},
        checks={"ssh_connection": "pass", "viewer_process": "fail", "tunnel_active": "skip"},
    )
    for shown in (repr(status), status._repr_html_()):
        assert "◐ the server answers, the viewer does not work" in shown
        assert "crashed: it ended by itself" in shown
        for word in ("degraded", "pass", "skip", "Tunnel active"):
            assert word not in shown
        assert "Running for" not in shown
    status["viewer"] |= {"status": "running", "uptime_seconds": 3725.9}
    assert "1:02:05" in repr(status)
    assert "unresponsive" not in repr(status)


def test_a_viewer_that_runs_and_answers_nothing_is_unresponsive_in_each_table() -> None:
    viewer = {"status": "running", "health": "unresponsive", "env_name": "a", "remote_root": "/r"}
    checks = {"ssh_connection": "pass", "viewer_process": "pass", "tunnel_active": "fail"}
    who = {"host": "gpu1", "username": "me", "status": "connected", "viewer": viewer}
    status = Status(**who, health="degraded", checks=checks)
    assert "◐ unresponsive" in repr(status)
    assert "unresponsive · a" in repr(Connections([who]))


def test_logs_are_lines_without_terminal_codes() -> None:
    logs = Logs(["INFO one", "\x1b[31m<b>two</b>"])
    assert logs == ["INFO one", "\x1b[31m<b>two</b>"]
    assert repr(logs) == "INFO one\n\ufffd<b>two</b>"
    assert "&lt;b&gt;two" in logs._repr_html_()
    assert repr(Logs()).endswith(".")


@pytest.mark.parametrize(("usable", "is_said"), [(0, True), (1, True), (2, False)])
def test_a_short_list_says_how_to_name_an_environment_by_its_python(usable: int, is_said: bool) -> None:
    rows = [{"name": f"e{number}", "runicorn_installed": True} for number in range(usable)]
    found = Environments.of({"environments": [*rows, {"name": "bare"}], "notes": []})
    for shown in (repr(found), found._repr_html_()):
        assert ("%runicorn_viewer /apps/python/3.11/bin/python" in shown) == is_said
