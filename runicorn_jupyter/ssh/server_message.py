"""Collects what the other side says to the person before it lets them in: cleaned and bounded."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import re
import threading
from collections.abc import Callable

from runicorn_jupyter.errors import RemoteError
from runicorn_jupyter.text import plain_text

__all__ = ["MAX_BYTES", "ServerMessage", "clean_message"]

MAX_BYTES = 4096
"""UTF-8 bytes of a message that are kept and shown: its beginning and its end."""
FIRST_SECONDS = 0.1
"""From new words until they are shown, so that what is said at once is shown at once."""
PAUSE_SECONDS = 1.0
"""Between two times that the message is shown, however much is said."""

_STATUSES = (401, 408, 503)
"""The HTTP statuses of failures that carry the message."""
_GAP = "\n…\n"
_SIDE_BYTES = (MAX_BYTES - len(_GAP.encode())) // 2
# An escape sequence of a terminal whose end has not come yet.
_UNENDED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\r\n]*|[ -/]*)\Z")


def clean_message(said: bytes) -> str:
    """Make a text of another machine fit to be shown.

    Parameters
    ----------
    said
        UTF-8; bytes of another encoding are replaced, an incomplete character at the end is left out.

    Returns
    -------
    str
        At most `MAX_BYTES` of UTF-8 without control and direction characters; lines stay lines. It is not
        escaped for HTML.
    """
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(said)
    text = plain_text(_UNENDED.sub("", text), line_breaks=True)
    text = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    encoded = text.encode()
    if len(encoded) <= MAX_BYTES:
        return text
    begin, end = encoded[:_SIDE_BYTES], encoded[-_SIDE_BYTES:]
    return begin.decode("utf-8", "ignore") + _GAP + end.decode("utf-8", "ignore")


class _Bounded:
    """The first and the last bytes of what was added."""

    def __init__(self) -> None:
        self._begin, self._end = b"", b""
        self._is_cut = False

    def add(self, data: bytes) -> None:
        room = MAX_BYTES - len(self._begin)
        self._begin += data[:room]
        rest = self._end + data[room:]
        self._is_cut |= len(rest) > MAX_BYTES
        self._end = rest[-MAX_BYTES:]

    @property
    def text(self) -> str:
        return clean_message(self._begin + (_GAP.encode() if self._is_cut else b"") + self._end)


class ServerMessage:
    """The words of servers and of a ``ProxyCommand`` during one attempt to connect, as one text.

    Parameters
    ----------
    on_change
        Called on the event loop with the text so far, at most once a second however much is said.
    """

    def __init__(self, on_change: Callable[[str], None] | None = None) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._all, self._unasked = _Bounded(), _Bounded()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_words: Callable[[], None] = _nothing
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._shown, self._shown_at = "", float("-inf")

    def begin(self, on_words: Callable[[], None]) -> None:
        """Begin an attempt: forget what was said before, and listen.

        Parameters
        ----------
        on_words
            Called on this event loop when something was said that the person may have to act on.
        """
        with self._lock:
            self._all, self._unasked = _Bounded(), _Bounded()
            self._loop, self._on_words = asyncio.get_running_loop(), on_words
        self._shown = ""

    def end(self) -> None:
        """Show what has not been shown yet, and listen no more; the text stays."""
        with self._lock:
            self._loop, self._on_words = None, _nothing
        if self._timer is not None:
            self._timer.cancel()
        self._show()

    def add(self, words: bytes) -> None:
        """Add words, from any thread; without a bound on their number or length, in bounded memory."""
        with self._lock:
            if self._loop is None or not words:
                return
            self._all.add(words)
            self._unasked.add(words)
            if self._is_scheduled:
                return
            self._is_scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._heard)

    def add_line(self, text: str, *, is_shown: bool = False) -> None:
        """Add a text on lines of its own, from any thread.

        Parameters
        ----------
        text
            As the server has it.
        is_shown
            Whether the person sees it anyway, such as with a question.
        """
        if not text:
            return
        words = f"{text}\n".encode("utf-8", "replace")
        if not is_shown:
            self.add(words)
            return
        with self._lock:
            if self._loop is not None:
                self._all.add(words)

    @property
    def text(self) -> str:
        """All that was said; empty if nothing was."""
        with self._lock:
            return self._all.text

    @property
    def unasked(self) -> str:
        """What was said without a question."""
        with self._lock:
            return self._unasked.text

    def attach(self, error: RemoteError) -> None:
        """Add the text to an error of one of the kinds that have ``details.server_message``."""
        if error.status in _STATUSES and (text := self.text):
            error.details.setdefault("server_message", text)

    def _heard(self) -> None:
        with self._lock:
            self._is_scheduled = False
            loop, on_words = self._loop, self._on_words
        if loop is None:
            return
        on_words()
        if self._timer is None:
            wait = max(FIRST_SECONDS, self._shown_at + PAUSE_SECONDS - loop.time())
            self._timer = loop.call_later(wait, self._show)

    def _show(self) -> None:
        self._timer = None
        text = self.unasked
        if self._on_change is not None and text and text != self._shown:
            self._shown, self._shown_at = text, asyncio.get_running_loop().time()
            self._on_change(text)


def _nothing() -> None:
    """Do nothing."""
