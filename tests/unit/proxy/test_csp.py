"""The policy, word for word as docs/design.md gives it, and what may stand in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.proxy.csp import content_security_policy, may_open_websocket

PREFIX = "/user/alice/runicorn/v/00112233445566778899aabbccddeeff/"


def test_is_the_one_that_held() -> None:
    o = f"https://hub.example:8443{PREFIX}"
    w = f"wss://hub.example:8443{PREFIX}"
    assert content_security_policy("https://hub.example:8443", PREFIX) == (
        "sandbox allow-scripts allow-forms allow-popups allow-downloads allow-modals; "
        f"default-src 'none'; script-src {o} 'unsafe-inline' 'unsafe-eval' blob:; "
        f"style-src {o} 'unsafe-inline'; img-src {o} data: blob:; font-src {o} data:; "
        f"connect-src {o} {w}; worker-src blob:; media-src {o} blob: data:; form-action {o}; "
        "base-uri 'none'; frame-src 'none'; frame-ancestors 'self'"
    )


@pytest.mark.parametrize(
    "origin", ["http://localhost:8888", "http://[::1]:8888", "https://a-b.example", "http://10.0.0.1"]
)
def test_takes_what_browsers_call_an_origin(origin: str) -> None:
    assert f" form-action {origin}{PREFIX};" in content_security_policy(origin, PREFIX)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "localhost",
        "ftp://a",
        "http://a;script-src *",
        "http://a b",
        "http://*",
        "http://a/b",
        "http://'self'",
    ],
)
def test_nothing_else_can_stand_in_it(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        content_security_policy(origin, PREFIX)


@given(st.text(max_size=30))
def test_no_host_adds_a_directive(host: str) -> None:
    try:
        policy = content_security_policy(f"http://{host}", PREFIX)
    except ValueError:
        return
    assert policy.count(";") == 12
    assert policy.count("'unsafe-inline'") == 2
    assert "*" not in policy


@pytest.mark.parametrize("origin", [None, "null", "http://localhost:8888", "https://localhost:8888"])
def test_the_viewers_page_may_open_a_websocket(origin: str | None) -> None:
    assert may_open_websocket(origin, {"localhost:8888"})


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost", "", "http://localhost:8888.evil.example", "file://"]
)
def test_another_site_may_not(origin: str) -> None:
    assert not may_open_websocket(origin, {"localhost:8888"})
