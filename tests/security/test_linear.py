"""Nothing that takes a remote's or a page's bytes costs more than linear time, up to its own limit.

Each is given its limit of: its own patterns' openers, deep nesting, names that collide, and many tiny parts.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import runicorn_jupyter
from runicorn_jupyter import proxy as proxy_package
from runicorn_jupyter.http1 import MAX_HEAD_BYTES, BadResponse, Http1Connection
from runicorn_jupyter.proxy import asset_cache, csp, headers, html, local_storage, log_masking, paths
from runicorn_jupyter.streams import END
from runicorn_jupyter.streams.memory import MemoryStream
from tests.security.linear import check_linear
from tests.security.patterns import Use, attacks, uses

PREFIX = "/user/alice/runicorn/v/00112233445566778899aabbccddeeff/"
HEAD = MAX_HEAD_BYTES
READ = 262144
PACKAGE = Path(runicorn_jupyter.__file__).parent
LAYERS = ("http1", "payload", "proxy", "remote", "streams")
USES = uses([PACKAGE / "text.py", *(path for layer in LAYERS for path in (PACKAGE / layer).rglob("*.py"))])
PATTERN_BYTES = 65536


def read_answer(data: bytes, piece: int) -> None:
    """Read an answer from its first byte to its end, so many bytes at a time."""

    async def read() -> None:
        pieces = (data[at : at + piece] for at in range(0, len(data), piece))
        connection = Http1Connection(MemoryStream(pieces, ended=True))
        await connection.send_head("GET", "/", [])
        with suppress(BadResponse):
            await connection.read_head()
            while await connection.read_body() is not END:
                pass

    asyncio.run(read())


def location(data: bytes) -> None:
    with suppress(headers.LeavesPrefix):
        headers.rewrite_location(data.decode("latin-1"), PREFIX)


def page(data: bytes) -> None:
    with suppress(html.UnsupportedHtml):
        html.rewrite(data, "text/html", PREFIX, {})


def charset(data: bytes) -> None:
    with suppress(html.UnsupportedHtml):
        html.rewrite(b"<p>", "text/html;" + data.decode("latin-1"), PREFIX, {})


def path(data: bytes) -> None:
    with suppress(paths.BadPath, paths.ForbiddenPath):
        paths.check_path("/" + data.decode("latin-1"))


def query(data: bytes) -> None:
    with suppress(paths.BadPath):
        paths.check_query(data.decode("latin-1"))


def host(data: bytes) -> None:
    with suppress(ValueError):
        csp.content_security_policy("http://" + data.decode("latin-1"), PREFIX)


def change(data: bytes) -> None:
    with suppress(local_storage.StorageRefused):
        local_storage.ViewerStorage().apply(local_storage.Change.parse(data))


def answer_headers(data: bytes) -> None:
    text = data.decode("latin-1")
    received = [("connection", text), *((name, "") for name in text.split(","))]
    headers.response_headers(received)
    headers.request_headers(received)
    asset_cache.AssetCache(2**20).keeper("place", "/", [("vary", text), ("cache-control", text)])


TEXT = (b"a", b" ", b",", b";", b'"', b"=", b"%", b"/", b"\\", b"%25", b"a,", b', "', b"=;")
JSON = (b"[", b'{"a":', b'{"set":{"', b'"\\u0041', b"1", b'{"set":{"a":"', b'"a":"",', b"-", b"[[],")
TABLE: dict[str, tuple[int, Callable[[bytes], object], tuple[bytes, ...]]] = {
    "html.rewrite": (
        html.MAX_HTML_BYTES,
        page,
        (
            b"<!--",
            b"<head ",
            b"<html ",
            b"<!doctype ",
            b"<",
            b"<!-->",
            b" href ",
            b' src="/',
            b" src=/",
            b"\0",
        ),
    ),
    "html.rewrite, its charset": (
        HEAD,
        charset,
        (b"charset=", b"charset = ", b"charset", b';"', b'"', *TEXT),
    ),
    "html.media_type": (HEAD, lambda data: html.media_type(data.decode("latin-1")), TEXT),
    "html.is_html": (HEAD, lambda data: html.is_html(data.decode("latin-1")), TEXT),
    "html.shim_tag": (
        local_storage.MAX_STORAGE_BYTES,
        lambda data: html.shim_tag(PREFIX, {"a": data.decode("latin-1")}),
        (b"<", b'"', b"\xff"),
    ),
    "html.script_json": (
        local_storage.MAX_STORAGE_BYTES,
        lambda data: html.script_json({"a": data.decode("latin-1")}),
        (b"<", b">", b"&", b'"', b"\xff"),
    ),
    "headers.rewrite_location": (
        HEAD,
        location,
        (b"http://127.0.0.1", b"//", b"/a", b"[", b"@", b"?", b"#", b":", b"../", b"%2e", *TEXT),
    ),
    "headers.response_headers": (HEAD, answer_headers, TEXT),
    "headers.request_headers": (HEAD, answer_headers, TEXT),
    "asset_cache.accepted_codings": (
        HEAD,
        lambda data: asset_cache.accepted_codings(data.decode("latin-1")),
        TEXT,
    ),
    "asset_cache.is_hashed": (
        HEAD,
        lambda data: asset_cache.is_hashed("/assets/" + data.decode("latin-1")),
        (b"a/", b"a-", b"-", b"a-12345678.", b"a-12345678/"),
    ),
    "paths.check_path": (HEAD, path, (b"a/", b"./", b"%2f", b"%252e", b"%25", *TEXT)),
    "paths.check_query": (HEAD, query, TEXT),
    "csp.content_security_policy": (HEAD, host, (b"a.", b"[:", b":1", b"-", *TEXT)),
    "csp.may_open_websocket": (
        HEAD,
        lambda data: csp.may_open_websocket("http://" + data.decode("latin-1"), {"localhost"}),
        (b"a.", b"[:", b":1", *TEXT),
    ),
    "log_masking.mask_text": (
        HEAD,
        lambda data: log_masking.mask_text(data.decode("latin-1"), lambda _: False),
        (b"a", b"%", b"%25", b"%61", b"/" + b"a" * 32, b"a" * 31 + b" "),
    ),
    "local_storage.Change": (local_storage.MAX_PATCH_BYTES, change, JSON),
    "http1, a head": (
        2 * HEAD,
        lambda data: read_answer(b"HTTP/1.1 200 OK\r\n" + data, READ),
        (b"a: b\r\n", b"a:", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r", b" ", b"a"),
    ),
    "http1, a head byte by byte": (
        2 * HEAD,
        lambda data: read_answer(b"HTTP/1.1 200 OK\r\n" + data, 1),
        (b"a: b\r\n", b"a:", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ),
    "http1, trailers byte by byte": (
        2 * HEAD,
        lambda data: read_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + data, 1),
        (b"a: b\r\n", b"a:"),
    ),
    "http1, a body": (
        READ,
        lambda data: read_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data, READ),
        (b"1\r\nx\r\n", b"1;a=b\r\nx\r\n", b"0", b"1;", b"0\r\na: b\r\n"),
    ),
}
EXEMPT = {
    "handler": "what it reads of a request goes through `paths`, `csp` and `headers`",
    "reserved_routes": "the body is `local_storage.Change`'s",
    "error_pages": "the words are this program's, and a title that the person chose",
    "websocket": "compares headers that `http1` has bounded; the bytes themselves are passed on unread",
    "log_masking": "`mask_text` is in the list, and is what the others of the module call",
    "capabilities": "names places for this program; nothing is read",
}


def _pairs(data: bytes) -> int:
    return sum(1 for n, one in enumerate(data) for other in data[:n] if one == other)


@pytest.mark.parametrize(
    ("work", "unit"),
    [
        (Use("", re.compile(rb"<!--.*?-->", re.DOTALL), "sub"), b"<!--"),
        (Use("", re.compile(rb"<head(?:\s[^>]*)?>"), "search"), b"<head "),
        (Use("", re.compile(r"(.+) \((~?/.*)\)"), "fullmatch"), b"a (/"),
        (_pairs, b"ab"),
        (lambda data: [data.count(b"a", 0, n) for n in range(len(data))], b"b"),
    ],
)
def test_what_is_quadratic_is_found(work: Callable[[bytes], object], unit: bytes) -> None:
    with pytest.raises(AssertionError):
        check_linear(work, unit, 65536)


@pytest.mark.parametrize("name", TABLE)
def test_a_function_is_linear_up_to_its_limit(name: str) -> None:
    limit, work, openers = TABLE[name]
    for opener in openers:
        check_linear(work, opener, limit)


@pytest.mark.parametrize("use", USES, ids=[f"{use.place}.{use.method}" for use in USES])
def test_an_expression_is_linear(use: Use) -> None:
    for begin, unit in attacks(use.pattern):
        check_linear(use, unit, PATTERN_BYTES, begin=begin, end=b"\0")


def test_every_function_of_the_proxy_that_takes_text_is_here() -> None:
    tested = {name.partition(",")[0].split(" ")[0] for name in TABLE}
    missing = []
    for info in pkgutil.iter_modules(proxy_package.__path__):
        module = importlib.import_module(f"{proxy_package.__name__}.{info.name}")
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__ or name[0] == "_":
                continue
            takes = " ".join(str(p.annotation) for p in inspect.signature(function).parameters.values())
            words = set(re.split(r"[^a-z]+", takes))
            known = {f"{info.name}.{name}", info.name} & (tested | set(EXEMPT))
            if words & {"str", "bytes"} and not known:
                missing.append(f"{info.name}.{name}")
    assert missing == []


def test_all_expressions_were_found() -> None:
    assert len(USES) >= 25
    assert {"html._ATTRIBUTE", "paths._BAD_ESCAPE", "text._ESCAPES"} <= {use.place for use in USES}
