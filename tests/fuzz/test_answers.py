"""What a remote says: the answer of its probe, and the HTTP of whatever listens on the viewer's port."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runicorn_jupyter.http1 import BadResponse, Http1Connection
from runicorn_jupyter.remote.probe import _FIELDS, MAX_ENVIRONMENTS, parse
from runicorn_jupyter.streams import END
from runicorn_jupyter.streams.memory import MemoryStream
from runicorn_jupyter.text import plain_text

NASTY = st.sampled_from(
    ["\x1b]0;x\x07", "\u202e", "<b>", "/", "..", "\n", "9" * 5000, "lib/python3.11/", "true"]
)
PLAIN = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
CONFIG = st.dictionaries(PLAIN, PLAIN | st.lists(NASTY, max_size=2) | st.integers(), max_size=2).map(
    json.dumps
)
FIELD = st.builds("".join, st.lists(NASTY | PLAIN, max_size=3)) | CONFIG


@st.composite
def records(draw: st.DrawFn) -> list[str]:
    """Make one record of the probe's: its tag, and as many fields as it has."""
    tag = draw(st.sampled_from(sorted(_FIELDS)))
    fields = draw(st.lists(FIELD, min_size=len(_FIELDS[tag]), max_size=len(_FIELDS[tag])))
    if tag == "env":
        fields[0] = draw(st.sampled_from(["venv", "conda", "base", "project", "pyenv", "system", "x"]))
    return [tag, *fields]


@given(st.lists(records(), max_size=6))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_a_probe_answers_becomes_bounded_text(answer: list[list[str]]) -> None:
    fields = "".join(f"{field}\0" for record in answer for field in record)
    probe = parse(f"noise\nmark\0{fields}".encode(), "mark")
    words = [probe.server.hostname, probe.server.os, probe.server.python_version]
    for each in probe.environments:
        words += [each.name, each.python_version, each.runicorn_version]
    assert [word for word in words if word is not None and plain_text(word) != word] == []
    assert len(probe.environments) <= MAX_ENVIRONMENTS
    assert all(viewer.port < 65536 for viewer in probe.viewers)
    kept = {key: value for key, value in probe.config.items() if key != "user_root_dir"}
    text = json.dumps(kept, ensure_ascii=False)
    assert plain_text(text) == text


async def understood(pieces: list[bytes]) -> tuple[object, ...]:
    """Read one answer; give what it is, or that it is refused."""
    connection = Http1Connection(MemoryStream(filter(None, pieces), ended=True))
    await connection.send_head("GET", "/", [])
    try:
        head = await connection.read_head()
        body = b""
        while (piece := await connection.read_body()) is not END:
            body += piece
    except BadResponse:
        return ("refused",)
    return head.status, head.headers, body, connection.reusable


LINE = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.0 304 X", b"HTTP/1.1 999 X", b"HTTP/2 200 OK",
        b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5", b"content-length: 5, 5",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked",
        b"Connection: close", b"X: y", b" folded", b"", b"5", b"5;x=y", b"0", b"hello", b"hello, u", b"\x00",
    ]
)  # fmt: skip
ANSWER = st.builds(
    lambda lines, end, rest: end.join(lines) + rest,
    st.lists(LINE, min_size=1, max_size=9).map(lambda lines: [b"HTTP/1.1 200 OK", *lines]),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"]),
    st.binary(max_size=6),
)


@given(ANSWER, st.lists(st.integers(0, 120), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut(answer: bytes, cuts: list[int]) -> None:
    """Else what one reader takes for a body another takes for the next answer."""
    edges = [0, *sorted(cuts), len(answer)]
    pieces = [answer[a:b] for a, b in pairwise(edges)]
    whole = asyncio.run(understood([answer]))
    assert asyncio.run(understood(pieces))[:3] == whole[:3]
