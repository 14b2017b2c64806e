"""What `%runicorn_setup` tells and asks before it begins, and what an interrupt does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.error import UsageError

from runicorn_jupyter.notebook import setup

PLAN = {
    "folder": "/home/ada/.local/share/runicorn-jupyter",
    "python_path": "/usr/bin/python3",
    "megabytes": 110,
}
MADE = {"name": "runicorn", "private": True, "runicorn_installed": True}


class Client:
    """What the API would answer, and what it was asked."""

    def __init__(self) -> None:
        self.session = argparse.Namespace(headers={"X-Request-Id": "r1"})
        self.asked: list[Any] = []
        self.environments: list[dict[str, Any]] = []
        self.plan: dict[str, Any] | None = PLAN
        self.interrupt = False

    def read_environments(self, _connection_id: str) -> dict[str, Any]:
        return {"environments": self.environments, "setup": self.plan}

    def create_environment(self, connection_id: str, **options: Any) -> dict[str, Any]:
        self.asked.append((connection_id, options))
        if self.interrupt:
            raise KeyboardInterrupt
        return {"environment": MADE}

    def cancel_environment(self, request_id: str) -> None:
        self.asked.append(("cancel", request_id))

    def remove_environment(self, connection_id: str) -> dict[str, Any]:
        self.asked.append(("remove", connection_id))
        return {"message": "What was set up on gpu1 was removed (110 MB)."}


class Session:
    """A kernel's session with one connection."""

    def __init__(self) -> None:
        self.client = Client()

    def find(self, _name: str | None) -> dict[str, Any]:
        return {"connection_id": "c", "name": "gpu1"}

    def run(self, _title: str, work: Callable[[Client], Any]) -> Any:
        return work(self.client)


def options(**changes: Any) -> argparse.Namespace:
    return argparse.Namespace(
        **{
            "name": None,
            "version": None,
            "python": None,
            "wheels": "auto",
            "yes": False,
            "bring_python": False,
            **changes,
        }
    )


def test_it_says_what_it_will_do_and_begins_only_with_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session: Any = Session()
    monkeypatch.setattr("builtins.input", lambda _prompt: "")
    with pytest.raises(UsageError, match="Nothing was set up"):
        setup.set_up(session, options())
    assert session.client.asked == []
    told = capsys.readouterr().out
    for words in ("gpu1", PLAN["folder"], "about 110 MB", "/usr/bin/python3", "%runicorn_setup --remove"):
        assert str(words) in told
    monkeypatch.setattr("builtins.input", lambda _prompt: "y")
    assert [one["name"] for one in setup.set_up(session, options(version="0.7.2"))] == ["runicorn"]
    asked = {"runicorn_version": "0.7.2", "python": None, "bring_python": False, "wheels": "auto"}
    assert session.client.asked == [("c", asked)]


def test_what_is_there_already_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Session()
    session.client.environments = [MADE]
    monkeypatch.setattr("builtins.input", lambda _prompt: pytest.fail("asked"))
    setup.set_up(session, options())
    assert setup.remove(session, options()) == "What was set up on gpu1 was removed (110 MB)."


def test_an_interrupt_cancels_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Session()
    session.client.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        setup.set_up(session, options(yes=True))
    assert session.client.asked[-1] == ("cancel", "r1")


def test_where_no_command_runs_nothing_can_be_set_up() -> None:
    session: Any = Session()
    session.client.plan = None
    with pytest.raises(UsageError, match="runs no commands"):
        setup.set_up(session, options())


def test_where_no_python_is_found_nothing_is_asked_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session: Any = Session()
    session.client.plan = {**PLAN, "python_path": None}
    monkeypatch.setattr("builtins.input", lambda _prompt: "y")
    with pytest.raises(UsageError, match=r"no Python of at least 3\.8; install one there"):
        setup.set_up(session, options(yes=True))
    assert session.client.asked == []
    setup.set_up(session, options(python="/apps/python/bin/python3"))
    assert "with /apps/python/bin/python3, in" in capsys.readouterr().out


def test_a_python_is_brought_only_with_a_yes_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session: Any = Session()
    brings = {"version": "3.12", "megabytes": 100, "comes_from": "local"}
    session.client.plan = {**PLAN, "python_path": None, "brings": brings}
    monkeypatch.setattr("builtins.input", lambda _prompt: "y")
    setup.set_up(session, options())
    told = capsys.readouterr().out
    assert "a Python 3.12 that this server's uv brings" in told
    assert "about 210 MB" in told
    assert session.client.asked[-1][1]["bring_python"] is True
    session.client.asked.clear()
    with pytest.raises(UsageError, match="Add --bring-python"):
        setup.set_up(session, options(yes=True))
    assert session.client.asked == []
    setup.set_up(session, options(yes=True, bring_python=True))
    assert session.client.asked[-1][1]["bring_python"] is True
    setup.set_up(session, options(python="/apps/python/bin/python3", yes=True))
    assert session.client.asked[-1][1]["bring_python"] is False


def test_why_none_can_be_brought_is_told() -> None:
    session: Any = Session()
    session.client.plan = {**PLAN, "python_path": None, "brings": None, "problem": "Its C library is old."}
    with pytest.raises(UsageError, match=r"Its C library is old\.$"):
        setup.set_up(session, options(yes=True))
