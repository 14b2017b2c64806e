"""What is sent to a remote's shell: values are text and nothing else, and cost it no more than they must."""

from __future__ import annotations

import re
import shutil
import subprocess
import zlib

import pytest

from runicorn_jupyter.remote import bundle

VALUES = (
    "",
    "abc/_=:.,-09",
    "a b",
    "it's",
    "$(id)",
    "`id`",
    "~",
    "a\nb",
    "\\0101",
    "-n",
    "%s",
    "模型",
    "*",
    "a;b",
    "a\n",
)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_value_arrives_as_the_text_that_it_is(
    shell: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    monkeypatch.setattr(bundle, "_script", lambda _name: b'printf %s. "$before" "$mark"\n')
    done = subprocess.run(
        [program, "-s"],
        input=bundle.shell_input("none", before="x", mark=value),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == f"x.{value}."
    assert done.stderr == b""


def test_a_plain_value_costs_the_shell_no_process() -> None:
    script = bundle.shell_input("probe.sh", mark="0" * 32, most="500", known="", wanted="")
    assert script.startswith(b"mark=%s\nmost=500\nknown=\nwanted=\n" % (b"0" * 32))


def test_a_start_is_sent_what_it_runs_and_no_more() -> None:
    sent = zlib.decompress(bundle.python_input("/bin/python", {}).partition(b"\n\n")[2].partition(b"\n")[2])
    names = set(re.findall(rb"'runicorn_jupyter\.payload\.([a-z_.]*)'", sent))
    assert b"server" in names
    assert not [name for name in names if name.startswith((b"setup", b"relay"))]
