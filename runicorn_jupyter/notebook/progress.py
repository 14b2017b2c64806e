"""Long work in a cell: the step it is at, and an interrupt that lets go of it."""

from __future__ import annotations

import html
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from IPython.display import display

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from runicorn_jupyter.client.events import Event, event_stream
from runicorn_jupyter.notebook.results import NO_MATH, plain
from runicorn_jupyter.notebook.server_words import ServerWords

__all__ = ["Line", "event_text", "reading_text", "run_with_progress", "step_text"]

T = TypeVar("T")

_SUBSCRIBE_SECONDS = 2.0
"""Seconds to wait for the events' connection; without it the work runs all the same, unseen."""


def step_text(step: str) -> str:
    """Say a step's name in words.

    Parameters
    ----------
    step
        As an event names it, for example ``looking_around``.
    """
    return step.replace("_", " ").replace("-", " ").strip()


def _asks(error: BaseException) -> bool:
    """Whether it is not over: the person has to answer something first."""
    return isinstance(error, ApiError) and error.code in {"host_key_unknown", "authentication_required"}


def _said(error: BaseException) -> str:
    """What the SSH server said before an error of the API."""
    return str(error.details.get("server_message") or "") if isinstance(error, ApiError) else ""


@dataclass(frozen=True)
class _Line:
    title: str
    text: str

    def __repr__(self) -> str:
        return f"{plain(self.title)}: {plain(self.text)}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        title, text = html.escape(plain(self.title)), html.escape(plain(self.text))
        line = f'<div role="status" class="{NO_MATH}"><b>{title}</b>: {text}</div>'
        return {"text/plain": repr(self), "text/html": line}


class _Place:
    """A place in a cell's output, made when something is first shown there."""

    def __init__(self) -> None:
        self._handle: Any = None  # stays None where nothing can be updated, as in a plain interpreter

    def show(self, what: object) -> None:
        """Show something in place of what was there."""
        if self._handle is None:
            self._handle = display(what, display_id=True)
        else:
            self._handle.update(what)


def run_with_progress(
    new_client: Callable[[str], RunicornRemoteClient],
    title: str,
    work: Callable[[RunicornRemoteClient], T],
    *,
    undo: Callable[[RunicornRemoteClient, T], Any] | None = None,
) -> T:
    """Run calls of the API on a thread and show the steps that the server's events report.

    Parameters
    ----------
    new_client
        Makes a client whose requests carry this id.
    title
        What the line begins with, for example the host's name.
    work
        Takes a client and returns a result.
    undo
        What to do with a result that comes after the person interrupted the cell.

    Returns
    -------
    object
        What ``work`` returned.

    Raises
    ------
    BaseException
        What ``work`` raised; ``KeyboardInterrupt`` when the person interrupted.
    """
    request_id = uuid.uuid4().hex
    messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    abandoned = threading.Event()
    client = new_client(request_id)

    def listen(event: Event) -> None:
        if event.get("type") == "progress" and event.get("request_id") == request_id:
            messages.put(("event", event))

    def run() -> None:
        with client:
            try:
                result = work(client)
            except BaseException as exc:  # noqa: BLE001 - raised again in the cell's own thread
                messages.put(("error", exc))
                return
            messages.put(("done", result))
            if abandoned.is_set() and undo is not None:
                with suppress(requests.RequestException):  # then it shows among the connections
                    undo(client, result)

    begun = time.monotonic()
    line = _Place()
    line.show(_Line(title, "…"))
    words = _Words(title)
    unsubscribe = event_stream(client.server).subscribe(listen, wait=_SUBSCRIBE_SECONDS)
    threading.Thread(target=run, daemon=True, name="runicorn-call").start()
    try:
        while True:
            kind, value = messages.get()
            if kind == "event":
                _show_event(value, title, line, words)
            elif kind == "error":
                words.show(_said(value))  # all of it, also where no events come
                line.show(_Line(title, "has a question" if _asks(value) else "failed"))
                raise value
            else:
                line.show(_Line(title, f"done in {time.monotonic() - begun:.1f} s"))
                result: T = value
                return result
    except KeyboardInterrupt:
        abandoned.set()
        line.show(_Line(title, "interrupted"))
        raise
    finally:
        unsubscribe()


class _Words:
    """A server's words below the line of the work; nothing while it says nothing."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._place = _Place()
        self._shown = ""

    def show(self, text: str) -> None:
        """Show a text in place of the one before; an empty one changes nothing."""
        if text and text != self._shown:
            self._shown = text
            self._place.show(ServerWords(self._title, text))


def _show_event(event: Event, title: str, line: _Place, words: _Words) -> None:
    """Show a server's words in their place, and a step on the line of the work."""
    if event.get("step") == "message":
        words.show(str(event.get("text") or ""))
    else:
        line.show(_Line(title, event_text(event)))


def event_text(event: Event) -> str:
    """Say which step a progress event is about."""
    return f"{step_text(str(event.get('message') or event.get('step') or ''))} …"


def reading_text(servers: Sequence[Mapping[str, Any]]) -> str:
    """Say how far viewers are that still take up their runs.

    Parameters
    ----------
    servers
        As ``client.list_runs`` gives them to its ``on_progress``.
    """
    hosts = ", ".join(dict.fromkeys(str(server["host"]) for server in servers))
    return f"reading {sum(server['total'] for server in servers)} on {hosts} …"


class Line:
    """One line in the cell's output about work that may take long; nothing while it is not used.

    Parameters
    ----------
    title
        What the line begins with.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._began = time.monotonic()
        self._place = _Place()
        self._used = False

    def __enter__(self) -> Line:
        return self

    def show(self, text: str) -> None:
        """Show a text in place of the one before."""
        self._used = True
        self._place.show(_Line(self._title, text))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._used:
            failed = "interrupted" if kind is KeyboardInterrupt else "failed"
            self.show(f"done in {time.monotonic() - self._began:.1f} s" if kind is None else failed)
