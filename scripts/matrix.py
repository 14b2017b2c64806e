"""Run a part of the tests with other versions of what we stand on: ``make matrix``.

Each row is an environment of its own, kept below ``~/.cache/runicorn-jupyter-matrix`` under the hash of what
is in it. ``docs/matrix.md`` gets the table. ``make matrix ARGS='floor'`` runs the rows with that word.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "matrix.md"
RESULTS = ROOT / "docs" / "matrix.json"
INSTALL_SECONDS = 1200
TEST_SECONDS = 1800
SHOWN = (
    "paramiko",
    "jupyter_server",
    "jupyterlab",
    "notebook",
    "ipywidgets",
    "ipython",
    "tornado",
    "pydantic",
)

# What stands on the libraries: SSH, the server's routes, the viewer through its tunnel, the magics.
TESTS = (
    "tests/unit/client/test_client.py",
    "tests/unit/api",
    "tests/unit/notebook",
    "tests/integration/ssh/test_connection.py",
    "tests/api/test_connections.py",
    "tests/api/test_viewer.py",
    "tests/notebook/test_magics.py",
)
# What the oldest and the newest of a library are likeliest to differ in.
DEEPER = (
    "tests/integration/ssh/test_auth.py",
    "tests/integration/ssh/test_stream.py",
    "tests/unit/proxy/test_websocket.py",
    "tests/integration/remote/test_viewer_client.py",
)
BROWSER = "tests/browser/test_lab_panel.py"
EACH_BROWSER = "tests/browser/test_each_browser.py"
VERSION_OF = {
    "chromium": ("chromium", "--version"),
    "firefox": ("firefox-esr", "--version"),
    "webkit": ("dpkg-query", "--show", "webkit2gtk-driver"),
}
"""What says which browser it is."""


@dataclass(frozen=True)
class Row:
    """One environment and what is tried in it.

    Parameters
    ----------
    name
        What the row is about.
    python
        The interpreter's version, major and minor.
    pins
        Requirements beyond our own.
    floor
        Everything that we require directly is as old as pyproject.toml allows.
    deeper
        More of SSH, WebSockets and the remote side too.
    browser
        The panel in Chromium too.
    driven
        Only the main job, in this browser: ``chromium``, ``firefox`` or ``webkit``.
    """

    name: str
    python: str = "3.11"
    pins: tuple[str, ...] = ()
    floor: bool = False
    deeper: bool = False
    browser: bool = False
    driven: str = ""


ROWS = (
    Row("floor: the oldest of all that we require", floor=True, deeper=True),
    Row("newest, Python 3.11"),
    Row("newest, Python 3.12", "3.12"),
    Row("newest, Python 3.13", "3.13"),
    Row("newest, Python 3.14", "3.14"),
    Row("runicorn 0.7.2 in the same environment", "3.12", ("runicorn==0.7.2",), deeper=True),
    Row("JupyterLab 4.2 and Notebook 7.2", pins=("jupyterlab==4.2.*", "notebook==7.2.*"), browser=True),
    Row("the main job in Chromium", driven="chromium"),
    Row("the main job in Firefox", driven="firefox"),
    Row("the main job in WebKit", driven="webkit"),
)


def say(text: str) -> None:
    """Tell what is under way."""
    print(text, flush=True)


def interpreter(version: str) -> str:
    """Name a Python of that version: this one, one of pyenv's, or what uv finds or can download."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    return str(found[-1]) if found else version


def uv(*arguments: str | Path) -> None:
    """Run uv, which resolves the oldest versions in seconds where pip takes half an hour."""
    environment = {**os.environ, "SKIP_JUPYTER_BUILDER": "1"}
    if "PIP_CERT" in os.environ:  # the registry is reached as pip reaches it
        environment.setdefault("SSL_CERT_FILE", os.environ["PIP_CERT"])
    done = subprocess.run(
        [sys.executable, "-m", "uv", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-1500:])


def floors() -> list[str]:
    """Pin each direct requirement to the oldest minor version that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = []
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        found = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", requirement)
        if found and (found[1] in SHOWN or requirement in project["dependencies"]):
            pins.append(f"{found[1]}=={found[2]}.*" if found[2].count(".") < 2 else f"{found[1]}=={found[2]}")
    return pins


class NoPython(Exception):
    """The row's interpreter is neither on this machine nor can it be downloaded."""


def environment(row: Row) -> Path:
    """Give the row's environment, made if it is not there yet."""
    requirements = sorted({*row.pins, *(floors() if row.floor else ())})
    extras = "test,browsers" if row.driven else "test"
    pyproject = (ROOT / "pyproject.toml").read_text()
    week = datetime.now(UTC).strftime("%G-%V")  # what is newest changes
    key = json.dumps([3, str(ROOT), row.python, requirements, extras, pyproject, week])
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runicorn-jupyter-matrix"
    prefix = base / hashlib.sha256(key.encode()).hexdigest()[:16]
    finished = prefix / ".finished"
    if not finished.exists():
        shutil.rmtree(prefix, ignore_errors=True)
        base.mkdir(parents=True, exist_ok=True)
        try:
            uv("venv", "--quiet", "--python", interpreter(row.python), prefix)
        except RuntimeError as exc:
            raise NoPython(f"no Python {row.python} here, and none to be had") from exc
        python = prefix / "bin" / "python"
        uv("pip", "install", "--quiet", "--python", python, "-e", f"{ROOT}[{extras}]", *requirements)
        _link_labextension(prefix)
        finished.touch()
    return prefix


def _link_labextension(prefix: Path) -> None:
    folder = prefix / "share" / "jupyter" / "labextensions" / "runicorn-jupyter"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(ROOT / "runicorn_jupyter" / "labextension")


def versions(prefix: Path) -> dict[str, str]:
    """Read what is installed in an environment."""
    program = (
        "import importlib.metadata as m, json, platform\n"
        "print(json.dumps({'python': platform.python_version(), "
        "**{d.name.lower().replace('-', '_'): d.version for d in m.distributions()}}))"
    )
    done = subprocess.run([prefix / "bin/python", "-c", program], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return {name: found.get(name, "–") for name in ("python", *SHOWN)}


def test(prefix: Path, row: Row) -> tuple[bool, str]:
    """Run the row's tests; tell whether all passed, and pytest's last line or the failures."""
    tests = [*TESTS, *(DEEPER if row.deeper else ()), *([BROWSER] if row.browser else [])]
    if row.driven:
        tests = [EACH_BROWSER]
    done = subprocess.run(
        [prefix / "bin/python", "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb=short",
         "--timeout", "600",  # more than `make test` gives: others may use the machine
         "-o", "filterwarnings=default", "-k", "not 256", *tests],
        env={
            **os.environ,
            "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "RUNICORN_BROWSERS": row.driven,
        },
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=TEST_SECONDS, check=False,
    )  # fmt: skip
    (prefix / "last-run.log").write_text(done.stdout)
    last = done.stdout.strip().splitlines()[-1].strip("= ") if done.stdout.strip() else "no output"
    result = re.sub(r" in [\d.]+s.*", "", last)
    return done.returncode == 0, f"{browser(row.driven)}: {result}" if row.driven else result


def browser(driven: str) -> str:
    """Say which version of a browser this machine has."""
    done = subprocess.run(VERSION_OF[driven], capture_output=True, text=True, check=True)
    found = re.search(r"(?:Mozilla )?(\w+ [\d.]+)", done.stdout)
    return found[1] if found else driven


def try_row(row: Row) -> dict[str, object]:
    """Make the environment, run the tests, say what came of it."""
    say(f"{row.name} …")
    started = time.monotonic()
    try:
        prefix = environment(row)
    except NoPython as exc:
        say(f"  {exc}")
        return {"row": row.name, "result": f"not run: {exc}", "ok": None}
    except RuntimeError as exc:
        say(f"  {exc}")
        return {"row": row.name, "result": "cannot be installed", "ok": False}
    try:
        found = versions(prefix)
        ok, result = test(prefix, row)
    except subprocess.TimeoutExpired as exc:
        say(f"  {exc}")
        return {"row": row.name, "result": f"failed: {str(exc).splitlines()[0]}", "ok": False}
    say(f"  {'✓' if ok else '✗'} {result} ({time.monotonic() - started:.0f} s; {prefix / 'last-run.log'})")
    return {
        "row": row.name,
        **found,
        "result": result,
        "ok": ok,
        "on": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


HEAD = """\
# Versions

`make matrix` makes an environment for each row, runs a part of the tests in it (SSH, the tunnel, the API,
viewers of runicorn 0.5.0, 0.6.0 and 0.7.2 on the remote, the magics) and writes this table. `floor` is
the oldest version of everything that `pyproject.toml` lets pip install. The whole suite runs on the
newest versions, and the SSH part of it on paramiko 3.4.0 too, each time that CI runs. *The main job* is
connecting, the list of runs, charts, a live log, settings over a reload, a deep link, back, a download and
copying, the last also on a page without HTTPS; all but copying and a look at the console in WebKit.

"""


def write(results: Iterable[dict[str, object]]) -> None:
    """Keep the results, and write the page from them."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept.update({str(result["row"]): result for result in results})
    kept = {row.name: kept[row.name] for row in ROWS if row.name in kept}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    columns = ("row", "python", *SHOWN, "result")
    lines = [
        f"| {' | '.join(c.replace('jupyter_server', 'Jupyter server') for c in columns)} |",
        "|---" * len(columns) + "|",
    ]
    for result in kept.values():
        cells = [str(result.get(column, "–")) for column in columns]
        cells[-1] = f"{'✓' if result['ok'] else '✗' if result['ok'] is False else ''} {cells[-1]}".strip()
        lines.append(f"| {' | '.join(cells)} |")
    PAGE.write_text(HEAD + "\n".join(lines) + "\n")


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only rows whose name has one of these")
    words = parser.parse_args().words
    rows = [row for row in ROWS if not words or any(word in row.name for word in words)]
    if not rows:
        parser.error(f"no row has one of these in its name: {', '.join(row.name for row in ROWS)}")
    results = []
    for row in rows:
        results.append(try_row(row))
        write(results)
    return int(any(result["ok"] is False for result in results))


if __name__ == "__main__":
    sys.exit(main())
