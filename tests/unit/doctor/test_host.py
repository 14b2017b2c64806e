"""The stages of connecting, as the doctor tells them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NoReturn

import pytest

from runicorn_jupyter.doctor.host import _ask, _PersonAsked, _Stages, examine_host
from runicorn_jupyter.doctor.report import Check
from runicorn_jupyter.errors import ConnectionTimeout
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.connection import Connection
from runicorn_jupyter.ssh.settings import SshSettings

GATE = Target("gate", "gate.example", 22, "me")
ALONE = Target("gpu1", "gpu1.example", 22, "me")
BEHIND = replace(ALONE, proxy_jump=(GATE,))


def told(target: Target) -> tuple[_Stages, list[Check]]:
    checks: list[Check] = []
    return _Stages(target, checks.append), checks


def test_what_follows_a_failure_is_not_tried() -> None:
    stages, checks = told(ALONE)
    stages.pass_(ALONE, "name", "192.0.2.1")
    stages.fail(ConnectionTimeout("gpu1 did not answer in time."))
    assert [(check.name, check.status) for check in checks] == [
        ("name resolves", "ok"),
        ("TCP opens", "problem"),
        ("banner", "not tried"),
        ("host key known", "not tried"),
        ("authentication", "not tried"),
    ]
    assert checks[0].text == "to 192.0.2.1"
    assert (checks[1].code, bool(checks[1].mend)) == ("connection_timeout", True)


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (replace(ALONE, proxy_command="ncat %h"), ["banner", "host key known", "authentication"]),
        (
            replace(BEHIND, proxy_jump=(replace(GATE, proxy_command="x"),)),
            ["gate: banner", "gate: host key known"],
        ),
    ],
)
def test_a_proxy_command_has_neither_name_nor_tcp(target: Target, left: list[str]) -> None:
    stages, checks = told(target)
    stages.fail(OSError(24, "Too many open files"))
    assert [check.name for check in checks][: len(left)] == left
    assert checks[0].text == "failed here: Too many open files"


def test_a_master_stands_for_all_that_leads_to_it() -> None:
    stages, checks = told(BEHIND)
    stages.pass_(GATE, "master", "")
    stages.pass_(BEHIND, "tcp", "")
    stages.fail(ConnectionTimeout("no banner"))
    assert [(check.name, check.status) for check in checks][:3] == [
        ("gate: master", "ok"),
        ("gpu1: TCP opens", "ok"),
        ("gpu1: banner", "problem"),
    ]


def test_a_question_is_no_problem_and_gets_no_answer() -> None:
    with pytest.raises(_PersonAsked, match="Password:") as asked:
        _ask("", [Prompt(text="Password: ", echo=False)])
    stages, checks = told(ALONE)
    stages.fail(asked.value)
    assert checks[0].status == "not tried"


@pytest.mark.asyncio
async def test_what_fails_because_ctrl_c_came_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_arguments: object, **_options: object) -> NoReturn:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(Connection, "open", interrupted)
    checks: list[Check] = []
    task = asyncio.create_task(examine_host(ALONE, SshSettings(), 30.0, checks.append))
    await asyncio.wait([task])
    assert task.cancelled()
    assert checks == []
