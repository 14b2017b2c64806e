"""RunicornRemoteClient: upstream's class to the letter, and errors as its examples catch them."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from runicorn_jupyter.api.routes import OPERATIONS
from runicorn_jupyter.client import ApiError, ApiTimeout, RunicornRemoteClient, ServerNotReached
from tests.unit.recording import Recorder, recording_server

EXAMPLES = Path(__file__).parents[2] / "data" / "REMOTE_API_EXAMPLES.zh.md"

CALLS: dict[str, Callable[[Any], Any]] = {
    "connect": lambda c: c.connect("gpu", "me"),
    "connect with a key": lambda c: c.connect(
        host="gpu",
        username="me",
        auth_method="key",
        port=2222,
        private_key_path="~/k",
        key_passphrase="p",
        timeout=9,
    ),
    "connect with a password": lambda c: c.connect(
        "gpu", "me", "password", password="s", private_key_path="~/k"
    ),
    "connect with the agent": lambda c: c.connect("gpu", "me", "agent", password="s"),
    "connect with None": lambda c: c.connect("gpu", "me", private_key_path=None),
    "list_connections": lambda c: c.list_connections(),
    "disconnect": lambda c: c.disconnect("conn_1"),
    "disconnect, keep": lambda c: c.disconnect("conn_1", False),
    "list_environments": lambda c: c.list_environments("conn_1"),
    "list_environments, filtered": lambda c: c.list_environments(
        connection_id="conn_1", filter_type="runicorn_only"
    ),
    "detect_environments": lambda c: c.detect_environments("conn_1"),
    "detect_environments, forced": lambda c: c.detect_environments("conn_1", force_refresh=True),
    "get_remote_config": lambda c: c.get_remote_config("conn_1", "a b/ü"),
    "start_viewer": lambda c: c.start_viewer("conn_1", "env"),
    "start_viewer, all": lambda c: c.start_viewer("conn_1", "env", "~/runs", auto_open=False),
    "start_viewer, empty root": lambda c: c.start_viewer("conn_1", "env", ""),
    "stop_viewer": lambda c: c.stop_viewer("conn_1"),
    "stop_viewer, keep": lambda c: c.stop_viewer("conn_1", cleanup=False),
    "get_viewer_status": lambda c: c.get_viewer_status("conn_1"),
    "get_viewer_logs": lambda c: c.get_viewer_logs("conn_1"),
    "get_viewer_logs, some": lambda c: c.get_viewer_logs("conn_1", lines=7),
    "health_check": lambda c: c.health_check("conn_1"),
    "ping": lambda c: c.ping("conn_1"),
}
# Operations whose method has the name that upstream's documented class gave it.
UPSTREAM_NAMES = {
    "get_config": "get_remote_config",
    "viewer_status": "get_viewer_status",
    "viewer_logs": "get_viewer_logs",
    "health": "health_check",
}
LISTS = {"connections": [1], "environments": [2], "logs": ["3"]}


@pytest.fixture(scope="module")
def upstream() -> type:
    """The class that upstream's examples print in full."""
    blocks = re.findall(r"```python\n(.*?)```", EXAMPLES.read_text(encoding="utf-8"), re.DOTALL)
    source = next(block for block in blocks if "class RunicornRemoteClient" in block)
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    made: type = namespace["RunicornRemoteClient"]
    return made


def test_has_upstreams_methods_with_their_arguments_and_defaults(upstream: type) -> None:
    theirs = {name: value for name, value in vars(upstream).items() if inspect.isfunction(value)}
    theirs.pop("__init__")
    theirs.pop("__exit__")
    assert len(theirs) == 14
    for name, function in theirs.items():
        expected = [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]
        ours = inspect.signature(getattr(RunicornRemoteClient, name)).parameters.values()
        if name == "connect":  # the ssh config may say the user name
            expected[2] = ("username", None, expected[2][2])
        own = [
            p
            for p in ours
            if p.kind is p.KEYWORD_ONLY and p.name not in inspect.signature(function).parameters
        ]
        assert all(p.default is not p.empty for p in own), name  # upstream's calls work without them
        assert [(p.name, p.default, p.kind) for p in ours if p not in own] == expected, name


def test_each_operation_is_a_method_by_its_name() -> None:
    names = {UPSTREAM_NAMES.get(operation.name, operation.name) for operation in OPERATIONS}
    assert names - set(dir(RunicornRemoteClient)) == set()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_sends_and_returns_what_upstreams_class_does(
    call: Callable[[Any], Any], upstream: type, recorder: Recorder
) -> None:
    recorder.default = (200, {"success": True, "connection_id": "conn_1", **LISTS}, {})
    with upstream(recorder.url) as theirs, RunicornRemoteClient(recorder.url) as ours:
        results = call(theirs), call(ours)
    first, second = recorder.asked
    assert results[0] == results[1]
    assert (first.method, first.path, first.query, first.body) == (
        second.method,
        second.path,
        second.query,
        second.body,
    )


def test_password_without_a_password_is_upstreams_value_error(recorder: Recorder) -> None:
    with RunicornRemoteClient(recorder.url) as client, pytest.raises(ValueError, match="Password required"):
        client.connect("gpu", "me", "password")
    assert recorder.asked == []


def test_a_misspelt_argument_is_not_swallowed(recorder: Recorder) -> None:
    with RunicornRemoteClient(recorder.url) as client, pytest.raises(TypeError, match="'pasword'"):
        client.connect("gpu", "me", "password", password="x", pasword="y")


def test_user_name_may_come_from_the_ssh_config(recorder: Recorder) -> None:
    recorder.answer("/api/remote/connect", {"success": True})
    with RunicornRemoteClient(recorder.url) as client:
        client.connect("gpu1")
    assert recorder.asked[0].body == {"host": "gpu1", "port": 22, "username": None, "auth_method": "key"}


def test_failure_is_an_http_error_that_carries_the_envelope(recorder: Recorder) -> None:
    envelope = {
        "success": False,
        "error": "host_key_unknown",
        "message": "Compare the fingerprint.",
        "details": {"host_key": {"host": "gpu"}},
    }
    recorder.answer("/api/remote/connect", envelope, 409)
    with RunicornRemoteClient(recorder.url) as client, pytest.raises(requests.exceptions.HTTPError) as caught:
        client.connect("gpu")
    error = caught.value
    assert isinstance(error, ApiError)
    assert not isinstance(error, requests.exceptions.Timeout)
    assert (error.code, error.message, str(error)) == ("host_key_unknown", *["Compare the fingerprint."] * 2)
    assert error.details == {"host_key": {"host": "gpu"}}
    assert error.status == 409
    assert error.response is not None
    assert error.response.json() == envelope


def test_408_is_caught_as_http_error_and_as_timeout(recorder: Recorder) -> None:
    recorder.answer(
        "/api/remote/connect", {"success": False, "error": "connection_timeout", "message": "30 s."}, 408
    )
    with RunicornRemoteClient(recorder.url) as client:
        with pytest.raises(requests.exceptions.Timeout) as caught:
            client.connect("gpu")
        with pytest.raises(requests.exceptions.HTTPError):
            client.connect("gpu")
    assert isinstance(caught.value, ApiTimeout)
    assert caught.value.details == {}


def test_errors_survive_pickling_as_process_pools_need_it(recorder: Recorder) -> None:
    recorder.answer(
        "/api/remote/ping", {"success": False, "error": "connection_lost", "message": "Down."}, 503
    )
    with RunicornRemoteClient(recorder.url) as client, pytest.raises(ApiError) as caught:
        client.ping("conn_1")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.code, str(again)) == (ApiError, "connection_lost", "Down.")


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (404, b"<html>no such page</html>", "not_found", "does not have the runicorn_jupyter extension"),
        (403, {"message": "Forbidden", "reason": None}, "forbidden", "asks for a login"),
        (502, b"Bad Gateway", "internal_error", "answered 502"),
        (200, b"<html>a login page</html>", "internal_error", "answered 200"),
        (200, [1, 2], "internal_error", "answered 200"),
    ],
)
def test_answers_of_something_else_say_so(
    recorder: Recorder, status: int, body: Any, code: str, words: str
) -> None:
    recorder.answer("/user/alice/api/remote/hosts", body, status)
    with (
        RunicornRemoteClient(f"{recorder.url}/user/alice/") as client,
        pytest.raises(ApiError, match=words) as caught,
    ):
        client.list_hosts()
    assert caught.value.code == code
    assert f"{recorder.url}/user/alice" in str(caught.value)


def test_nothing_listening_names_the_address_and_what_to_do() -> None:
    with recording_server() as gone:
        pass
    with (
        RunicornRemoteClient(gone.url) as client,
        pytest.raises(ServerNotReached, match="jupyter lab") as caught,
    ):
        client.list_connections()
    assert isinstance(caught.value, requests.exceptions.ConnectionError)
    assert gone.url in str(caught.value)


def test_every_call_has_a_time_limit(recorder: Recorder) -> None:
    seen: list[Any] = []

    class Limits(requests.adapters.HTTPAdapter):
        def send(self, request: Any, timeout: Any = None, **kwargs: Any) -> requests.Response:
            seen.append(timeout)
            return super().send(request, timeout=timeout, **kwargs)

    recorder.default = (200, {"success": True, **LISTS}, {})
    with RunicornRemoteClient(recorder.url) as client:
        client.session.mount("http://", Limits())
        for call in CALLS.values():
            call(client)
        client.connect("gpu", timeout=600)
    assert len(seen) == len(CALLS) + 1
    assert all(connect > 0 and answer > 0 for connect, answer in seen)
    assert seen[-1][1] > 600  # the server's own limit comes first


def test_routes_beyond_upstreams(recorder: Recorder) -> None:
    answers = {"hosts": ["h"], "known_hosts": ["k"], "profiles": ["p"], "imported": ["i"], "recent": ["r"]}
    recorder.default = (200, {"success": True, **answers}, {})
    with RunicornRemoteClient(recorder.url) as client:
        assert (client.list_hosts(), client.list_known_hosts()) == (["h"], ["k"])
        assert client.list_profiles() == ["p"]
        client.accept_known_host("gpu", "ssh-ed25519 AAAA", 2222)
        client.remove_known_host("gpu", 2222)
        client.save_profile("lab", "gpu", username="me")
        assert client.import_profiles() == client.import_profiles(["gpu"]) == ["i"]
        assert client.recent() == ["r"]
        client.delete_profile("a b")
        client.answer_challenge("ab/../cd", ["123456"])
        client.get_challenge("abcd")
        client.drop_challenge("abcd")
        client.openapi()
    asked = [(a.method, a.path, a.query, a.body) for a in recorder.asked[3:]]
    root = "/api/remote"
    assert asked == [
        ("POST", f"{root}/known-hosts", {}, {"host": "gpu", "port": 2222, "public_key": "ssh-ed25519 AAAA"}),
        ("DELETE", f"{root}/known-hosts", {"host": ["gpu"], "port": ["2222"]}, None),
        ("POST", f"{root}/profiles", {}, {"name": "lab", "host": "gpu", "username": "me"}),
        ("POST", f"{root}/profiles/import", {}, {}),
        ("POST", f"{root}/profiles/import", {}, {"aliases": ["gpu"]}),
        ("GET", f"{root}/profiles", {}, None),
        ("DELETE", f"{root}/profiles", {"name": ["a b"]}, None),
        ("POST", f"{root}/connect/ab%2F..%2Fcd", {}, {"responses": ["123456"]}),
        ("GET", f"{root}/connect/abcd", {}, None),
        ("DELETE", f"{root}/connect/abcd", {}, None),
        ("GET", f"{root}/openapi.json", {}, None),
    ]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("runicorn_jupyter", ["requests", "paramiko", "pydantic", "tornado", "IPython", "jupyter_server"]),
        (
            "runicorn_remote_client",
            ["paramiko", "pydantic", "tornado", "IPython", "jupyter_server", "ipywidgets"],
        ),
        (
            "runicorn_jupyter.notebook.magics",
            ["requests", "tornado", "paramiko", "pydantic", "jupyter_server", "ipywidgets", "pandas"],
        ),
    ],
)
def test_importing_brings_nothing_that_it_does_not_need(module: str, heavy: list[str]) -> None:
    script = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
