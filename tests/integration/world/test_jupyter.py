"""How the tests ask a Jupyter server."""

from __future__ import annotations

import socket
import threading

import pytest
import requests

from tests.world.jupyter import session_of_single_requests

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def serve(listener: socket.socket, asked: list[bytes]) -> None:
    """Answer the first request of each connection, and close with the second on its way."""
    while len(asked) < 2:
        peer, _ = listener.accept()
        with peer:
            asked.append(peer.recv(65536))
            peer.sendall(ANSWER)
            if b"Connection: close" not in asked[-1] and peer.recv(1):
                return


@pytest.mark.parametrize("alive", [False, True], ids=["a connection each", "kept alive"])
def test_a_server_that_closes_what_was_idle_loses_no_request(alive: bool) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, session_of_single_requests() as session:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        serving = threading.Thread(target=serve, args=(listener, asked))
        serving.start()
        if alive:
            del session.headers["Connection"]
        assert session.get(url, timeout=60).json() == {}
        if alive:  # as a plain session does
            with pytest.raises(requests.ConnectionError):
                session.get(url, timeout=60)
        else:
            assert session.get(url, timeout=60).json() == {}
        serving.join(60)
    assert len(asked) == (1 if alive else 2)
