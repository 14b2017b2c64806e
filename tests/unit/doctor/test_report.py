"""The doctor's report: what it looks like, and what never stands in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runicorn_jupyter.doctor.report import MAX_LINES, Check, Redactor, Report, secrets_of

HOME = Path("/home/alice")
TOKEN = "5f3a9c0de1b2"


def report(*checks: Check, secrets: tuple[str, ...] = (), note: str = "") -> str:
    lines: list[str] = []
    made = Report("doctor gpu1", Redactor(secrets, HOME), lines.append)
    for check in checks:
        made.add(check)
    made.end(note)
    return "\n".join(lines)


def test_it_is_markdown_with_a_line_for_each_check() -> None:
    assert report(
        Check("Here", "Python", "ok", "3.12.1"),
        Check("There", "TCP opens", "problem", "gpu1 refused.", "Ask.", "ssh_unavailable"),
        Check("There", "banner", "not tried", ""),
    ).splitlines() == [
        "### doctor gpu1",
        "",
        "```text",
        "Here",
        "  ok         Python               3.12.1",
        "",
        "There",
        "  problem    TCP opens            gpu1 refused. [ssh_unavailable]",
        "             → Ask.",
        "  not tried  banner",
        "",
        "Found: 1 problem.",
        "```",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://127.0.0.1:8888/?token={TOKEN}", "http://127.0.0.1:8888/?token=***"),
        (f"the value {TOKEN}, wherever it stands", "the value ***, wherever it stands"),
        ("https://alice:hunter2@proxy:3128/", "https://***@proxy:3128/"),
        ("https://ghp_abc@proxy:3128/", "https://***@proxy:3128/"),
        ("nc --proxy-auth-token=hunter2 %h", "nc --proxy-auth-token=*** %h"),
        ("refused the password of user alice", "refused the password of user alice"),
        ("/home/alice/.ssh/id_rsa, /home/alice", "~/.ssh/id_rsa, ~"),
        ("/home/alicette/key", "/home/alicette/key"),
        ("alice@gpu1 port 22", "alice@gpu1 port 22"),
        ("\x1b[31mred\x1b[0m\n```\n@everyone", " red  ``` @everyone"),
    ],
)
def test_secrets_and_the_home_are_taken_out_by_value(text: str, shown: str) -> None:
    assert Redactor([TOKEN, "", "a"], HOME)(text) == shown


def test_a_home_behind_a_link_is_taken_out_by_both_names(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    redact = Redactor([], link)
    assert redact(f"{real}/key {link}/key") == "~/key ~/key"


def test_nothing_of_a_check_escapes_that() -> None:
    checks = [Check("s", f"n {TOKEN}", "problem", f"t {TOKEN}", f"m {TOKEN}")]
    made = Report(f"doctor {TOKEN}", Redactor([TOKEN], HOME))
    made.add(checks[0])
    assert TOKEN not in report(*checks, secrets=(TOKEN,)) + made.to_json()


def test_secrets_of_the_environment_are_found_by_their_names() -> None:
    environ = {
        "JUPYTER_TOKEN": "one",
        "JUPYTERHUB_API_TOKEN": "two",
        "DB_PASSWORD": "three",
        "HOME": "/home/alice",
        "https_proxy": "http://alice:four@proxy",
    }
    assert secrets_of(environ) == ["one", "two", "three"]


def test_json_says_the_same() -> None:
    made = Report("doctor", Redactor([], HOME))
    made.add(Check("Here", "data", "problem", "/home/alice is full", "Make room.", "disk_full"))
    assert json.loads(made.to_json("Interrupted")) == {
        "title": "doctor",
        "ok": False,
        "note": "Interrupted",
        "checks": [
            {
                "section": "Here",
                "name": "data",
                "status": "problem",
                "text": "~ is full",
                "mend": "Make room.",
                "code": "disk_full",
            }
        ],
    }


def test_it_fits_an_issue_whatever_is_found() -> None:
    checks = [Check(f"s{n % 7}", "name", "problem", "x" * 100_000, "y" * 100_000) for n in range(500)]
    lines = report(*checks).splitlines()
    assert len(lines) <= MAX_LINES
    assert lines[-2:] == ["Found: 500 problems.", "```"]
    assert max(map(len, lines)) < 1000


def test_what_another_machine_says_stays_within_the_fence() -> None:
    text = report(Check("There", "banner", "ok", "SSH-2.0-x\n```\n# not a heading"))
    assert [line for line in text.splitlines() if line.startswith(("```", "#"))] == [
        "### doctor gpu1", "```text", "```",
    ]  # fmt: skip


def test_an_interrupted_one_says_so_and_is_whole() -> None:
    assert report(note="Interrupted").splitlines()[-2:] == ["Interrupted: no problem.", "```"]
