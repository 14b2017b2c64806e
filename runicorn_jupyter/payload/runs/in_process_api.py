"""Asks the viewer's own API inside of its process, from a thread of ours. Python >= 3.8."""

import asyncio
import json
from typing import Any, Dict, List, Optional, Tuple

__all__ = ["NotAnswered", "ask"]


class NotAnswered(Exception):
    """The viewer answers by another status than 200.

    Parameters
    ----------
    path
        What it was asked for.
    status
        Its answer; None if there was none.
    """

    def __init__(self, path: str, status: Optional[int]) -> None:
        super().__init__(f"runicorn answers GET {path} with {status}")
        self.status = status


def ask(app: Any, path: str) -> Any:
    """Return the JSON that the viewer answers to a GET.

    It runs on an event loop of the calling thread: runicorn reads many files where it should not, and the
    viewer's own loop has pages to serve meanwhile.

    Parameters
    ----------
    app
        The viewer, an ASGI application.
    path
        Decoded, without a query.

    Raises
    ------
    NotAnswered
        If the status is not 200.
    ValueError
        If the answer is not JSON.
    """
    status, body = asyncio.run(_get(app, path))
    if status != 200:
        raise NotAnswered(path, status)
    return json.loads(body.decode("utf-8"))


async def _get(app: Any, path: str) -> Tuple[Optional[int], bytes]:
    status: List[int] = []
    body: List[bytes] = []
    asked: List[bool] = []

    async def receive() -> Dict[str, Any]:
        if asked:
            # Who asks does not go away.
            await asyncio.get_event_loop().create_future()
        asked.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])
        else:
            body.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8"),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"viewer")],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
    }
    await app(scope, receive, send)
    return (status[0] if status else None), b"".join(body)
