"""The questions of connecting, over real HTTP: each answer leads to the right next request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from runicorn_jupyter.notebook.connect_flow import Declined, Work, connect, way_forward
from tests.unit.recording import Recorder

HOST_KEY = {
    "host": "gpu1",
    "port": 2222,
    "key_type": "ssh-ed25519",
    "fingerprint_sha256": "SHA256:abc",
    "public_key": "ssh-ed25519 AAAA",
}
UNKNOWN = {"success": False, "error": "host_key_unknown", "message": "?", "details": {"host_key": HOST_KEY}}


def challenge(ident: str) -> dict[str, Any]:
    return {
        "success": False,
        "error": "authentication_required",
        "message": "?",
        "details": {
            "challenge_id": ident,
            "instruction": "Two steps.",
            "prompts": [{"text": "Code: ", "echo": True}, {"text": "PIN: ", "echo": False}],
        },
    }


class Person:
    """Answers as told, and remembers what was asked."""

    def __init__(self, *, trusts: bool = True, answers: list[list[str] | None] | None = None) -> None:
        self.trusts = trusts
        self.answers = answers or []
        self.asked: list[Any] = []

    def confirm_host_key(self, host_key: dict[str, Any]) -> bool:
        self.asked.append(host_key)
        return self.trusts

    def prompt(self, instruction: str, prompts: Sequence[dict[str, Any]]) -> list[str] | None:
        self.asked.append((instruction, list(prompts)))
        return self.answers.pop(0)


@pytest.fixture
def client(recorder: Recorder) -> Iterator[RunicornRemoteClient]:
    with RunicornRemoteClient(recorder.url) as made:
        yield made


def run_with(client: RunicornRemoteClient) -> Any:
    def run(work: Work) -> dict[str, Any]:
        return work(client)

    return run


def asked(recorder: Recorder) -> list[tuple[str, str, Any]]:
    return [(a.method, a.path.removeprefix("/api/remote/"), a.body) for a in recorder.asked]


def test_an_accepted_host_key_is_stored_and_connecting_begins_again(
    recorder: Recorder, client: RunicornRemoteClient
) -> None:
    recorder.answer("/api/remote/connect", UNKNOWN, 409)
    recorder.on(
        "/api/remote/known-hosts", lambda: recorder.answer("/api/remote/connect", {"connection_id": "c"})
    )
    person = Person()
    assert connect(run_with(client), {"host": "gpu1"}, person) == {"connection_id": "c"}
    assert person.asked == [HOST_KEY]
    assert [step[:2] for step in asked(recorder)] == [
        ("POST", "connect"),
        ("POST", "known-hosts"),
        ("POST", "connect"),
    ]
    assert asked(recorder)[1][2] == {"host": "gpu1", "port": 2222, "public_key": "ssh-ed25519 AAAA"}


def test_a_declined_host_key_ends_it(recorder: Recorder, client: RunicornRemoteClient) -> None:
    recorder.answer("/api/remote/connect", UNKNOWN, 409)
    with pytest.raises(Declined, match="gpu1 is not trusted"):
        connect(run_with(client), {"host": "gpu1"}, Person(trusts=False))
    assert len(recorder.asked) == 1


def test_rounds_of_questions_each_have_their_own_challenge(
    recorder: Recorder, client: RunicornRemoteClient
) -> None:
    recorder.answer("/api/remote/connect", challenge("a1"), 401)
    recorder.answer("/api/remote/connect/a1", challenge("b2"), 401)
    recorder.answer("/api/remote/connect/b2", {"connection_id": "c"})
    person = Person(answers=[["1", "2"], ["3", "4"]])
    assert connect(run_with(client), {"host": "gpu1"}, person) == {"connection_id": "c"}
    assert asked(recorder)[1:] == [
        ("POST", "connect/a1", {"responses": ["1", "2"]}),
        ("POST", "connect/b2", {"responses": ["3", "4"]}),
    ]
    assert person.asked[0][0] == "Two steps."


def test_an_unanswered_question_is_cancelled(recorder: Recorder, client: RunicornRemoteClient) -> None:
    recorder.answer("/api/remote/connect", challenge("a1"), 401)
    with pytest.raises(Declined):
        connect(run_with(client), {"host": "gpu1"}, Person(answers=[None]))
    assert asked(recorder)[1:] == [("DELETE", "connect/a1", None)]


def test_an_interrupt_while_asking_cancels_too(recorder: Recorder, client: RunicornRemoteClient) -> None:
    recorder.answer("/api/remote/connect", challenge("a1"), 401)

    class Interrupts(Person):
        def prompt(self, instruction: str, prompts: Sequence[dict[str, Any]]) -> list[str] | None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connect(run_with(client), {"host": "gpu1"}, Interrupts())
    assert asked(recorder)[1:] == [("DELETE", "connect/a1", None)]


def test_a_server_that_never_stops_asking_is_left(recorder: Recorder, client: RunicornRemoteClient) -> None:
    recorder.answer("/api/remote/connect", UNKNOWN, 409)
    with pytest.raises(Declined, match="keeps asking"):
        connect(run_with(client), {"host": "gpu1"}, Person())


def test_other_failures_come_through(recorder: Recorder, client: RunicornRemoteClient) -> None:
    failure = {
        "success": False,
        "error": "host_key_changed",
        "message": "Refused.",
        "details": {"host_key": HOST_KEY},
    }
    recorder.answer("/api/remote/connect", failure, 409)
    with pytest.raises(ApiError, match="Refused"):
        connect(run_with(client), {"host": "gpu1"}, Person())


def test_the_way_forward_is_one_line_with_a_hint() -> None:
    assert way_forward(ApiError("No such\nenvironment.", code="environment_not_found")) == (
        "No such environment. %runicorn_envs lists them."
    )
    refused = ApiError("Refused.", code="authentication_failed", details={"allowed_methods": ["password"]})
    assert "--password" in way_forward(refused)
    assert way_forward(refused, has_password=True) == "Refused."


@pytest.mark.parametrize(
    ("message", "code", "details", "expected"),
    [
        (
            "remote_root: is not a directory on the remote",
            "invalid_parameters",
            {},
            "--root: is not a directory",
        ),
        ("private_key_path: there is no such file", "invalid_parameters", {}, "-i: there is no such file"),
        ("host: is too long", "invalid_parameters", {}, "host: is too long"),
        (
            "A viewer runs.",
            "viewer_already_running",
            {"viewer": {"env_name": "torch", "remote_root": "/data"}},
            "A viewer runs. It shows /data in torch; %runicorn_stop ends it.",
        ),
    ],
)
def test_the_way_forward_says_what_the_magics_call_it(
    message: str, code: str, details: dict[str, Any], expected: str
) -> None:
    assert way_forward(ApiError(message, code=code, details=details)).startswith(expected)
