"""Who may call what: every rule of a server, with nothing, a wrong token, a wrong Origin."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable

import pytest
import pytest_asyncio
from traitlets.config import Config

from runicorn_jupyter.api.routes import OPERATIONS
from tests.api.conftest import World
from tests.world.inprocess import Inside

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ELSEWHERE = "http://evil.example"
Rules = list[tuple[str, str]]


@pytest_asyncio.fixture
async def rules(inside: Inside) -> Rules:
    """Path below the base URL that a rule of ours is for, and its handler, as Tornado has them."""
    await inside.ask("GET", "api/remote/nothing", token=False)  # they are made with the first request
    return [
        (example(rule.matcher.regex.pattern, inside.app.base_url), rule.target.__name__)
        for outer in inside.app.web_app.default_router.rules
        for rule in outer.target.rules
        if isinstance(rule.target, type) and rule.target.__module__.startswith("runicorn_jupyter")
    ]


def example(pattern: str, base_url: str) -> str:
    """Give a path, below the base URL, that a rule is for."""
    path = pattern.removesuffix("$").removeprefix(base_url)
    path = re.sub(r"\(\?P<\w+>\[\^/\]\+\)", "0123abcd", path)
    path = path.replace("(?:/.*)?", "/nothing").replace("/.*", f"/{'0' * 32}/index.html")
    path = re.sub(r"\\(.)", r"\1", path)
    assert re.fullmatch(r"[\w./-]+", path), f"{pattern}: say here what a path of this rule looks like"
    assert re.fullmatch(pattern, f"{base_url}{path}"), (pattern, path)
    return path


async def test_the_walk_is_over_all_that_there_is(rules: Rules) -> None:
    handlers = {handler for _, handler in rules}
    assert handlers == {
        "RemoteHandler",
        "OpenApiHandler",
        "EventsHandler",
        "UnknownRouteHandler",
        "ClientJsHandler",
        "ViewerHandler",
    }
    described = {re.sub(r"\{\w+\}", "0123abcd", f"api/remote/{operation.path}") for operation in OPERATIONS}
    assert described <= {path for path, _ in rules}
    assert [handler for _, handler in rules].count("ViewerHandler") == 1


@pytest.fixture
def closed_paths(rules: Rules) -> list[str]:
    """A path of each rule that Jupyter's authentication is for: all but the viewers'."""
    return [path for path, handler in rules if handler != "ViewerHandler"]


WITHOUT_RIGHTS: dict[str, Callable[[Inside], dict[str, str]]] = {
    "nothing": lambda _: {},
    "an empty token": lambda _: {"Authorization": "token "},
    "a wrong token": lambda _: {"Authorization": f"token {'0' * 48}"},
    "the token in another scheme": lambda server: {"Authorization": f"Basic {server.token}"},
    "a cookie that nobody signed": lambda server: {
        "Cookie": f"username-127-0-0-1-{server.url.split(':')[2].split('/')[0]}=alice"
    },
    "nothing, from elsewhere": lambda _: {"Origin": ELSEWHERE},
    "nothing, from a sandboxed page": lambda _: {"Origin": "null"},
}


@pytest.mark.parametrize("how", [*WITHOUT_RIGHTS, "a wrong token in the query"])
async def test_without_rights_there_is_nothing(inside: Inside, closed_paths: list[str], how: str) -> None:
    headers = WITHOUT_RIGHTS[how](inside) if how in WITHOUT_RIGHTS else {}
    query = "" if how in WITHOUT_RIGHTS else f"?token={'0' * 48}"
    for path, method in itertools.product(closed_paths, METHODS):
        answer = await inside.ask(method, path + query, headers=headers, token=False)
        # client.js is a page's script: Jupyter sends a person's browser to its login page.
        expected = (302, 403, 404, 405) if path.endswith("client.js") else (403,)
        assert answer.code in expected, (method, path)
        if path.startswith("api/remote") and method != "HEAD":
            assert json.loads(answer.body)["error"] == "forbidden"
            assert set(json.loads(answer.body)) == {"success", "error", "message"}


async def logged_in(server: Inside, *, own_page: bool = True) -> tuple[dict[str, str], str]:
    """Give the headers of a page in a browser that is logged in, by cookies alone, and the XSRF token."""
    cookies = await server.log_in()
    xsrf = cookies["_xsrf"]
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    if own_page:
        headers |= {"Origin": "/".join(server.url.split("/")[:3]), "X-XSRFToken": xsrf}
    return headers, xsrf


async def test_a_page_of_jupyter_is_let_in(inside: Inside) -> None:
    own, _ = await logged_in(inside)
    for headers in ({"Cookie": own["Cookie"]}, own):
        answer = await inside.ask("GET", "api/remote/connections", headers=headers, token=False)
        assert answer.code == 200
    posted = await inside.ask(
        "POST", "api/remote/viewer/stop", headers=own, json={"connection_id": "x"}, token=False
    )
    assert json.loads(posted.body)["error"] == "connection_not_found"


# The scheme is not compared: a proxy may have ended TLS.
@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "http://127.0.0.1:1", "http://{host}.evil.example"])
async def test_a_page_of_another_site_gets_nothing(
    inside: Inside, closed_paths: list[str], origin: str
) -> None:
    """Not even one that holds the person's cookies and, somehow, the XSRF token."""
    own, _ = await logged_in(inside)
    headers = {**own, "Origin": origin.format(host=inside.url.split("/")[2])}
    for path in closed_paths:
        if path.endswith("client.js"):
            continue  # a script is loaded by `<script>`, and knows nothing of anybody
        for method in METHODS:
            answer = await inside.ask(method, path, headers=headers, token=False)
            assert answer.code == 403, (method, path)
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_change_without_the_xsrf_token_is_refused(inside: Inside) -> None:
    browser, _ = await logged_in(inside, own_page=False)
    for operation in OPERATIONS:
        if operation.method == "GET":
            continue
        path = f"api/remote/{operation.path.replace('{', '').replace('}', '')}"
        for more in ({}, {"X-XSRFToken": "0" * 32}):
            answer = await inside.ask(
                operation.method, path, json={}, headers={**browser, **more}, token=False
            )
            assert (answer.code, json.loads(answer.body)["error"]) == (403, "forbidden"), operation.name


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_a_form_of_another_site_is_no_request(inside: Inside, content_type: str) -> None:
    """What `<form>` can send without a preflight is not what the API takes, even with the right token."""
    browser, xsrf = await logged_in(inside, own_page=False)
    headers = {**browser, "Content-Type": content_type, "X-XSRFToken": xsrf}
    answer = await inside.ask(
        "POST", "api/remote/connect", body=b'{"host": "gpu1"}', headers=headers, token=False
    )
    assert (answer.code, json.loads(answer.body)["error"]) == (400, "invalid_parameters")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
async def test_another_host_name_is_refused(inside: Inside, rules: Rules, host: str) -> None:
    """DNS rebinding: Jupyter's own check of ``Host`` holds for every rule, the viewers' too."""
    for path, _ in rules:
        answer = await inside.ask("GET", path, headers={"Host": host})
        assert answer.code == 403, path


class TestWithoutTheCheckOfHost:
    """A server that allows remote access, which Jupyter checks no ``Host`` of."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        """Jupyter's own option for it."""
        jp_server_config.ServerApp.allow_remote_access = True
        return jp_server_config

    async def test_a_rebound_name_has_no_rights(self, inside: Inside, rules: Rules) -> None:
        """Its page has neither a token nor this name's cookies, and knows no capability."""
        rebound = {"Host": "rebound.example", "Origin": "http://rebound.example"}
        for path, handler in rules:
            expected = {"ViewerHandler": 404, "ClientJsHandler": 302}.get(handler, 403)
            answer = await inside.ask("GET", path, headers=rebound, token=False)
            assert answer.code == expected, path
        let_in = await inside.ask("GET", "api/remote/connections", headers=rebound)
        assert let_in.code == 200


def test_get_changes_nothing(world: World) -> None:
    """Every route that changes something refuses GET and HEAD, and has changed nothing."""
    world.connect()
    before = world.jupyter.get("connections").json()
    readable = {operation.path for operation in OPERATIONS if operation.method == "GET"}
    for operation in OPERATIONS:
        if operation.method == "GET":
            continue
        path = operation.path.format(
            connection_id=before["connections"][0]["connection_id"], challenge_id="0" * 32, request_id="r1"
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
        "list_machines",
        "list_profiles",
        "group_runs",
        "list_runs",
        "ping",
        "run_metrics",
        "viewer_logs",
        "viewer_status",
    }


class TestWithoutOpenHandlers:
    """A server whose administrator forbids handlers that ask for no login."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: Config) -> Config:
        """Jupyter's own option for it."""
        jp_server_config.ServerApp.allow_unauthenticated_access = False
        return jp_server_config

    async def test_a_server_that_forbids_open_handlers_starts_clean(
        self, inside: Inside, rules: Rules
    ) -> None:
        """Jupyter warns of a handler that does not say; here that is an error, and no route is there."""
        assert (await inside.get("connections")).code == 200
        for path, handler in rules:
            answer = await inside.ask("GET", path, token=False)
            # The capability is the viewers' authorisation: a dead one is 404, not a question for a login.
            assert answer.code == (404 if handler == "ViewerHandler" else answer.code)
            assert answer.code in (302, 403, 404), path
