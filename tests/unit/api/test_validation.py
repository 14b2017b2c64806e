"""Bodies and queries: what is taken, and how mistakes are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from runicorn_jupyter import models as m
from runicorn_jupyter.api.validation import read_body, read_query
from runicorn_jupyter.errors import InvalidParameters

JSON = {"Content-Type": "application/json"}


def body(content: bytes | dict[str, Any], headers: dict[str, str] | None = None) -> HTTPServerRequest:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = HTTPHeaders(JSON if headers is None else headers)
    return HTTPServerRequest(start_line=RequestStartLine("POST", "/", "HTTP/1.0"), headers=sent, body=raw)


def query(text: str) -> HTTPServerRequest:
    return HTTPServerRequest(start_line=RequestStartLine("GET", f"/?{text}", "HTTP/1.0"))


def fields(failure: pytest.ExceptionInfo[InvalidParameters]) -> list[str]:
    return [error["field"] for error in failure.value.details["errors"]]


CONNECT = {"host": "gpu1", "username": "ann"}


def test_defaults_of_connect() -> None:
    read = read_body(body(CONNECT), {}, m.ConnectRequest)
    assert (read.port, read.auth_method, read.timeout) == (22, "key", 30)


def test_null_means_absent_and_other_methods_fields_are_ignored() -> None:
    request = {
        **CONNECT,
        "port": None,
        "private_key_path": None,
        "password": "not used",
        "auth_method": "agent",
    }
    assert read_body(body(request), {}, m.ConnectRequest).port == 22


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": None}, "host"),
        ({"host": ""}, "host"),
        ({"host": "-oProxyCommand=id"}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "a\nb"}, "host"),
        ({"host": 7}, "host"),
        ({"username": "-l"}, "username"),
        ({"username": "a\u0000b"}, "username"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "22"}, "port"),
        ({"port": True}, "port"),
        ({"port": 22.5}, "port"),
        ({"timeout": 0.5}, "timeout"),
        ({"timeout": 601}, "timeout"),
        ({"timeout": "30"}, "timeout"),
        ({"auth_method": "kerberos"}, "auth_method"),
        ({"auth_method": "password"}, "password"),
        ({"private_key_path": "a\u0000"}, "private_key_path"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_each_mistake_names_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as failure:
        read_body(body({**CONNECT, **change}), {}, m.ConnectRequest)
    assert fields(failure) == [field]
    assert failure.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"x"', b"null", b'{"host": "\xff"}', b'{"timeout": NaN}', b"[" * 100_000]
)
def test_a_body_that_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidParameters) as failure:
        read_body(body(content), {}, m.ConnectRequest)
    assert fields(failure) == ["body"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_refused(content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    with pytest.raises(InvalidParameters) as failure:
        read_body(body(CONNECT, headers), {}, m.ConnectRequest)
    assert fields(failure) == ["Content-Type"]


def test_a_charset_beside_the_type_is_fine() -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert read_body(body(CONNECT, headers), {}, m.ConnectRequest).host == "gpu1"


def test_secrets_are_not_repeated_in_errors_or_reprs() -> None:
    request = {**CONNECT, "auth_method": "password", "password": "canary-7", "port": "bad"}
    with pytest.raises(InvalidParameters) as failure:
        read_body(body(request), {}, m.ConnectRequest)
    assert "canary-7" not in repr(failure.value.details) + failure.value.message
    assert failure.value.__cause__ is None
    read = read_body(body({**request, "port": 22}), {}, m.ConnectRequest)
    assert "canary-7" not in repr(read) + str(read) + read.model_dump_json()


@pytest.mark.parametrize("text", ["true", "True", "1", "yes", "on"])
def test_true_in_a_query(text: str) -> None:
    read = read_query(query(f"cleanup_viewer={text}"), {"connection_id": "conn_1"}, m.DisconnectQuery)
    assert read.cleanup_viewer is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off"])
def test_false_in_a_query(text: str) -> None:
    read = read_query(query(f"cleanup_viewer={text}"), {"connection_id": "conn_1"}, m.DisconnectQuery)
    assert read.cleanup_viewer is False


@pytest.mark.parametrize(
    ("text", "model", "field"),
    [
        ("cleanup_viewer=TRUE&connection_id=c", m.DisconnectQuery, "cleanup_viewer"),
        ("cleanup_viewer=&connection_id=c", m.DisconnectQuery, "cleanup_viewer"),
        ("", m.ConnectionQuery, "connection_id"),
        ("connection_id=", m.ConnectionQuery, "connection_id"),
        ("connection_id=a&connection_id=b", m.ConnectionQuery, "connection_id"),
        ("connection_id=%ff", m.ConnectionQuery, "connection_id"),
        ("connection_id=a&lines=0", m.LogsQuery, "lines"),
        ("connection_id=a&lines=10001", m.LogsQuery, "lines"),
        ("connection_id=a&lines=ten", m.LogsQuery, "lines"),
        ("connection_id=a&filter=some", m.EnvironmentsQuery, "filter"),
        ("connection_id=a&filters=all", m.EnvironmentsQuery, "filters"),
    ],
)
def test_each_mistake_in_a_query_names_its_field(text: str, model: type[m.Request], field: str) -> None:
    with pytest.raises(InvalidParameters) as failure:
        read_query(query(text), {}, model)
    assert fields(failure) == [field]


def test_jupyters_own_query_fields_are_not_ours() -> None:
    text = "connection_id=a&token=t&_xsrf=x&no_track_activity=1"
    assert read_query(query(text), {}, m.ConnectionQuery).connection_id == "a"
