"""A TCP connection from the remote where its sshd forwards none: a small relay on a command's stdio.

The program is a fixed text for whatever Python 3 the remote has; host and port go to its
standard input, never into a command line. It ends with the connection, from either side; when the
peer has sent its last byte it ends too, since only the end of the process is sure to be told as the
end of the output (sshd may give it one socket for both, and the login shell may hold it as well).
"""

from __future__ import annotations

import json
import secrets

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.sessions import Sessions, execute
from runicorn_jupyter.ssh.stream import Stream

NOISE_BYTES = 65536
"""So much may a shell's start-up files print before the relay speaks."""

# The first line of the input is the interpreter, so that it is quoted by nobody; `read` takes no byte
# more than the line. The second line is the program, the third what it is for.
COMMAND = (
    "/bin/sh -c 'IFS= read -r python && "
    'exec "$python" -c "import sys; exec(eval(sys.stdin.buffer.readline()))"\''
)

PROGRAM = """
import json, os, select, socket, sys, threading
said = json.loads(sys.stdin.buffer.readline())
def say(word):
    os.write(1, ("%s %s\\n" % (said["mark"], word)).encode())
try:
    peer = socket.create_connection((said["host"], said["port"]), said["timeout"])
except ConnectionRefusedError:
    say("refused"); os._exit(0)
except OSError:
    say("failed"); os._exit(0)
peer.settimeout(None)
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
say("open")
def up():
    try:
        while True:
            data = sys.stdin.buffer.read1(65536)
            if not data:
                break
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def watch():
    poll = select.poll()
    poll.register(1, 0)
    poll.poll()
    os._exit(0)
threading.Thread(target=up, daemon=True).start()
threading.Thread(target=watch, daemon=True).start()
try:
    while True:
        data = peer.recv(65536)
        if not data:
            break
        while data:
            data = data[os.write(1, data):]
except OSError:
    pass
os._exit(0)
"""


async def open_relay(
    sessions: Sessions,
    host: str,
    port: int,
    timeout: float,  # noqa: ASYNC109 – closes the channel too
    python: str = "python3",
) -> Stream:
    """Connect to ``host``:``port`` as seen from the remote; the caller bounds the time.

    Parameters
    ----------
    sessions
        Where the relay runs; it takes one session for as long as the stream is open.
    host, port
        Where to.
    timeout
        Seconds for the relay's own connecting.
    python
        The remote's interpreter: a name on its PATH, or a path.

    Raises
    ------
    ConnectionRefusedError
        If nothing listens there.
    SshUnavailable
        If the remote runs no such command, or cannot reach the place.
    ConnectionResetError
        If the link has ended.
    """
    channel, waiter = await sessions.open()
    stream = Stream(channel, waiter)
    try:
        await execute(channel, waiter, COMMAND)
        mark = secrets.token_hex(16)
        said = json.dumps({"mark": mark, "host": host, "port": port, "timeout": timeout})
        await stream.write(f"{python}\n{PROGRAM!r}\n{said}\n".encode())
        word = await _answer(stream, mark)
    except BaseException as error:
        stream.close()
        if isinstance(error, BrokenPipeError):
            raise _none() from error
        raise
    if word == "open":
        return stream
    stream.close()
    if word == "refused":
        raise ConnectionRefusedError(f"nothing listens on port {port} there")
    if word == "failed":
        raise SshUnavailable(f"The remote cannot reach its port {port}.")
    raise _none()


def _none() -> SshUnavailable:
    return SshUnavailable(
        "The SSH server does not allow forwarding, and the remote has no python3 to do without it; "
        "ask its administrator for AllowTcpForwarding."
    )


async def _answer(stream: Stream, mark: str) -> str:
    """Read up to the relay's line, and not a byte of what follows it."""
    line = bytearray()
    for _ in range(NOISE_BYTES):
        byte = await stream.read(1)
        if not byte:
            break
        if byte != b"\n":
            line += byte
            continue
        text = line.decode("utf-8", "replace")
        if mark in text:
            return text.partition(mark)[2].strip()
        line.clear()
    return ""
