"""No path leaves a viewer's prefix, however it is written."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.proxy.paths import BadPath, ForbiddenPath, check_path, check_query

GOOD = [
    "/",
    "/api/runs",
    "/api/runs/",
    "/api/runs/20261124_144645_46e859/metrics_step",
    "/assets/index-CwA3IHQ5.js",
    "/a%20b/c%2Bd",
    "/demo%2Fexp0",
    "/%E4%B8%AD",
    "/...",
    "/a..b/.c/d.",
    "/api/remotely",
    "/api/remote-viewer",
    "/100%25",
    "/a;b=c/d:e@f,g!h$i&j'k(l)m*n+o~p",
]

BAD = [
    "",
    "api",
    "/..",
    "/../",
    "/a/../b",
    "/./a",
    "/a/.",
    "/%2e%2e/a",
    "/%2E./a",
    "/.%2e/a",
    "/%252e%252e/a",
    "/%25252e%25252e/a",
    "/a%2f..%2fb",
    "/a%2f%2e%2e%2fb",
    "//a",
    "/a//b",
    "/%2f",
    "/a/%2fb",
    "/a%252f/b",
    "/a\\b",
    "/a%5cb",
    "/a%5C..%5Cb",
    "/a%255cb",
    "/a b",
    "/a\tb",
    "/a\r\nb",
    "/a%0d%0ab",
    "/a%00b",
    "/a%7fb",
    "/%",
    "/%zz",
    "/%e4%b8",
    "/%c0%ae%c0%ae/",
    "/中",
    "http://evil.example/",
    "/a\x00",
]

FORBIDDEN = [
    "/api/remote",
    "/api/remote/",
    "/api/remote/connect",
    "/api/%72emote/connect",
    "/%61pi/remote",
    "/api%2fremote%2fconnect",
    "/API/Remote/connect",
    "/%5F_runicorn_jupyter__/renew",
    "/__%72unicorn_jupyter__/renew",
    "/__runicorn_jupyter__%2Frenew",
    "/%255F_runicorn_jupyter__/renew",
    "/%25255F_runicorn_jupyter__/renew",
    "/__Runicorn_Jupyter__/renew",
    "/__runicorn_jupyter__",
]


@pytest.mark.parametrize("path", GOOD)
def test_a_plain_path_is_left_as_it_is(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize("path", BAD)
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        check_path(path)


@pytest.mark.parametrize("path", FORBIDDEN)
def test_what_is_not_a_pages_is_closed(path: str) -> None:
    with pytest.raises(ForbiddenPath):
        check_path(path)


@given(
    st.lists(
        st.sampled_from([".", "/", "%2e", "%2f", "%5c", "\\", "%25", "2e", "a", "%00", "?", "%"]), max_size=12
    )
)
def test_what_is_accepted_stays_where_it_is(parts: list[str]) -> None:
    path = "/" + "".join(parts)
    try:
        check_path(path)
    except BadPath:
        return
    for _ in range(3):
        path = unquote(path)
        segments = path.split("/")[1:]
        assert not {".", ".."} & set(segments)
        assert "" not in segments[:-1]
        assert "\\" not in path


@given(st.text(max_size=40))
def test_anything_is_either_refused_or_plain_ascii(path: str) -> None:
    try:
        accepted = check_path(path)
    except (BadPath, ForbiddenPath):
        return
    assert accepted.isascii()
    assert accepted.isprintable()
    assert " " not in accepted


@pytest.mark.parametrize("query", ["", "a=b", "path=../x&y=%2e%2e", "a=%00", "x=//"])
def test_a_query_may_say_anything(query: str) -> None:
    assert check_query(query) == query


@pytest.mark.parametrize("query", ["a b", "a\r\nb", "中", "a\x00"])
def test_a_query_is_one_line_of_ascii(query: str) -> None:
    with pytest.raises(BadPath):
        check_query(query)
