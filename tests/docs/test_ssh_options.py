"""The list of ssh_config's options is whole: held against the installed OpenSSH and its manual."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MANUAL = Path("/usr/share/man/man5/ssh_config.5.gz")
STATES = {"honoured": "生效", "harmless": "无影响", "not honoured": "不生效"}
# Nobody but people with other settings sees them in `ssh -G`, which prints no option that has no value.
UNPRINTED = {
    *("bindaddress", "bindinterface", "certificatefile", "controlpath", "dynamicforward", "hostkeyalias"),
    *("identityagent", "ignoreunknown", "include", "knownhostscommand", "localcommand", "localforward"),
    *("match", "pkcs11provider", "preferredauthentications", "proxycommand", "proxyjump", "remotecommand"),
    *("remoteforward", "revokedhostkeys", "sendenv", "setenv", "kbdinteractivedevices"),
}


def options(page: Path) -> dict[str, tuple[str, str]]:
    """Return the state and the reason of each keyword, in the order of the page."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| ([^|]*?) *\|$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {name: (state, why) for name, state, why in rows}


ENGLISH = options(DOCS / "ssh-options.md")
CHINESE = options(DOCS / "zh" / "ssh-options.md")
LISTED = {name.lower() for name in ENGLISH}


def ssh(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-F", "/dev/null", *arguments, "host"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_both_languages_say_the_same() -> None:
    assert len(ENGLISH) > 90
    assert list(ENGLISH) == list(CHINESE) == sorted(ENGLISH, key=str.lower)
    assert {name: STATES[state] for name, (state, _) in ENGLISH.items()} == {
        name: state for name, (state, _) in CHINESE.items()
    }


def test_what_has_no_effect_says_why() -> None:
    for page in (ENGLISH, CHINESE):
        assert [
            name for name, (state, why) in page.items() if state not in ("honoured", "生效") and not why
        ] == []


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")
def test_every_option_that_the_installed_ssh_prints_is_listed() -> None:
    printed = {line.split()[0].lower() for line in ssh("-G").stdout.splitlines()}
    assert len(printed) > 60
    assert printed - LISTED == set()
    assert set() == UNPRINTED - LISTED


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's client")
@pytest.mark.parametrize("name", sorted(UNPRINTED - {"include", "match", "ignoreunknown"}))
def test_an_option_that_ssh_prints_only_when_it_is_set_is_one(name: str) -> None:
    assert "Bad configuration option" not in ssh("-G", "-o", f"{name}=x").stderr
    assert "Bad configuration option" in ssh("-G", "-o", f"{name}x=x").stderr


@pytest.mark.skipif(not MANUAL.is_file(), reason="needs OpenSSH's manual")
def test_every_row_of_the_manual_is_listed() -> None:
    text = gzip.decompress(MANUAL.read_bytes()).decode()
    keywords = text.partition("keywords are case-insensitive")[2].partition("\n.Sh PATTERNS")[0]
    # What is capital is a keyword; the others are values.
    rows = set(re.findall(r"^\.It Cm ([A-Z]\w+)$", keywords, re.MULTILINE))
    assert len(rows) > 80
    assert {row for row in rows if row.lower() not in LISTED} == set()
