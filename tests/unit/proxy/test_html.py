"""A viewer's page: links below its prefix, the shim before anything of the page's."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runicorn_jupyter.proxy.html import (
    HEAD_BYTES,
    MAX_LINKS,
    SHIM_FILES,
    UnsupportedHtml,
    is_html,
    rewrite,
    script_json,
    shim_source,
)

PREFIX = "/user/alice/runicorn/v/00112233445566778899aabbccddeeff/"
HTML = "text/html; charset=utf-8"


def shimless(page: bytes) -> bytes:
    """Take the shim out again."""
    return re.sub(
        rb"<script>\(\(\) => \{.*?runicornShim\(\{.*?\}\);\n\}\)\(\);</script>",
        b"{shim}",
        page,
        flags=re.DOTALL,
    )


@pytest.mark.parametrize(
    ("page", "rewritten"),
    [
        (b'<head><link href="/a.css"></head>', b'<head>{shim}<link href="%s/a.css"></head>'),
        (b"<HEAD lang=x><script SRC='/a.js'>", b"<HEAD lang=x>{shim}<script SRC='%s/a.js'>"),
        (b"<head><img src=/a.png>", b"<head>{shim}<img src=%s/a.png>"),
        (b'<head><a href="//cdn.example/x">', b'<head>{shim}<a href="//cdn.example/x">'),
        (b'<head><a href="https://x.example/">', b'<head>{shim}<a href="https://x.example/">'),
        (b'<head><a href="relative">', b'<head>{shim}<a href="relative">'),
        (b'<head><a data-href="/x" hrefs="/y">', b'<head>{shim}<a data-href="/x" hrefs="/y">'),
        (b"<html><body>x", b"<html>{shim}<body>x"),
        (b"<!doctype html><p>x", b"<!doctype html>{shim}<p>x"),
        (b"<p>x", b"{shim}<p>x"),
        (b"", b"{shim}"),
        (b"\xef\xbb\xbf<p>x", b"\xef\xbb\xbf{shim}<p>x"),
        (b"<!-- <head> --><html><head><p>", b"<!-- <head> --><html><head>{shim}<p>"),
        (b"<header><p>", b"{shim}<header><p>"),
    ],
)
def test_links_get_the_prefix_and_the_shim_comes_first(page: bytes, rewritten: bytes) -> None:
    expected = rewritten.replace(b"%s", PREFIX.rstrip("/").encode())
    assert shimless(rewrite(page, HTML, PREFIX, {})) == expected


def test_what_has_the_prefix_already_is_left_alone() -> None:
    page = f'<head><a href="{PREFIX}x">'.encode()
    assert shimless(rewrite(page, HTML, PREFIX, {})) == f'<head>{{shim}}<a href="{PREFIX}x">'.encode()


@pytest.mark.parametrize(
    "charset", ["utf-16", "UTF-16LE", "utf-32", "utf-7", "iso-2022-jp", "hz-gb-2312", "ucs-2"]
)
def test_a_charset_that_is_no_superset_of_ascii_is_refused(charset: str) -> None:
    with pytest.raises(UnsupportedHtml):
        rewrite(b"<p>", f"text/html; charset={charset}", PREFIX, {})


@pytest.mark.parametrize(
    "charset", ["", "; charset=gbk", "; charset=latin-1", '; charset="utf-8"', "; charset", ";;"]
)
def test_other_charsets_pass(charset: str) -> None:
    assert b"runicornShim(" in rewrite(b"<p>", f"text/html{charset}", PREFIX, {})


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=60), max_size=4))
def test_no_stored_text_ends_the_script(items: dict[str, str]) -> None:
    attack = {**items, "</script><script>alert(1)//": "<!--<script>\u2028]]>"}
    page = rewrite(b"<head>", HTML, PREFIX, attack).decode()
    assert page.count("</script") == 1
    assert "<!--" not in page
    settings = re.search(r"runicornShim\((\{.*\})\);\n\}\)\(\);</script>$", page)
    assert settings is not None
    assert json.loads(settings.group(1))["storage"] == attack


def test_json_in_a_script_is_ascii_without_markup() -> None:
    assert script_json(["</script>", "<!--", "&", "\u2028", "é"]).isascii()
    assert not set(script_json(["</script>", "<!--", "&"])) & set("<>&")


def test_the_shim_can_stand_in_a_script_element() -> None:
    source = shim_source().lower()
    assert "</script" not in source
    assert "<!--" not in source
    assert len(SHIM_FILES) == 3


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML; charset=x"])
def test_html_is_known(content_type: str) -> None:
    assert is_html(content_type)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/json", "application/xhtml+xml", "image/svg+xml", "text/htmlx"],
)
def test_everything_else_is_not(content_type: str | None) -> None:
    assert not is_html(content_type)


@pytest.mark.parametrize(
    ("page", "place"),
    [
        (b"<!--><head>", len(b"<!--><head>")),  # an empty comment, as browsers read it
        (b"<!-- <head>", 0),
        (b"<!doctype html><!-- <html>", len(b"<!doctype html>")),
        (b"<html>" + b" " * HEAD_BYTES + b"<head>", len(b"<html>")),
        (b" " * HEAD_BYTES + b"<head>", 0),
        (b"<!--" * 500_000, 0),
    ],
)
def test_the_head_is_looked_for_at_the_beginning_only(page: bytes, place: int) -> None:
    assert shimless(rewrite(page, HTML, PREFIX, {})) == page[:place] + b"{shim}" + page[place:]


def test_a_page_of_links_is_refused() -> None:
    with pytest.raises(UnsupportedHtml):
        rewrite(b' src="/"' * (MAX_LINKS + 1), HTML, PREFIX, {})
    assert len(rewrite(b' src="/"' * MAX_LINKS, HTML, PREFIX, {})) > MAX_LINKS * len(PREFIX)


def test_a_charset_hidden_behind_another_is_refused() -> None:
    with pytest.raises(UnsupportedHtml):
        rewrite(b"<p>", 'text/html; x=";charset=utf-8;"; charset=" utf-16"', PREFIX, {})
