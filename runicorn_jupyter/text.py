"""Cleans text of servers, files and other users for display."""

from __future__ import annotations

import re

__all__ = ["mask_secrets", "plain_text"]

# Escape sequences of terminals (ECMA-48: CSI, OSC and the like). The repeated classes exclude what may follow
# them, so matching takes time in proportion to the text.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
# Unicode's categories Cc (without tab and line feed), Cf, Cs, Zl and Zp: controls, invisible characters and
# changes of direction, halves of pairs, line and paragraph separators.
_UNPRINTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_BREAKS = re.compile("\r\n|[\r\u2028\u2029]")
_NAMED_VALUE = (
    r"(?i)((?:^|[\s-])(?:[\w-]{0,64}(?:token|passw(?:or)?d|passwd|secret|api[-_]?key|access[-_]?key|credential)"
    r"[\w-]{0,64}))(%s)(?:\"[^\"]*\"|'[^']*'|\S+)"
)
_SECRET_OPTION = re.compile(_NAMED_VALUE % r"[=\s]\s?")
_SECRET_SET = re.compile(_NAMED_VALUE % "=")
_URL_PASSWORD = re.compile(r"(://[^\s:/@]{0,256}:)[^\s@/]{1,256}@")


def plain_text(
    text: str, *, substitute: str = "", line_breaks: bool = False, limit: int | None = None
) -> str:
    """Remove escape sequences, control and direction characters from a text.

    Tabs stay. Time and memory are linear in the length of the text.

    Parameters
    ----------
    text
        Text from anywhere.
    substitute
        What stands in place of each escape sequence and each character that is removed.
    line_breaks
        Whether lines stay lines, each ended by ``\\n``; otherwise a line break is removed like a control.
    limit
        The most characters to return; None for all of them.

    Returns
    -------
    str
        The text to show. It is not escaped for HTML.
    """
    if line_breaks:
        text = _BREAKS.sub("\n", text)
    text = _UNPRINTED.sub(substitute, _ESCAPES.sub(substitute, text))
    if not line_breaks:
        text = text.replace("\n", substitute)
    return text[:limit]


def mask_secrets(text: str, *, is_command: bool = True) -> str:
    """Hide what looks like a secret on a command line, in a setting or in a URL.

    Parameters
    ----------
    text
        One line.
    is_command
        Whether ``--token`` hides the word behind it, too; in a sentence only ``token=…`` does.

    Returns
    -------
    str
        With ``***`` in place of what a name such as ``token`` stands before, and of a URL's password.
    """
    secret = _SECRET_OPTION if is_command else _SECRET_SET
    return _URL_PASSWORD.sub(r"\1***@", secret.sub(r"\1\2***", text))
