"""How the tests ask a Jupyter server."""

from __future__ import annotations

import select
import socket
import threading

import pytest
import requests

from tests.world.jupyter import session_of_single_requests

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def answered(listener: socket.socket) -> socket.socket:
    """Answer the next connection's first request, and keep the connection."""
    while True:
        peer, _ = listener.accept()
        request = b""
        while b"\r\n\r\n" not in request and (part := peer.recv(65536)):
            request += part  # what is left unread would reset the connection
        if request.startswith(b"GET /mine "):
            peer.sendall(ANSWER)
            return peer
        peer.close()  # a client of what listened at this port before


def serve(listener: socket.socket, answers: list[bool]) -> None:
    """Answer the first request; close its connection with a second one on its way, or answer another's."""
    with answered(listener) as idle:
        answers.append(True)
        if idle in select.select([idle, listener], [], [])[0] and idle.recv(1):
            answers.append(False)
            return
        answered(listener).close()
        answers.append(True)


@pytest.mark.parametrize("alive", [False, True], ids=["a connection each", "kept alive"])
def test_a_server_that_closes_what_was_idle_loses_no_request(alive: bool) -> None:
    answers: list[bool] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        requests.Session() if alive else session_of_single_requests() as session,
    ):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mine"
        serving = threading.Thread(target=serve, args=(listener, answers))
        serving.start()
        assert session.get(url, timeout=60).json() == {}
        if alive:
            with pytest.raises(requests.ConnectionError):
                session.get(url, timeout=60)
        else:
            assert session.get(url, timeout=60).json() == {}
        serving.join(60)
    assert answers == [True, not alive]
