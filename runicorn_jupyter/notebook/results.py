"""What the magics return: the API's own lists and dicts, with a table to look at."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from runicorn_jupyter.text import plain_text

__all__ = [
    "NO_MATH",
    "Connection",
    "Connections",
    "Environments",
    "Logs",
    "Status",
    "html_table",
    "labels_of",
    "plain",
    "text_table",
    "viewer_word",
]

NO_MATH = "mathjax_ignore tex2jax_ignore"
"""The HTML classes that tell MathJax 3 and 2 to leave dollar signs alone: text from afar is no formula."""

_CELL = "text-align:left;vertical-align:top;padding:2px 16px 2px 4px"
"""The style of a table's cells: a widget's HTML has none of the front end's."""

_MARK = {
    "healthy": "●",
    "degraded": "◐",
    "unhealthy": "○",
    "connected": "●",
    "running": "●",
    "unresponsive": "◐",
}


def viewer_word(viewer: Mapping[str, Any]) -> str:
    """Say in a word how a viewer is: its status, or that it is ``unresponsive`` although it runs.

    Parameters
    ----------
    viewer
        As the API gives it.
    """
    if viewer["status"] == "running" and viewer.get("health") == "unresponsive":
        return "unresponsive"
    return str(viewer["status"])


def plain(value: object) -> str:
    """Make text of a value that came from another machine: no control, escape or bidi characters.

    Parameters
    ----------
    value
        Anything; ``None`` is a dash.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain_text(str(value), substitute="\ufffd")


def labels_of(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what tells runs apart: their names, with more where two have one.

    Parameters
    ----------
    runs
        As ``client.list_runs()`` gives them.
    """
    labels = [run["name"] or run["run_id"] for run in runs]
    if len(set(labels)) == len(labels):
        return labels
    return [f"{label} · {run['host']} · {run['run_id']}" for label, run in zip(labels, runs, strict=True)]


def text_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align a table of plain text.

    Parameters
    ----------
    headers, rows
        Of the table; values become text by `plain`.
    """
    cells = [list(headers), *([plain(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def html_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    faded: Sequence[bool] = (),
    links: Sequence[str | None] = (),
) -> str:
    """Make an HTML table in which every value is text.

    Parameters
    ----------
    headers, rows
        Of the table; they are escaped.
    faded
        Which rows stand back.
    links
        For each row the opening ``<button …>`` around its first cell's text, or None.
    """
    head = "".join(f'<th scope="col" style="{_CELL}">{html.escape(plain(name))}</th>' for name in headers)
    body = []
    for index, row in enumerate(rows):
        style = ' style="opacity:.55"' if index < len(faded) and faded[index] else ""
        texts = [html.escape(plain(value)) for value in row]
        if index < len(links) and links[index]:
            texts[0] = f"{links[index]}{texts[0]}</button>"
        cells = "".join(f'<td style="{_CELL}">{text}</td>' for text in texts)
        body.append(f"<tr{style}>{cells}</tr>")
    return f'<table class="{NO_MATH}"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


class _Rows(list[dict[str, Any]]):
    """A list of the API's dicts, shown as a table."""

    columns: ClassVar[Mapping[str, str]] = {}
    empty: ClassVar[str] = "Nothing."

    def _cells(self) -> list[list[object]]:
        return [[self._value(row, name) for name in self.columns] for row in self]

    def _value(self, row: dict[str, Any], name: str) -> object:
        return row.get(name)

    def _faded(self) -> list[bool]:
        return []

    def __repr__(self) -> str:
        return text_table(list(self.columns.values()), self._cells()) if self else self.empty

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{html.escape(self.empty)}</p>"
        return self._table()

    def _table(self) -> str:
        return html_table(list(self.columns.values()), self._cells(), faded=self._faded())


SHORT_LIST = 2
"""With fewer environments that have runicorn, the list says how to name one that is not in it."""
HOW_TO_NAME = (
    "An environment that is not listed can be named by the path of its Python, such as"
    " %runicorn_viewer /apps/python/3.11/bin/python."
)


class Environments(_Rows):
    """The Python environments of a remote; those without runicorn stand back.

    Parameters
    ----------
    rows
        The API's environments.
    notes
        What could not be found out on the remote; shown below the table.
    """

    columns = {  # noqa: RUF012 - a constant table
        "name": "Environment",
        "type": "Type",
        "python_version": "Python",
        "runicorn_version": "Runicorn",
        "storage_root": "Storage root",
    }
    empty = "No Python environment was found on the remote."

    def __init__(self, rows: Iterable[dict[str, Any]] = (), notes: Iterable[str] = ()) -> None:
        super().__init__(rows)
        self.notes = list(notes)

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Environments:
        """Make it of what ``read_environments`` or ``detect_environments`` returned.

        Parameters
        ----------
        answer
            As the API gives it.
        """
        rows = answer["environments"]
        problems = [f"{row['name']} cannot run: {row['problem']}" for row in rows if row.get("problem")]
        usable = [row for row in rows if row.get("runicorn_installed")]
        is_short = len(usable) < SHORT_LIST and (
            rows or not answer["notes"]
        )  # not where nothing can be known
        return cls(rows, [*([HOW_TO_NAME] if is_short else []), *answer["notes"], *problems])

    def __repr__(self) -> str:
        return "\n".join([super().__repr__(), *(plain(note) for note in self.notes)])

    def _repr_html_(self) -> str:
        notes = (f'<p class="{NO_MATH}">{html.escape(plain(note))}</p>' for note in self.notes)
        return "".join([super()._repr_html_(), *notes])

    def _table(self) -> str:
        """Make the table, with those without runicorn folded below it."""
        usable, others = (
            self.with_runicorn,
            Environments(row for row in self if not row.get("runicorn_installed")),
        )
        if not usable or not others:
            return super()._table()
        count = f"{len(others)} environment{'' if len(others) == 1 else 's'} without Runicorn"
        return f"{usable._table()}<details><summary>{count}</summary>{others._table()}</details>"

    def _value(self, row: dict[str, Any], name: str) -> object:
        if name == "runicorn_version" and not row.get("runicorn_installed"):
            return "not installed"
        if name == "storage_root" and row.get("storage_root_from") in ("RUNICORN_DIR", "config"):
            return f"{row.get(name)} (from {row['storage_root_from']})"
        return row.get(name)

    def _faded(self) -> list[bool]:
        return [not row.get("runicorn_installed") for row in self]

    @property
    def with_runicorn(self) -> Environments:
        """Those that a viewer can run in."""
        return Environments(row for row in self if row.get("runicorn_installed"))


class Connections(_Rows):
    """The open connections."""

    columns = {  # noqa: RUF012 - a constant table
        "name": "Name",
        "host": "Host",
        "username": "User name",
        "status": "Status",
        "viewer": "Viewer",
        "connection_id": "Id",
    }
    empty = "No connection is open; %runicorn_connect HOST opens one."

    def _value(self, row: dict[str, Any], name: str) -> object:
        value = row.get(name)
        if name == "viewer" and isinstance(value, dict):
            return f"{viewer_word(value)} · {value.get('env_name')}"
        return value


class _Facts(dict[str, Any]):
    """One of the API's dicts, shown as a table of two columns."""

    def _facts(self) -> list[tuple[str, object]]:
        return list(self.items())

    def __repr__(self) -> str:
        return text_table(("", ""), self._facts()).lstrip("\n ")

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="{_CELL}">{html.escape(plain(name))}</th>'
            f'<td style="{_CELL}">{html.escape(plain(value))}</td></tr>'
            for name, value in self._facts()
        )
        return f'<table class="{NO_MATH}"><tbody>{rows}</tbody></table>'


class Connection(_Facts):
    """A connection, as `RunicornRemoteClient.connect` or ``list_connections`` gives it."""

    def _facts(self) -> list[tuple[str, object]]:
        info = self.get("server_info") or {}
        facts: list[tuple[str, object]] = [
            ("Name", self.get("name")),
            ("Host", f"{self['username']}@{self['host']}:{self['port']}"),
            ("Status", _marked(self["status"])),
        ]
        if info.get("os"):
            facts.append(("System", info["os"]))
        facts.append(("Id", self["connection_id"]))
        return facts


_ABOUT_VIEWER = {
    "crashed": "it ended by itself; %runicorn_viewer starts it again, %runicorn_logs has its last words",
    "reconnecting": "it shows up again when the connection is back",
    "unresponsive": "it runs and answers nothing; %runicorn_viewer --restart starts it anew",
}
_ABOUT_HEALTH = {
    "healthy": "all is well",
    "degraded": "the server answers, the viewer does not work",
    "unhealthy": "the server does not answer",
}
_CHECKS = {
    "ssh_connection": "The server answers",
    "viewer_process": "The viewer's process runs",
    "tunnel_active": "The viewer can be reached",
}
_RESULTS = {"pass": "yes", "fail": "no", "skip": "not looked at"}


class Status(_Facts):
    """How a connection, its viewer and the tunnel between are."""

    def _facts(self) -> list[tuple[str, object]]:
        viewer, checks = self["viewer"], self["checks"]
        facts: list[tuple[str, object]] = [
            ("Host", f"{self['username']}@{self['host']}"),
            ("Connection", _marked(self["status"])),
            ("Viewer", _marked(viewer_word(viewer), _ABOUT_VIEWER)),
            ("Altogether", _marked(self["health"], _ABOUT_HEALTH, say_word=False)),
        ]
        if viewer["status"] != "stopped":
            facts += [
                ("Environment", viewer.get("env_name")),
                ("Storage root", viewer.get("remote_root")),
            ]
        if viewer["status"] in {"running", "reconnecting"}:
            facts.append(("Running for", timedelta(seconds=int(viewer.get("uptime_seconds") or 0))))
        facts += [(_CHECKS.get(name, name), _RESULTS.get(result, result)) for name, result in checks.items()]
        return facts


class Logs(list[str]):
    """The last lines of a viewer's log, oldest first."""

    def __repr__(self) -> str:
        return "\n".join(plain(line) for line in self) if self else "The viewer has printed nothing."

    def _repr_html_(self) -> str:
        return f'<pre style="max-height:30em;overflow:auto" tabindex="0">{html.escape(repr(self))}</pre>'


def _marked(word: str, about: Mapping[str, str] | None = None, *, say_word: bool = True) -> str:
    said = (about or {}).get(word)
    text = f"{word}: {said}" if said and say_word else said or word
    return f"{_MARK.get(word, '○')} {text}"
