"""Whether the viewer answers at all: asked by its own process, at its own port. Python >= 3.8.

Where memory was short for a moment, the event loop may turn and the port may be open with nobody behind it:
uvloop stops reading its listener for good when it cannot make the protocol of a connection, and closes it
when the system refuses to accept one. Nothing of that shows from inside but that no question is answered.
"""

import contextlib
import errno
import socket
from typing import Optional

__all__ = ["SelfProbe"]

PERIOD_TURNS = 5
"""Between an answer and the next question."""
PATIENCE_TURNS = 10
"""A question without an answer is put again, on another connection: this one alone may be lost."""
# Without a ticket, so that the guard answers at once: on the event loop, and whatever the viewer does.
_QUESTION = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class SelfProbe:
    """Asks a port of this machine for an answer, again and again, without ever waiting for it.

    Time is counted in turns of the event loop, of which an answer takes a handful. So one that does not come
    for many is not late because the loop is busy, the process was stopped or the machine slept.

    Parameters
    ----------
    port
        Where the viewer listens, on the loopback.
    """

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._socket: Optional[socket.socket] = None
        self._is_sent = False
        self._due = PERIOD_TURNS
        self._silent_since: Optional[int] = None

    def silent_turns(self, turn: int) -> int:
        """Go on with the question, and return for how many turns there has been no answer.

        Parameters
        ----------
        turn
            How often the event loop has turned by now.
        """
        try:
            is_silent = self._is_silent(turn)
        except (ConnectionError, MemoryError):
            self._hang_up()
            is_silent = True
        except OSError as error:
            # This process may have no descriptor left, or the machine no port: that tells nothing.
            self._hang_up()
            is_silent = error.errno == errno.ENOMEM
        if not is_silent:
            self._silent_since = None
            return 0
        if self._silent_since is None:
            self._silent_since = turn
        return turn - self._silent_since

    def _is_silent(self, turn: int) -> bool:
        if self._socket is not None and turn >= self._due:
            self._hang_up()
        if self._socket is None:
            if turn < self._due:
                return self._silent_since is not None
            self._due = turn + PATIENCE_TURNS
            self._is_sent = False
            self._socket = socket.socket()
            self._socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                self._socket.connect(self._address)
        with contextlib.suppress(BlockingIOError):
            if not self._is_sent:
                self._socket.send(_QUESTION)
                self._is_sent = True
            if not self._socket.recv(4096):
                raise ConnectionResetError
            self._hang_up()
            self._due = turn + PERIOD_TURNS
            return False
        return True

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
