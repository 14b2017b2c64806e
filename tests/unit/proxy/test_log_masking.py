"""A capability is in no log line, whatever happens to its request."""

from __future__ import annotations

import io
import logging

import pytest
from tornado.log import enable_pretty_logging

from runicorn_jupyter.proxy.log_masking import MASK, mask_log_records, mask_text
from tests.unit.proxy.world import FakeViewer, Proxy


async def test_no_line_holds_the_capability(
    proxy: Proxy, upstream: FakeViewer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "canary-of-the-query"
    for answer in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"nonsense",
        b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n",
    ):
        upstream.says(answer, close=True)
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS", "BREW"):
            await proxy.ask(f"/api/runs?q={secret}", method)
        await proxy.visit()
    for tail in ("/../x", "/api/remote/connect", "", "/__runicorn_jupyter__/wait"):
        await proxy.ask(tail)
    proxy.capabilities.revoke(proxy.capability)
    await proxy.ask("/api/runs")
    assert "[capability]/api/runs" in caplog.text
    assert proxy.capability not in caplog.text
    assert secret not in caplog.text


CAPABILITY = "00112233445566778899aabbccddeeff"
SPELLINGS = [
    CAPABILITY,
    CAPABILITY.upper(),
    "%30" + CAPABILITY[1:],
    "".join(f"%{ord(digit):02x}" for digit in CAPABILITY),
    "".join(f"%25{ord(digit):02X}" for digit in CAPABILITY),
    f"%2f{CAPABILITY}%2f",
    f"abc{CAPABILITY}def",
    f"{'f' * 500}{CAPABILITY}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_capability_is_masked_wherever_and_however_it_stands(spelling: str) -> None:
    for text in ("404 GET /%76/{}/ (::1)", "{}", '{{"Referer": "http://a/runicorn/v/{}/"}}', "a {} b {} c"):
        masked = mask_text(text.format(spelling, spelling), {CAPABILITY}.__contains__)
        assert masked == text.format(MASK, MASK)


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:8888/lab?token=ffeeddccbbaa99887766554433221100ffeeddccbbaa9988",
        "?token=ffeeddccbbaa99887766554433221100",
        "Kernel started: 01234567-89ab-cdef-0123-456789abcdef",
        "sha256:" + "ab" * 32,
        "100% of %s %d",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert mask_text(text, {CAPABILITY}.__contains__) == text


def test_what_looks_like_one_in_a_path_is_masked() -> None:
    assert mask_text(f"GET /runicorn/v/{'a' * 32}/x", lambda _: False) == f"GET /runicorn/v/{MASK}/x"


class Unprintable:
    """An object whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError(f"http://127.0.0.1/runicorn/v/{CAPABILITY}/")


def test_every_record_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """Of any logger and any handler: the message, what it is made of, a traceback, the stack."""
    logger = logging.getLogger("somebody.elses")
    handler = logging.StreamHandler(text := io.StringIO())
    logger.addHandler(handler)
    end = mask_log_records({CAPABILITY}.__contains__)
    try:
        logger.warning("404 GET //runicorn/v/%s/", CAPABILITY)
        logger.warning("two of %d", CAPABILITY)
        logger.warning("%s", Unprintable())
        logger.warning({"path": CAPABILITY})
        try:
            int(f"/runicorn/v/{CAPABILITY}/")
        except ValueError:
            logger.exception("it failed")
        logger.warning("as it was: %s", "this", stack_info=True)
    finally:
        end()
        logger.removeHandler(handler)
    said = text.getvalue() + "".join(capsys.readouterr())
    assert CAPABILITY not in said
    assert "404 GET //runicorn/v/[capability]/" in said
    assert "'/runicorn/v/[capability]/'" in said
    assert "as it was: this" in said
    assert "Unprintable object" in said
    assert logging.getLogRecordFactory() is logging.LogRecord


async def test_not_even_when_the_proxy_itself_fails(
    proxy: Proxy, upstream: FakeViewer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    enable_pretty_logging()
    monkeypatch.setattr("runicorn_jupyter.proxy.forwarder.request_headers", lambda *_: 1 / 0)
    caplog.set_level(logging.DEBUG)
    got = await proxy.ask("/api/runs")
    assert got.status == 500
    assert b"ZeroDivision" not in got.body
    assert "ZeroDivisionError" in caplog.text
    assert proxy.capability not in caplog.text


async def test_a_path_cannot_write_a_line_of_its_own(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for tail in ("/\xe9", "/%1b[2J", "/\\"):
        assert (await proxy.ask(tail)).status == 400
    assert caplog.text.isascii()
    assert "[capability]/?" in caplog.text
    assert "\x1b" not in caplog.text
