"""As test_linear.py, for what a remote says outside of its viewer's pages: commands, states, SSH itself."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import runicorn_jupyter
from runicorn_jupyter import models as m
from runicorn_jupyter.errors import EnvironmentNotFound
from runicorn_jupyter.http1 import BadResponse
from runicorn_jupyter.json_text import InvalidJson, read_json
from runicorn_jupyter.payload.relay import ADJUST, DATA, EOF, EXIT, HEAD, PIECE
from runicorn_jupyter.payload.state_files import MAX_STATE_BYTES
from runicorn_jupyter.remote import bootstrap, environments, probe, viewer_state
from runicorn_jupyter.remote.answer_lines import AnswerLines
from runicorn_jupyter.remote.control import MAX_ANSWER_BYTES
from runicorn_jupyter.ssh import wire_format
from runicorn_jupyter.ssh.auth import interactive
from runicorn_jupyter.ssh.config import patterns
from runicorn_jupyter.ssh.hostkeys import certificate, known_hosts_file
from runicorn_jupyter.ssh.relay.channel import RelayChannel
from runicorn_jupyter.ssh.relay.client import RelayClient
from runicorn_jupyter.streams import END, End
from runicorn_jupyter.text import plain_text
from tests.security.linear import check_linear
from tests.security.patterns import Use, attacks, uses
from tests.security.test_linear import PATTERN_BYTES

PACKAGE = Path(runicorn_jupyter.__file__).parent
OWN = {"home_copy", "resolver", "tokens"}  # a path of ours, a request's host, the user's own ssh config
SSH = [path for path in (PACKAGE / "ssh").rglob("*.py") if path.stem not in OWN]
USES = uses([PACKAGE / "json_text.py", PACKAGE / "client/discovery.py", *SSH])
MARK = "m" * 32
PACKET = 262144
ENVIRONMENT = m.Environment(
    name="e",
    type="venv",
    python_version=None,
    python_path="/e/bin/python",
    prefix="/e",
    runicorn_installed=False,
)


def fields(*texts: str) -> bytes:
    return b"".join(text.encode() + b"\0" for text in texts)


def probed(data: bytes) -> None:
    probe.parse(b"\n" + MARK.encode() + b"\0" + data, MARK)


def followed(data: bytes, size: int = 1, *, is_packed: bool = False) -> None:
    """Read the lines of an answer that comes in pieces of that size."""
    body = gzip.compress(data, 1) if is_packed else data
    pieces = iter(range(0, len(body), size))

    async def read() -> bytes | End:
        at = next(pieces, None)
        return END if at is None else body[at : at + size]

    async def read_all() -> None:
        lines = AnswerLines(read, MAX_ANSWER_BYTES, is_packed=is_packed)
        while await lines.next() is not None:
            pass

    with suppress(StopIteration, BadResponse):
        read_all().send(None)  # nothing in it waits


def env(path: str, *, inherits: bool = False, kind: str = "venv") -> bytes:
    said = "true" if inherits else "false"
    return fields("env", kind, path, path, "bin/python", "3.11.2", "/base/bin", said, "lib/python3.11")


DIST = fields("dist", "lib/python3.11/site-packages/runicorn-0.7.2.dist-info", "yes")


def different(size: int, one: Callable[[int], bytes], begin: bytes = b"") -> bytes:
    """Make an answer of about this size, of as many parts as go into it."""

    def parts() -> Iterator[bytes]:
        left, number = size, 0
        while left > 0:
            part = one(number)
            yield part
            left -= len(part)
            number += 1

    return begin + b"".join(parts())


def unseen(number: int) -> str:
    """Give each number a text of its own that looks like nothing."""
    return bin(number)[2:].translate({ord("0"): "\x01", ord("1"): "\x02"})


# Parts that differ from each other, by what the answer of a given size is made of.
MANY: dict[str, Callable[[int], bytes]] = {
    "names that look the same": lambda size: different(size, lambda n: env(f"/{unseen(n)}")),
    "long names that look the same": lambda size: different(size, lambda n: env("/" + "x" * 600 + unseen(n))),
    "names of numbers that are given": lambda size: different(
        size, lambda n: env("/" + "x" * 600 + (f" ({n})" if n % 2 else unseen(n)))
    ),
    "packages of the home, and environments": lambda size: different(
        size // 2, lambda n: env(f"/{n}", kind="conda"), different(size // 2, lambda _: DIST, fields("user"))
    ),
    "packages of a base, and what inherits them": lambda size: different(
        size // 2,
        lambda n: env(f"/{n}", inherits=True),
        different(size // 2, lambda _: env("/base") + DIST * 60),
    ),
    "versions of Python": lambda size: different(
        size,
        lambda n: fields("env", "venv", f"/{n}", f"/{n}", "p", "", "", "true", "lib/py1.1 lib/pya1.1" * 200),
    ),
    "variables of conda": lambda size: different(
        size,
        lambda n: env(f"/{n}", kind="conda") + fields("variables", '{"env_vars":{"RUNICORN_DIR":"~/x"}}'),
    ),
    "viewers": lambda size: different(size, lambda n: fields("viewer", "{" + '"a":1,' * n + '"b":2}', "S 0")),
    "roots": lambda size: different(size, lambda n: fields("root", f"/{n}", "1")),
}


def answered(data: bytes) -> None:
    bootstrap.answer_after(data, MARK)
    bootstrap.no_answer(1, data, ENVIRONMENT)
    text = data.decode("latin-1")
    bootstrap.boot_error({"error": "x", "message": text, "log": text.splitlines()}, ENVIRONMENT)


def found(data: bytes) -> None:
    with suppress(EnvironmentNotFound):
        environments.find([ENVIRONMENT], data.decode("latin-1"))


def parsed(data: bytes) -> None:
    with suppress(InvalidJson):
        read_json(data, max_size=2**20)


class _Still:
    def wake(self) -> None:
        """Nobody waits."""


def relayed(data: bytes) -> None:
    relay = RelayClient.__new__(RelayClient)  # as it is between two turns, without a connection
    relay.send = lambda *_: None  # type: ignore[method-assign]
    relay._streams = {1: RelayChannel(relay, 1, _Still(), is_command=True)}  # type: ignore[arg-type]
    relay._buffer = bytearray()
    with suppress(ValueError):
        for at in range(0, len(data), PIECE):
            relay._buffer += data[at : at + PIECE]
            relay._feed()


def asked(data: bytes) -> None:
    interactive._clean(data)


def certified(data: bytes) -> None:
    head = wire_format.string("ssh-ed25519-cert-v01@openssh.com") + wire_format.string(b"") * 2 + bytes(8)
    with suppress(ValueError):
        certificate.HostCertificate.parse(
            head
            + struct.pack(">I", 2)
            + wire_format.string(b"")
            + wire_format.string(data)
            + bytes(16)
            + wire_format.string(b"") * 5
        ).why_not("x" * 255)


def known(data: bytes) -> None:
    text = data.decode("latin-1")
    known_hosts_file.name_matches("gpu1", text)
    with suppress(ValueError):
        known_hosts_file.parse_line(text)
    with suppress(ValueError):
        known_hosts_file.parse_line(f"{text} ssh-ed25519 AAAA", ["gpu1"])


def frame(kind: int, body: bytes, number: int = 1) -> bytes:
    return HEAD.pack(number, kind, len(body)) + body


JSON = (
    b"[",
    b'{"a":',
    b"[],",
    b'"\\ud800',
    b'"\\',
    b"\\ud83d",
    b'{"a":1,',
    b"1",
    b"-",
    b"1e9",
    b'"',
    b"\xff",
    b" ",
)
TERMINAL = (
    b"\x1b[",
    b"\x1b]",
    b"\x1b",
    b"\x1b[0",
    b"\x1b[ ",
    b"\x1bP",
    b"\x1b]x\x07",
    b"\r\n",
    b"\xe2\x80\xae",
)
TABLE: dict[str, tuple[int, Callable[[bytes], object], tuple[bytes, ...]]] = {
    "probe.parse": (
        probe.MAX_OUTPUT_BYTES,
        probed,
        (
            b"\0", b"a", b"user\0", b"end", b"nothing\0", env("/a"), env("/a", inherits=True),
            DIST,
            fields("user") + DIST, fields("root", "/r"), fields("config", '{"a":'),
            fields("viewer", "[", "S"), env("/a") + fields("variables", "["),
            fields("python3", "/", "Python 3.1"), b"config\0" + b"[" * 9,
        ),
    ),
    "probe.parse, its last words": (probe.MAX_OUTPUT_BYTES, lambda data: probe.parse(data, MARK), TERMINAL),
    "state.read_state": (
        MAX_STATE_BYTES,
        lambda data: viewer_state.read_state(data.decode("latin-1")),
        (*JSON, b'{"version":', b'"pid": 1,'),
    ),
    "environments.conda_variables": (
        environments.MAX_VARIABLES_BYTES,
        lambda data: environments.conda_variables(data.decode("latin-1")),
        (*JSON, b'{"env_vars":'),
    ),
    "environments.find": (
        4096,
        found,
        (b"e (", b"e (/", b" (~/", b"(", b")", b" (/)", b"/", b"../", *TERMINAL),
    ),
    "bootstrap, an answer": (
        bootstrap.MAX_ANSWER_BYTES,
        answered,
        (f"\n{MARK} ".encode(), f"\n{MARK}".encode(), b"\n", *JSON, *TERMINAL),
    ),
    "bootstrap.log_lines": (
        bootstrap.MAX_OUTPUT_BYTES,
        lambda data: bootstrap.log_lines(b"1\n" + data, 10000),
        (b"\n", b"a\n", b"\r", b"\r\n", b"\r\r\n", b"1", *TERMINAL),
    ),
    "json_text.read_json": (2**20, parsed, JSON),
    "text.plain_text": (2**18, lambda data: plain_text(data.decode("utf-8", "replace")), (b"a", *TERMINAL)),
    "text.plain_text, its lines": (
        2**18,
        lambda data: plain_text(data.decode("utf-8", "replace"), line_breaks=True, substitute=" "),
        (b"a", *TERMINAL),
    ),
    "ssh, a relay's frames": (
        PACKET,
        relayed,
        (
            b"\0", frame(DATA, b""), frame(DATA, b"x"), frame(ADJUST, b"\xff" * 4), frame(EOF, b""),
            frame(EXIT, b'{"status": 1, "errors": "x"}'), frame(EXIT, b"[" * 99), frame(DATA, b"x", number=2),
        ),
    ),
    "ssh, what a server asks": (PACKET, asked, (b"a", *TERMINAL)),
    "ssh, a host's certificate": (
        PACKET,
        certified,
        (wire_format.string(b""), wire_format.string(b"*a*b"), wire_format.string(b"*" * 99), b"\0", b"\xff"),
    ),
    "ssh, a line of known_hosts": (
        65536,
        known,
        (b"a,", b"*", b"*a", b"!a,", b"@revoked ", b"|1|", b"|1|AAAA", b" ", b"#", b"A"),
    ),
    "ssh, a pattern": (
        65536,
        lambda data: patterns.matches_list("a" * 255, data.decode("latin-1")),
        (b"*", b"*a", b"a*,", b"?", b"*b", b"!"),
    ),
    "an answer that goes on, byte by byte": (MAX_ANSWER_BYTES, followed, (b"\n", b"a\n", b"{}")),
    "an answer that goes on, at once": (
        MAX_ANSWER_BYTES, lambda data: followed(data, len(data)), (b"\n", b"a\n", b"{}")
    ),
    "an answer that goes on, packed": (
        MAX_ANSWER_BYTES, lambda data: followed(data, is_packed=True), (b"\n", b"a\n", b"{}")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_function_is_linear_up_to_its_limit(name: str) -> None:
    limit, work, openers = TABLE[name]
    for opener in openers:
        check_linear(work, opener, limit)


@pytest.mark.parametrize("name", MANY)
def test_an_answer_of_the_probe_is_linear_in_its_parts(name: str) -> None:
    """A part for each byte of the input would be too many: the input is only how long the answer is to be."""
    made: dict[int, bytes] = {}

    def work(data: bytes) -> None:
        probed(made[len(data)])

    for length in {min(probe.MAX_OUTPUT_BYTES // 4, 512) * n for n in (1, 4)}:
        made[length] = MANY[name](length)
    sizes = [probe.MAX_OUTPUT_BYTES - 65536]
    while sizes[0] > 4096:
        sizes.insert(0, sizes[0] // 4)
    made |= {size: MANY[name](size) for size in sizes}
    check_linear(work, b"x", sizes[-1])


@pytest.mark.parametrize("use", USES, ids=[f"{use.place}.{use.method}" for use in USES])
def test_an_expression_is_linear(use: Use) -> None:
    for begin, unit in attacks(use.pattern):
        check_linear(use, unit, PATTERN_BYTES, begin=begin, end=b"\0")


@pytest.mark.parametrize("name", MANY)
def test_what_a_probe_says_is_bounded_whatever_it_is(name: str) -> None:
    output = b"\n" + MARK.encode() + b"\0" + MANY[name](probe.MAX_OUTPUT_BYTES - 65536)
    result = probe.parse(output, MARK)
    listed = m.EnvironmentsResponse(
        environments=result.environments,
        total=len(result.environments),
        notes=result.notes,
        storage_candidates=list(result.roots),
    )
    assert len(listed.to_json().encode()) <= probe.MAX_LIST_BYTES + 2 * probe.MAX_ROOTS_BYTES
    assert len(json.dumps(result.config)) <= 2 * probe.MAX_CONFIG_BYTES
    assert len(result.viewers) <= probe._MOST["viewer"]
    assert len(result.notes) <= 5
