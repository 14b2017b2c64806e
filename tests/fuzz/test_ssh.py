"""The parsers of what others write: ssh configs, known_hosts, certificates, private keys."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runicorn_jupyter.errors import (
    SshUnavailable,
)
from runicorn_jupyter.payload.relay import HEAD, OPEN
from runicorn_jupyter.ssh.auth.keyfile import KeyFile, KeyFileError
from runicorn_jupyter.ssh.config import evaluator
from runicorn_jupyter.ssh.config.home_copy import read_config
from runicorn_jupyter.ssh.config.parser import parse_line, quote
from runicorn_jupyter.ssh.config.patterns import matches, matches_list
from runicorn_jupyter.ssh.hostkeys import known_hosts_file
from runicorn_jupyter.ssh.hostkeys.certificate import HostCertificate
from runicorn_jupyter.ssh.relay.channel import RelayChannel
from runicorn_jupyter.ssh.relay.client import RelayClient
from runicorn_jupyter.streams import END


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own."""
    (tmp_path / ".ssh").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@given(st.text(max_size=80))
@settings(max_examples=300)
def test_any_line_of_a_config_is_read_or_refused(text: str) -> None:
    try:
        line = parse_line(text)
    except ValueError:
        return
    if line is not None:
        assert line.keyword
        assert line.keyword == line.keyword.lower()


@given(st.lists(st.text(st.characters(blacklist_characters="\0\n", blacklist_categories=["Cs"])), min_size=1))
def test_quoting_survives_reading(arguments: list[str]) -> None:
    line = parse_line("IdentityFile " + " ".join(quote(argument) for argument in arguments))
    assert line is not None
    assert line.arguments == tuple(arguments)


@given(st.text("ab*?", max_size=12) | st.text("a*?", max_size=8), st.text("ab", max_size=12))
@settings(max_examples=1000)
def test_patterns_match_as_the_shell_does(pattern: str, text: str) -> None:
    import fnmatch

    assert matches(text, pattern) == fnmatch.fnmatchcase(text, pattern)


def test_a_pattern_made_to_be_slow_is_not() -> None:
    assert not matches("a" * 2000, "*a" * 200 + "b")


def test_lists_of_patterns() -> None:
    assert matches_list("gpu1", "gpu*,!gpu9")
    assert not matches_list("gpu9", "gpu*,!gpu9")
    assert not matches_list("gpu9", "!gpu8")


@given(body=st.text(st.sampled_from("Host Mtch!*?\"'\\=#~%$ {}\n\t/alUserPIncud"), max_size=200))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_config_breaks_the_reader(home: Path, body: str) -> None:
    (home / ".ssh" / "config").write_text(body)
    (home / ".ssh" / "config").chmod(0o600)
    try:
        files = read_config(home)
        evaluator.evaluate(files, "gpu", username=None, port=None, home=home, run_commands=False)
    except SshUnavailable:
        return


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_apart_or_refused(data: bytes) -> None:
    try:
        certificate = HostCertificate.parse(data)
    except ValueError:
        return
    assert certificate.why_not("gpu") is not None


@given(st.text(max_size=120))
def test_any_line_of_known_hosts_is_read_or_refused(text: str) -> None:
    try:
        entry = known_hosts_file.parse_line(text)
    except ValueError:
        return
    if entry is not None:
        entry.matches("gpu")


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_name_is_compared(name: str, names: str) -> None:
    known_hosts_file.name_matches(name, names)
    known_hosts_file.name_matches(name, f"|1|{names}")


@given(st.binary(max_size=300), st.sampled_from(["", "OPENSSH ", "RSA ", "EC ", "ENCRYPTED "]))
@settings(max_examples=150)
def test_any_file_is_a_key_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed-key"
    for body in (data, base64.b64encode(b"openssh-key-v1\0" + data)):
        mark = f"{kind}PRIVATE KEY-----".encode()
        path.write_bytes(b"-----BEGIN " + mark + b"\n" + body + b"\n-----END " + mark + b"\n")
        with contextlib.suppress(KeyFileError):
            KeyFile.read(path).unlock("x")


_FRAME = st.builds(
    lambda number, kind, body: HEAD.pack(number, kind, len(body)) + body,
    st.integers(0, 3),
    st.integers(0, 9),
    st.binary(max_size=20)
    | st.sampled_from([b'{"status": 1e999, "errors": ""}', b'{"status": -9, "errors": 1}', b"[" * 9000]),
)


class _Still:
    def wake(self) -> None:
        """Nobody waits."""


@given(st.lists(_FRAME | st.binary(max_size=30), max_size=8).map(b"".join), st.booleans())
def test_a_relay_of_any_words_harms_nobody(data: bytes, is_command: bool) -> None:
    relay = RelayClient.__new__(RelayClient)  # as it is between two turns, without a connection
    channel = RelayChannel(relay, 1, _Still(), is_command=is_command)  # type: ignore[arg-type]
    relay._streams, relay._buffer = {1: channel}, bytearray(data)
    with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
        relay._feed()
    while isinstance(channel.take(5), bytes):
        pass
    assert is_command or channel.take_errors(5) in {None, END}
    channel.on_frame(OPEN, b"")
    assert channel.opened
