"""Who may call what: every rule of a running server, with nothing, a wrong token, a wrong Origin."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from runicorn_jupyter.api.routes import OPERATIONS
from tests.api.conftest import World
from tests.world.jupyter import JupyterServer, server_environment

ROOT = Path(__file__).parents[2]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ELSEWHERE = "http://evil.example"

# Asks a server, set up as `jupyter server` sets it up, which rules are ours.
_LIST_RULES = """
import json, sys
from jupyter_server.serverapp import ServerApp
app = ServerApp()
app.initialize(["--allow-root", "--no-browser", "--ServerApp.base_url=/base/"], new_httpserver=False)
rules = []
for outer in app.web_app.default_router.rules:
    for rule in outer.target.rules:
        if rule.target.__module__.startswith("runicorn_jupyter"):
            rules.append([rule.matcher.regex.pattern, rule.target.__name__])
json.dump(rules, sys.stdout)
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Pattern and handler of every rule of ours, as Tornado has them."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST_RULES],
        env=server_environment(tmp_path_factory.mktemp("rules")),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [(pattern, handler) for pattern, handler in json.loads(done.stdout)]


def example(pattern: str) -> str:
    """Give a path, below the base URL, that a rule is for."""
    path = pattern.removesuffix("$").removeprefix("/base/")
    path = re.sub(r"\(\?P<\w+>\[\^/\]\+\)", "0123abcd", path)
    path = path.replace("(?:/.*)?", "/nothing").replace("/.*", f"/{'0' * 32}/index.html")
    path = re.sub(r"\\(.)", r"\1", path)
    assert re.fullmatch(r"[\w./-]+", path), f"{pattern}: say here what a path of this rule looks like"
    assert re.fullmatch(pattern, f"/base/{path}"), (pattern, path)
    return path


def test_the_walk_is_over_all_that_there_is(rules: list[tuple[str, str]]) -> None:
    handlers = {handler for _, handler in rules}
    assert handlers == {
        "RemoteHandler",
        "OpenApiHandler",
        "UnknownRouteHandler",
        "ClientJsHandler",
        "ViewerHandler",
    }
    described = {re.sub(r"\{\w+\}", "0123abcd", f"api/remote/{operation.path}") for operation in OPERATIONS}
    assert described <= {example(pattern) for pattern, _ in rules}
    assert [handler for _, handler in rules].count("ViewerHandler") == 1


@pytest.fixture(scope="module")
def closed_paths(rules: list[tuple[str, str]]) -> list[str]:
    """A path of each rule that Jupyter's authentication is for: all but the viewers'."""
    return [example(pattern) for pattern, handler in rules if handler != "ViewerHandler"]


WITHOUT_RIGHTS: dict[str, Callable[[JupyterServer], dict[str, dict[str, str]]]] = {
    "nothing": lambda _: {},
    "an empty token": lambda _: {"headers": {"Authorization": "token "}},
    "a wrong token": lambda _: {"headers": {"Authorization": f"token {'0' * 48}"}},
    "the token in another scheme": lambda s: {"headers": {"Authorization": f"Basic {s.token}"}},
    "a wrong token in the query": lambda _: {"params": {"token": "0" * 48}},
    "a cookie that nobody signed": lambda s: {"cookies": {f"username-127-0-0-1-{_port(s)}": "alice"}},
    "nothing, from elsewhere": lambda _: {"headers": {"Origin": ELSEWHERE}},
    "nothing, from a sandboxed page": lambda _: {"headers": {"Origin": "null"}},
}


def _port(server: JupyterServer) -> str:
    return server.url.split(":")[2].split("/")[0]


@pytest.mark.parametrize("how", WITHOUT_RIGHTS)
def test_without_rights_there_is_nothing(jupyter: JupyterServer, closed_paths: list[str], how: str) -> None:
    session = requests.Session()  # one connection for all; what it is given is forgotten each time
    for path, method in itertools.product(closed_paths, METHODS):
        with contextlib.closing(
            session.request(
                method,
                jupyter.url + path,
                timeout=30,
                allow_redirects=False,
                **WITHOUT_RIGHTS[how](jupyter),
            )
        ) as answer:
            session.cookies.clear()
            # client.js is a page's script: Jupyter sends a person's browser to its login page.
            expected = (302, 403, 404, 405) if path.endswith("client.js") else (403,)
            assert answer.status_code in expected, (method, path)
            if path.startswith("api/remote") and method != "HEAD":
                assert answer.json()["error"] == "forbidden"
                assert set(answer.json()) == {"success", "error", "message"}


@pytest.fixture(scope="module")
def browser_session(jupyter: JupyterServer) -> Iterator[requests.Session]:
    """A browser that is logged in: cookies, and no token."""
    with requests.Session() as session:
        session.get(f"{jupyter.url}tree", params={"token": jupyter.token}, timeout=30).raise_for_status()
        yield session


def xsrf(session: requests.Session) -> str:
    return next(str(cookie.value) for cookie in session.cookies if cookie.name == "_xsrf")


def test_a_page_of_jupyter_is_let_in(jupyter: JupyterServer, browser_session: requests.Session) -> None:
    own = {"Origin": jupyter.url.rstrip("/"), "X-XSRFToken": xsrf(browser_session)}
    for headers in ({}, own):
        answer = browser_session.get(f"{jupyter.url}api/remote/connections", headers=headers, timeout=30)
        assert answer.status_code == 200
    posted = browser_session.post(
        f"{jupyter.url}api/remote/viewer/stop", headers=own, json={"connection_id": "x"}, timeout=30
    )
    assert posted.json()["error"] == "connection_not_found"


# The scheme is not compared: a proxy may have ended TLS.
@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "http://127.0.0.1:1", "http://{host}.evil.example"])
def test_a_page_of_another_site_gets_nothing(
    jupyter: JupyterServer, browser_session: requests.Session, closed_paths: list[str], origin: str
) -> None:
    """Not even one that holds the person's cookies and, somehow, the XSRF token."""
    headers = {
        "Origin": origin.format(host=jupyter.url.split("/")[2]),
        "X-XSRFToken": xsrf(browser_session),
    }
    for path in closed_paths:
        if path.endswith("client.js"):
            continue  # a script is loaded by `<script>`, and knows nothing of anybody
        for method in METHODS:
            answer = browser_session.request(method, jupyter.url + path, headers=headers, timeout=30)
            assert answer.status_code == 403, (method, path)
            assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_change_without_the_xsrf_token_is_refused(
    jupyter: JupyterServer, browser_session: requests.Session
) -> None:
    for operation in OPERATIONS:
        if operation.method == "GET":
            continue
        url = f"{jupyter.url}api/remote/{operation.path.replace('{', '').replace('}', '')}"
        for headers in ({}, {"X-XSRFToken": "0" * 32}):
            answer = browser_session.request(operation.method, url, json={}, headers=headers, timeout=30)
            assert (answer.status_code, answer.json()["error"]) == (403, "forbidden"), operation.name


def test_a_form_of_another_site_is_no_request(
    jupyter: JupyterServer, browser_session: requests.Session
) -> None:
    """What `<form>` can send without a preflight is not what the API takes, even with the right token."""
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        answer = browser_session.post(
            f"{jupyter.url}api/remote/connect",
            data=b'{"host": "gpu1"}',
            headers={"Content-Type": content_type, "X-XSRFToken": xsrf(browser_session)},
            timeout=30,
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_parameters")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_another_host_name_is_refused(
    jupyter: JupyterServer, rules: list[tuple[str, str]], host: str
) -> None:
    """DNS rebinding: Jupyter's own check of ``Host`` holds for every rule, the viewers' too."""
    for pattern, _ in rules:
        answer = requests.get(
            jupyter.url + example(pattern),
            headers={"Host": host, "Authorization": f"token {jupyter.token}"},
            timeout=30,
        )
        assert answer.status_code == 403, pattern


def test_get_changes_nothing(world: World) -> None:
    """Every route that changes something refuses GET and HEAD, and has changed nothing."""
    world.connect()
    before = world.jupyter.get("connections").json()
    readable = {operation.path for operation in OPERATIONS if operation.method == "GET"}
    for operation in OPERATIONS:
        if operation.method == "GET":
            continue
        path = operation.path.format(
            connection_id=before["connections"][0]["connection_id"], challenge_id="0" * 32
        )
        for method in ("GET", "HEAD"):
            answer = world.jupyter.request(method, path)
            if operation.path not in readable or method == "HEAD":
                assert (answer.status_code, operation.method in answer.headers["Allow"]) == (405, True)
    assert world.jupyter.get("connections").json() == before


def test_what_answers_get_is_known() -> None:
    """A new GET is looked at by a person: it must change nothing but caches."""
    assert {operation.name for operation in OPERATIONS if operation.method == "GET"} == {
        "get_challenge",
        "get_config",
        "health",
        "list_connections",
        "list_environments",
        "list_hosts",
        "list_known_hosts",
        "list_profiles",
        "list_runs",
        "ping",
        "run_metrics",
        "viewer_logs",
        "viewer_status",
    }


def test_a_server_that_forbids_open_handlers_starts_clean(
    make_jupyter: Callable[..., JupyterServer], rules: list[tuple[str, str]], tmp_path: Path
) -> None:
    server = make_jupyter("--ServerApp.allow_unauthenticated_access=False", home=tmp_path)
    # The folders on this machine may have our name, and others' modules in them.
    log = server.log.read_text().replace(sys.prefix, "").replace(str(ROOT), "")
    assert [line for line in log.splitlines() if "authenticat" in line and "runicorn" in line] == []
    assert server.get("connections").status_code == 200
    for pattern, handler in rules:
        answer = requests.get(server.url + example(pattern), timeout=30, allow_redirects=False)
        # The capability is the viewers' authorisation: a dead one is 404, not a question for a login.
        assert answer.status_code == (404 if handler == "ViewerHandler" else answer.status_code)
        assert answer.status_code in (302, 403, 404), pattern
