"""How code of ours gets to the other side and runs there, with nothing of anybody's on a command line.

The command is fixed. Its first line of stdin is the interpreter's path, then come variables to export, a
line ``NAME=VALUE`` each, and an empty line; all in octal escapes, so that neither a login shell nor a strange
path or value matters. What follows is read by the interpreter: the length of a compressed program, the
program, which holds our modules, and a line of JSON, its configuration.
"""

from __future__ import annotations

import functools
import json
import zlib
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from runicorn_jupyter.ssh.channels.ready import PRINT_READY

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COMMAND", "SHELL", "TALKING_SHELL", "python_input", "shell_input", "talking_shell_input"]

# No quote, dollar, backslash, newline or exclamation mark, so that it stands in quotes for any shell. The
# current folder leaves the path of imports first: what lies in a home is not meant as a module.
_LOADER = (
    "import sys;sys.path=[p for p in sys.path if p];import zlib;"
    "b=sys.stdin.buffer;exec(zlib.decompress(b.read(int(b.readline()))))"
)
# `read` takes one byte at a time (POSIX), so the rest of stdin is left to the interpreter.
COMMAND = (
    f"exec /bin/sh -c '{PRINT_READY}; "
    'IFS= read -r e && p=$(printf %b. "$e") && '
    'while IFS= read -r e && [ -n "$e" ]; do v=$(printf %b. "$e"); export "${v%.}"; done; '
    f'exec "${{p%.}}" -c "{_LOADER}" runicorn-jupyter\''
)
"""Runs a program that ``python_input`` made; the last word is for people who look at ``ps``."""


_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_=:.,-")

SHELL = f"exec /bin/sh -c '{PRINT_READY}; exec /bin/sh -s'"
"""Runs a script that ``shell_input`` made."""

TALKING_SHELL = (
    f'exec /bin/sh -c \'{PRINT_READY}; IFS= read -r e && p=$(printf %b. "$e") && eval "${{p%.}}"\''
)
"""Runs a script that ``talking_shell_input`` made; what follows it on the input is the script's to read."""

_PACKAGE = "runicorn_jupyter.payload"
# Compiles a module when it is imported: who only finds a running viewer needs few of them. It stands first,
# so that an installed runicorn-jupyter of another version is not mistaken for this one.
_START = """
import importlib.machinery, json, sys
class Sent:
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return importlib.machinery.ModuleSpec(name, self, is_package=name in PACKAGES)
    def create_module(self, spec):
        pass
    def exec_module(self, module):
        exec(compile(SOURCES[module.__name__], module.__name__, "exec"), module.__dict__)
sys.meta_path.insert(0, Sent())
from {entry} import main
main(json.loads(sys.stdin.buffer.readline().decode("utf-8")))
"""


@functools.cache
def _program(entry: str) -> bytes:
    sources = {"runicorn_jupyter": ""}
    _read_package(_PACKAGE, resources.files(_PACKAGE), sources)
    if not entry.startswith("setup."):  # most starts are of a viewer, on lines of any speed
        others = (f"{_PACKAGE}.setup", f"{_PACKAGE}.relay")  # the relay is sent by itself
        sources = {name: text for name, text in sources.items() if not name.startswith(others)}
    packages = tuple(name for name in sources if not sources[name])
    start = _START.replace("{entry}", f"{_PACKAGE}.{entry}")
    program = f"SOURCES = {sources!r}\nPACKAGES = {packages!r}\n{start}"
    packed = zlib.compress(program.encode("utf-8"), 9)
    return b"%d\n" % len(packed) + packed


def _read_package(name: str, folder: Traversable, sources: dict[str, str]) -> None:
    """Add the sources of a package and of all below it to `sources`, by their dotted names.

    The source of a package itself is empty: its docstring is not needed there.
    """
    sources[name] = ""
    for entry in folder.iterdir():
        if entry.name.endswith(".py") and entry.name != "__init__.py":
            sources[f"{name}.{entry.name.removesuffix('.py')}"] = entry.read_text(encoding="utf-8")
        elif entry.is_dir() and entry.joinpath("__init__.py").is_file():
            _read_package(f"{name}.{entry.name}", entry, sources)


def python_input(
    python_path: str,
    config: dict[str, Any],
    variables: Mapping[str, str] | None = None,
    *,
    entry: str = "boot",
) -> bytes:
    """Return the stdin for ``COMMAND`` that runs the viewer's boot, or another module of the payload.

    Parameters
    ----------
    python_path
        The interpreter, as the probe found it.
    config
        What the module's ``main`` takes; JSON-serialisable.
    variables
        Exported before the interpreter starts, for its loader needs them; names of letters, digits and
        ``_``.
    entry
        The module, below ``payload``.
    """
    lines = [_octal(python_path), *(_octal(f"{name}={value}") for name, value in (variables or {}).items())]
    return b"\n".join(lines) + b"\n\n" + _program(entry) + json.dumps(config).encode("ascii") + b"\n"


def shell_input(script: str, **variables: str) -> bytes:
    """Return the stdin for ``SHELL`` that runs one of our scripts.

    Parameters
    ----------
    script
        Its file's name.
    variables
        What is assigned before it; any text without NUL, never read as anything but text.
    """
    lines = [_assignment(name.encode("ascii"), value) for name, value in variables.items()]
    return b"".join(lines) + _script(script)


def talking_shell_input(script: str, exported: Mapping[str, str] | None = None, **variables: str) -> bytes:
    """Return the beginning of the stdin for ``TALKING_SHELL`` that runs one of our scripts.

    Parameters
    ----------
    script, variables
        As of `shell_input`.
    exported
        Variables for what the script starts; names of letters, digits and ``_``.
    """
    exports = [
        _assignment(name.encode("ascii"), value) + b"export %s\n" % name.encode("ascii")
        for name, value in (exported or {}).items()
    ]
    whole = b"".join(exports) + shell_input(script, **variables)
    return _octal(whole.decode("utf-8")) + b"\n"


def _assignment(name: bytes, value: str) -> bytes:
    """Return a line for a shell; a value of plain characters alone costs it no process."""
    octal = _octal(value)
    if octal == value.encode("utf-8", "surrogateescape"):
        return b"%s=%s\n" % (name, octal)
    return b"%s=$(printf %%b. '%s'); %s=${%s%%.}\n" % (name, octal, name, name)


@functools.cache
def _script(name: str) -> bytes:
    parts = ("places.sh", name) if name == "probe.sh" else (name,)
    return b"\n".join(resources.files(_PACKAGE).joinpath(part).read_bytes() for part in parts)


def _octal(text: str) -> bytes:
    """Return a text as what printf's ``%b`` reads (POSIX), in ASCII: letters, and octal escapes."""
    return b"".join(
        b"%c" % byte if byte in _PLAIN else b"\\0%03o" % byte
        for byte in text.encode("utf-8", "surrogateescape")
    )
