"""Keeps capabilities out of the log of the whole server: whoever has one may use its viewer.

Our own lines never have one. But Jupyter logs what it has no route for, with its headers, and a capability
can stand in any of it: ``//runicorn/v/…``, an escape in the path, a ``Referer``.
"""

from __future__ import annotations

import logging
import re
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable

CAPABILITY_LENGTH = 32
"""Hexadecimal digits."""

MAX_DECODINGS = 8
"""Who reads a log decodes no escape of an escape so often."""

MASK = "[capability]"

_RUN = re.compile(rf"[0-9A-Fa-f%]{{{CAPABILITY_LENGTH},}}")
_DIGITS = re.compile(rf"[0-9a-f]{{{CAPABILITY_LENGTH},}}")


def mask_log_records(is_known: Callable[[str], bool]) -> Callable[[], None]:
    """Mask capabilities in every log record of this process from now on.

    It is done where records are made, so no handler or formatter, however it came to be, sees one.

    Parameters
    ----------
    is_known
        Tells whether a text is a capability that was given out.

    Returns
    -------
    Callable
        Ends it.
    """
    make = logging.getLogRecordFactory()

    def make_masked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        mask_record(record, is_known)
        return record

    def end() -> None:
        if logging.getLogRecordFactory() is make_masked:
            logging.setLogRecordFactory(make)

    logging.setLogRecordFactory(make_masked)
    return end


def mask_record(record: logging.LogRecord, is_known: Callable[[str], bool]) -> None:
    """Mask capabilities in a record's message, traceback and stack; one without any stays as it is."""
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - of any object's own; logging would print it with all that it holds
        text = f"{record.msg!r} {record.args!r}"
        record.msg, record.args = text, None
    masked = mask_text(text, is_known)
    if masked != text:
        record.msg, record.args = masked, None
    if record.exc_info and record.exc_info[0] is not None:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        masked = mask_text(text, is_known)
        if masked != text:
            record.exc_text = masked  # which formatters take, where it is there
    if record.stack_info:
        record.stack_info = mask_text(record.stack_info, is_known)


def mask_text(text: str, is_known: Callable[[str], bool]) -> str:
    """Mask the capabilities in a text, escaped or not, and anything like one in a path.

    Parameters
    ----------
    text
        Any text; the time is linear in its length.
    is_known
        Tells whether a text is a capability.
    """

    def masked(found: re.Match[str]) -> str:
        run = found[0]
        for _ in range(MAX_DECODINGS):
            before, run = run, unquote(run, "latin-1")
            if run == before:
                break
        for digits in _DIGITS.findall(run.lower()):
            last = len(digits) - CAPABILITY_LENGTH
            if any(is_known(digits[at : at + CAPABILITY_LENGTH]) for at in range(last + 1)):
                return MASK
        in_path = text[found.start() - 1 : found.start()] == "/"
        return MASK if in_path and len(run) == CAPABILITY_LENGTH else found[0]

    return _RUN.sub(masked, text)
