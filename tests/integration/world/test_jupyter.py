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
            request = b""
            while b"\r\n\r\n" not in request and (part := peer.recv(65536)):
                request += part  # what is left unread would reset the connection
            if not request.startswith(b"GET /mine "):
                continue  # a client of what listened at this port before
            asked.append(request)
            peer.sendall(ANSWER)
            if b"Connection: close" not in request and peer.recv(1):
                return


@pytest.mark.parametrize("alive", [False, True], ids=["a connection each", "kept alive"])
def test_a_server_that_closes_what_was_idle_loses_no_request(alive: bool) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, session_of_single_requests() as session:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mine"
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
