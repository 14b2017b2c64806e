"""Two allow-lists: what a viewer may know of a request, and what a browser may hear from a viewer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.proxy.headers import (
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    LeavesPrefix,
    request_headers,
    response_headers,
    rewrite_location,
)

PREFIX = "/user/alice/runicorn/v/00112233445566778899aabbccddeeff/"

SECRETS = [
    ("Cookie", "_xsrf=1; username-localhost-8888=2"),
    ("Authorization", "token 0123"),
    ("Proxy-Authorization", "Basic eDp5"),
    ("X-XSRFToken", "1"),
    ("Origin", "http://localhost:8888"),
    ("Referer", "http://localhost:8888/lab?token=0123"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Forwarded-Host", "hub.example"),
    ("X-Forwarded-Proto", "https"),
    ("Forwarded", "for=10.0.0.1"),
    ("X-Real-IP", "10.0.0.1"),
    ("Host", "localhost:8888"),
    ("X-Runicorn-Ticket", "guess"),
    ("Sec-Fetch-Site", "cross-site"),
    ("User-Agent", "Mozilla"),
    ("DNT", "1"),
]
HOP_BY_HOP = [
    ("Connection", "keep-alive, X-Requested-With"),
    ("Keep-Alive", "5"),
    ("TE", "trailers"),
    ("Trailer", "x"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "h2c"),
    ("Proxy-Connection", "close"),
    ("Content-Length", "5"),
]


def test_a_viewer_learns_no_secret_and_no_hop() -> None:
    assert request_headers([*SECRETS, *HOP_BY_HOP]) == []


def test_what_the_page_means_goes_to_the_viewer() -> None:
    sent = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, br"),
        ("Content-Type", "application/json"),
        ("If-None-Match", '"a"'),
        ("Range", "bytes=0-1"),
    ]
    assert request_headers(sent) == [(name.lower(), value) for name, value in sent]


def test_what_connection_names_goes_no_further() -> None:
    assert request_headers([("Connection", "close, Range"), ("Range", "bytes=0-1"), ("Accept", "*/*")]) == [
        ("accept", "*/*")
    ]
    assert response_headers([("connection", "ETag"), ("etag", '"a"'), ("vary", "Accept")]) == [
        ("vary", "Accept")
    ]


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_nothing_can_break_out_of_a_header(received: list[tuple[str, str]]) -> None:
    for name, value in request_headers([*received, *(("Accept", value) for _, value in received)]):
        assert name in REQUEST_HEADERS
        assert not set(value) & set("\r\n\0")
        value.encode("latin-1")


NEVER_BACK = [
    "set-cookie",
    "set-cookie2",
    "content-security-policy",
    "content-security-policy-report-only",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "clear-site-data",
    "refresh",
    "link",
    "location",
    "content-location",
    "sourcemap",
    "x-sourcemap",
    "strict-transport-security",
    "www-authenticate",
    "proxy-authenticate",
    "service-worker-allowed",
    "x-frame-options",
    "referrer-policy",
    "permissions-policy",
    "report-to",
    "reporting-endpoints",
    "nel",
    "alt-svc",
    "public-key-pins",
    "observe-browsing-topics",
    "cross-origin-opener-policy",
    "cross-origin-embedder-policy",
    "cross-origin-resource-policy",
    "origin-agent-cluster",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "accept-ch",
    "critical-ch",
    "speculation-rules",
    "no-vary-search",
    "set-login",
    "timing-allow-origin",
    "transfer-encoding",
    "connection",
    "upgrade",
    "trailer",
    "server",
    "date",
]


@pytest.mark.parametrize("name", NEVER_BACK)
def test_what_would_change_the_browser_never_comes_back(name: str) -> None:
    assert name not in RESPONSE_HEADERS
    assert response_headers([(name, "x"), ("content-type", "text/plain")]) == [("content-type", "text/plain")]


@pytest.mark.parametrize(
    ("location", "rewritten"),
    [
        ("/", ""),
        ("/api/runs/", "api/runs/"),
        ("/api/runs?a=b#c", "api/runs?a=b#c"),
        ("http://127.0.0.1/api/runs/", "api/runs/"),
        ("http://127.0.0.1:41234/api/runs/", "api/runs/"),
        ("http://localhost", ""),
        ("http://127.0.0.1?x", "?x"),
        ("b", "api/b"),
        ("b/c?d", "api/b/c?d"),
        ("?d", "api/runs?d"),
        ("", "api/runs"),
    ],
)
def test_a_redirect_to_the_viewer_stays_below_its_prefix(location: str, rewritten: str) -> None:
    assert rewrite_location(location, PREFIX, "/api/runs") == PREFIX + rewritten


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "http://evil.example/api",
        "//evil.example/",
        "///evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example@127.0.0.1/",
        "https://127.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://127.0.0.1/",
        "/../../lab",
        "../../../lab",
        "/%2e%2e/lab",
        "/\\evil.example",
        "\\\\evil.example",
        "/api/remote/connect",
        "/a\r\nSet-Cookie: b",
        "/a b",
        "http://[::1",
    ],
)
def test_a_redirect_to_anywhere_else_is_refused(location: str) -> None:
    with pytest.raises(LeavesPrefix):
        rewrite_location(location, PREFIX, "/api/runs")
