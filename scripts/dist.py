"""Build what is released, and prove it: contents, metadata, the sdist's own wheel, a start in a clean place.

``make dist`` runs all of it. ``python scripts/dist.py contents WHEEL`` looks only at what a wheel holds.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
START_SECONDS = 120

_DATA = "runicorn_jupyter-*.data/data"
_LAB = f"{_DATA}/share/jupyter/labextensions/runicorn-jupyter"
BUILT = (  # by npm, so that no git knows of it
    "runicorn_jupyter/static/client.js",
    "runicorn_jupyter/static/client.d.ts",
    "runicorn_jupyter/static/types.d.ts",
    "runicorn_jupyter/static/generated.d.ts",
    "runicorn_jupyter/static/curves.js",
    "runicorn_jupyter/static/curves.css",
    "runicorn_jupyter/static/curves.LICENSE.txt",
    f"{_LAB}/package.json",
    f"{_LAB}/install.json",
    f"{_LAB}/static/remoteEntry.*.js",
    f"{_LAB}/static/style.js",
    f"{_LAB}/static/third-party-licenses.json",
    f"{_LAB}/schemas/runicorn-jupyter/plugin.json",
    f"{_DATA}/etc/jupyter/jupyter_server_config.d/runicorn_jupyter.json",
    "runicorn_remote_client.py",
    "runicorn_jupyter-*.dist-info/licenses/LICENSE",
    "runicorn_jupyter-*.dist-info/entry_points.txt",
)
UNWANTED = ("tests/*", "*.pyc", "*.map", "*.tsbuildinfo", "*/.made-*", "*/node_modules/*")


class Failed(Exception):
    """A proof that did not hold; its text says which."""


def say(text: str) -> None:
    """Tell what is under way."""
    print(text, flush=True)


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run a program to its end and return what it printed; its failure is ours."""
    done = subprocess.run(
        [str(part) for part in command],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout[-6000:]}")
    return done.stdout


def digests(wheel: Path) -> dict[str, str]:
    """Give the SHA-256 of every file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def check_contents(wheel: Path) -> int:
    """Check that a wheel has all that this checkout has and the build adds, and nothing else of note.

    Returns
    -------
    int
        How many files it holds.
    """
    names = list(digests(wheel))
    tracked = run("git", "ls-files", "-z", "runicorn_jupyter").split("\0")
    missing = [
        pattern
        for pattern in (*BUILT, *filter(None, tracked))
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names)
    ]
    unwanted = [name for name in names if any(fnmatch.fnmatchcase(name, bad) for bad in UNWANTED)]
    if missing or unwanted:
        raise Failed(f"{wheel.name}: missing {missing}, unwanted {unwanted}")
    return len(names)


def build() -> tuple[Path, Path]:
    """Build sdist and wheel from the checkout, and the wheel again from the sdist, there without npm."""
    for old in (*DIST.glob("*.whl"), *DIST.glob("*.tar.gz")):
        old.unlink()
    for made in ("labextension", "static"):  # else npm's part is made only where it looks out of date
        shutil.rmtree(ROOT / "runicorn_jupyter" / made, ignore_errors=True)
    run(sys.executable, "-m", "build", "--sdist", "--wheel", "--outdir", DIST)
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        run("tar", "-xzf", sdist, "-C", folder)  # tarfile's filters are not in every Python 3.11
        (source,) = Path(folder).iterdir()
        without_npm = {**os.environ, "PATH": str(Path(sys.executable).parent)}
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source, env=without_npm)
        (again,) = Path(folder).glob("*.whl")
        ours, theirs = digests(wheel), digests(again)
    if ours != theirs:
        differ = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
        raise Failed(f"the sdist builds another wheel: {differ}")
    return sdist, wheel


@contextmanager
def clean_place(wheel: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Install the wheel beside JupyterLab in a new environment whose PATH has nothing else, so no Node."""
    with tempfile.TemporaryDirectory(prefix="runicorn-dist-") as folder:
        venv, home = Path(folder, "venv"), Path(folder, "home")
        home.mkdir()
        run(sys.executable, "-m", "venv", venv)
        run(venv / "bin/python", "-m", "pip", "install", "-q", f"{wheel}[keyring]", "jupyterlab>=4.2,<5")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JUPYTER", "JPY", "XDG", "IPYTHON", "PYTHON", "VIRTUAL_ENV"))
        }
        yield venv, {**kept, "HOME": str(home), "PATH": str(venv / "bin"), "JUPYTER_PLATFORM_DIRS": "0"}


@contextmanager
def lab(venv: Path, env: dict[str, str]) -> Iterator[tuple[str, requests.Session]]:
    """Start ``jupyter lab`` there; give its URL and a session that has its token."""
    token, home = secrets.token_hex(16), Path(env["HOME"])
    log = home / "jupyter.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [venv / "bin/jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.port=0",
             "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={home}"],
            env={**env, "JUPYTER_TOKEN": token}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    info = home / f".local/share/jupyter/runtime/jpserver-{process.pid}.json"
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"token {token}"
    try:
        yield _listening(process, info, session, log), session
    finally:
        process.terminate()
        process.wait(60)
        session.close()


def _listening(process: subprocess.Popen[bytes], info: Path, session: requests.Session, log: Path) -> str:
    tick = threading.Event()
    for _ in range(START_SECONDS * 10):
        if process.poll() is not None:
            break
        try:
            url = str(json.loads(info.read_text())["url"])
            session.get(f"{url}api/status", timeout=5).raise_for_status()
            return url
        except (OSError, ValueError, requests.RequestException):
            tick.wait(0.1)
    raise Failed(f"Jupyter did not start:\n{log.read_text()[-4000:]}")


def check_server(url: str, session: requests.Session) -> None:
    """Ask a running JupyterLab for a part of all that the wheel brings."""

    def get(path: str) -> requests.Response:
        answer = session.get(f"{url}{path}", timeout=60)
        if not answer.ok:
            raise Failed(f"GET {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer

    if get("api/remote/connections").json() != {"success": True, "connections": [], "total": 0}:
        raise Failed("the API does not answer as it should")
    if "RunicornRemoteClient" not in get("runicorn/client.js").text:
        raise Failed("the JavaScript client is not served")
    if "runicorn-jupyter" not in get("lab").text:
        raise Failed("JupyterLab does not load the panel")
    if get("lab/api/settings/runicorn-jupyter:plugin").json()["schema"]["title"] != "Runicorn":
        raise Failed("JupyterLab does not have the settings")
    translations: dict[str, Any] = get("lab/api/translations/zh_CN").json()["data"] or {}
    if translations and "runicorn_jupyter" not in translations:
        raise Failed("JupyterLab does not have the translation")


TYPED = """\
from runicorn_jupyter.client import RunicornRemoteClient

def names(client: RunicornRemoteClient, connection_id: str) -> list[str]:
    return [str(found["name"]) for found in client.list_environments(connection_id)]
"""


def smoke(wheel: Path) -> None:
    """Use the wheel as a person does who has just installed it."""
    with clean_place(wheel) as (venv, env):
        bin_ = venv / "bin"
        if shutil.which("node", path=env["PATH"]):
            raise Failed("there is a Node in the clean place")
        for command, wanted in (
            (("server", "extension", "list"), ("runicorn_jupyter", "enabled", "OK")),
            (("labextension", "list"), ("runicorn-jupyter", "enabled", "OK")),
        ):
            listed = run(bin_ / "jupyter", *command, env=env)
            lines = [line for line in listed.splitlines() if wanted[0] in line]
            if not all(any(word in line for line in lines) for word in wanted):
                raise Failed(f"jupyter {' '.join(command)} says:\n{listed}")
        say("  listed and enabled: server extension, JupyterLab extension")
        with lab(venv, env) as (url, session):
            check_server(url, session)
            say("  JupyterLab serves API, panel, settings, translation and JavaScript client")
            run(bin_ / "ipython", "-c", "%load_ext runicorn_jupyter\n%runicorn_connections", env=env)
            say("  the magics find that server")
        (Path(env["HOME"]) / "typed.py").write_text(TYPED)
        here = Path(env["HOME"])
        run(
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--python-executable",
            bin_ / "python",
            "typed.py",
            cwd=here,
        )
        say("  typed: mypy --strict of a program that imports it")


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["all", "contents"], nargs="?", default="all")
    parser.add_argument("wheel", type=Path, nargs="?")
    options = parser.parse_args()
    try:
        if options.what == "contents":
            say(f"{check_contents(options.wheel)} files, nothing missing")
            return 0
        say("Building the sdist, the wheel, and the wheel of the sdist (without npm) …")
        sdist, wheel = build()
        say(f"  {sdist.name}, {wheel.name}: {check_contents(wheel)} files, the same from both")
        run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
        run(sys.executable, "-m", "check_wheel_contents", wheel)
        say("  twine and check-wheel-contents have nothing to say")
        say("Using it in a clean environment without Node …")
        smoke(wheel)
    except Failed as failure:
        print(f"\nFailed: {failure}", file=sys.stderr)
        return 1
    say(f"Ready: {sdist.relative_to(ROOT)} and {wheel.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
