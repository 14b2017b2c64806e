"""Pages of the list of runs: their order, the places where they end, and how much is told at once."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left
from datetime import datetime
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import InvalidParameters
from runicorn_jupyter.service.run_values import as_number, getter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runicorn_jupyter.service.run_filter import Filter

__all__ = [
    "Key",
    "Order",
    "Place",
    "changes_of",
    "in_order",
    "page_of",
    "ranked",
    "read_cursor",
    "write_cursor",
]

MAX_PAGE_BYTES = 2 * 2**20
"""Of the runs on one page; more of them are more pages. This process holds one for each who asks."""

MAX_CHANGES_BYTES = 8 * 2**20
"""Of the runs that changed and are told one by one; with more the list is to be read anew, page by page."""

NUMBERS, TEXTS, NOTHING = range(3)
"""In this order, whichever way is sorted."""

MAX_TEXT = 128
"""What is sorted by of a text, so that a place goes into a URL."""

Key = tuple[str, str]


class SortKey(NamedTuple):
    """A place in the order: by time created, then by ids, the newest first."""

    created: float
    connection_id: str
    run_id: str


class Place(NamedTuple):
    """A place in an order by some value."""

    rank: int
    value: float | str | None
    key: SortKey


Order = list[tuple[SortKey, m.Run]]
Places = list[tuple[Place, m.Run]]


def in_order(runs: list[m.Run]) -> Order:
    """Sort runs, the newest first."""
    return sorted(((_sort_key(run), run) for run in runs), key=itemgetter(0), reverse=True)


def _sort_key(run: m.Run) -> SortKey:
    return SortKey(run.created_at.timestamp() if run.created_at else 0.0, run.connection_id, run.run_id)


def page_of(
    order: Order, query: m.RunsQuery, passes: Filter, after: Place | None
) -> tuple[list[m.Run], int, str | None]:
    """Return the runs of a page, how many there are on all pages, and the cursor of the next.

    Parameters
    ----------
    order
        All runs, the newest first.
    query
        Has the sort and the limit.
    passes
        Tells which runs count.
    after
        Where the page before ended.
    """
    if query.sort is None:
        total = len(order) if passes is None else sum(passes(run) for _, run in order)
        start = 0 if after is None else bisect_left(order, True, key=lambda entry: entry[0] < after.key)
        places: Iterable[tuple[Place, m.Run]] = (
            (Place(NOTHING, None, key), run)
            for key, run in islice(order, start, None)
            if passes is None or passes(run)
        )
    else:
        found = _sorted_by(query.sort, [entry for entry in order if passes is None or passes(entry[1])])
        total, start = len(found), 0
        if after is not None:
            is_after = partial(_is_after, after, descending=query.sort.startswith("-"))
            start = bisect_left(found, True, key=lambda entry: is_after(entry[0]))
        places = islice(found, start, None)
    page: Places = []
    size = 0
    for entry in places:
        size += len(entry[1].as_json)
        if len(page) == query.limit or (page and size > MAX_PAGE_BYTES):
            return [run for _, run in page], total, write_cursor(page[-1][0])
        page.append(entry)
    return [run for _, run in page], total, None


def _sorted_by(sort: str, order: Order) -> Places:
    """Sort by a value: numbers, then texts, then what has none; those of one value stay as they are."""
    get = getter(sort.removeprefix("-"))
    ranks: tuple[Places, Places, Places] = ([], [], [])
    for key, run in order:
        rank, value = ranked(get(run))
        ranks[rank].append((Place(rank, value, key), run))
    for places in ranks[:NOTHING]:
        places.sort(key=_value, reverse=sort.startswith("-"))
    return [*ranks[NUMBERS], *ranks[TEXTS], *ranks[NOTHING]]


def _value(entry: tuple[Place, m.Run]) -> Any:
    return entry[0].value


def ranked(value: Any) -> tuple[int, float | str | None]:
    """Return where a value stands among others: by its kind, then by what is compared within that."""
    if isinstance(value, datetime):
        return NUMBERS, value.timestamp()
    number = float(value) if isinstance(value, bool) else as_number(value)
    if number is not None:
        return (NUMBERS, number) if number == number else (NOTHING, None)  # noqa: PLR0124 - not NaN
    text = " ".join(value) if isinstance(value, list) else value
    return (TEXTS, text.casefold()[:MAX_TEXT]) if isinstance(text, str) else (NOTHING, None)


def _is_after(place: Place, entry: Place, *, descending: bool) -> bool:
    if entry.rank != place.rank:
        return entry.rank > place.rank
    if entry.value != place.value:
        return bool((entry.value > place.value) is not descending)  # type: ignore[operator]  # of one rank
    return entry.key < place.key


def changes_of(
    changed: list[tuple[Key, m.Run | None]], query: m.RunsQuery, passes: Filter
) -> tuple[list[m.Run], list[m.RunKey], bool]:
    """Divide what changed into runs that pass, and those that are gone or do not pass any more.

    The last value tells whether they fit into one answer.
    """
    runs, removed = [], []
    for key, run in changed:
        if run is not None and (passes is None or passes(run)):
            runs.append(run)
        elif query.connection_id in (None, key[0]) and query.run_id in (None, key[1]):
            removed.append(m.RunKey(connection_id=key[0], run_id=key[1]))
    fits = len(runs) <= query.limit and (
        len(runs) < 2 or sum(len(run.as_json) for run in runs) <= MAX_CHANGES_BYTES
    )
    return runs, removed, fits


def write_cursor(place: Place) -> str:
    """Say a place in the order as text that goes into a URL."""
    text = json.dumps([*place.key, place.rank, place.value], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Place:
    """Read what ``write_cursor`` wrote.

    Raises
    ------
    InvalidParameters
        If it is anything else.
    """
    broken = InvalidParameters.for_field("cursor", "is not the next_cursor of an answer")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        created, connection_id, run_id, rank, value = json.loads(text)
    except (ValueError, binascii.Error, TypeError, RecursionError):
        raise broken from None
    fits = {NUMBERS: _is_number(value), TEXTS: isinstance(value, str), NOTHING: value is None}
    is_rank = isinstance(rank, int) and fits.get(rank, False)
    if not (_is_number(created) and isinstance(connection_id, str) and isinstance(run_id, str) and is_rank):
        raise broken
    return Place(rank, value, SortKey(created, connection_id, run_id))


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and value == value  # noqa: PLR0124 - not NaN
