"""Real Python environments with real runicorn, and real training runs made by them.

Environments are built by the system's ``python3 -m venv`` and plain pip, once: they are kept
below ``$XDG_CACHE_HOME`` (or ``~/.cache``) under a name that is the hash of what is in them, so
that a second run of the tests, or one beside this, finds them ready. They are shared: a test
that wants to change one copies or links it (see ``tests.world.layouts``).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

RUNICORN_VERSIONS = ("0.5.0", "0.6.0", "0.7.2")
NEWEST = RUNICORN_VERSIONS[-1]
BUILD_SECONDS = 600.0
TRAINING = Path(__file__).with_name("training.py")
_FINISHED = ".finished"
# Raise it when the way of building changes, so that what was built in another way is left alone.
_RECIPE = 1


@functools.cache
def base_python() -> Path:
    """Return the interpreter that environments are made with: the system's, else this one's base."""
    candidates = [Path("/usr/bin/python3"), Path(getattr(sys, "_base_executable", sys.executable))]
    for candidate in candidates:
        check = [str(candidate), "-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 8))"]
        if candidate.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.fail("these tests need a python3 that can make environments: apt-get install python3-venv")


def cache_folder() -> Path:
    """Return the folder in which built environments stay between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "runicorn-jupyter-tests"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, which one process of the machine has at a time."""
    import fcntl  # not on Windows, where the unit tests run, too

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(*command: str | Path, **variables: str) -> str:
    """Run a command without this Python's variables, with these; return what it prints, or raise with it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def build(*requirements: str, python: Path | None = None) -> Path:
    """Return an environment that holds these requirements, building it if it is not there yet.

    Parameters
    ----------
    requirements
        As pip takes them; none makes an environment with nothing in it, pip included.
    python
        The interpreter to build it with; default: ``base_python()``.
    """
    python = python or base_python()

    def make(prefix: Path) -> None:
        if requirements:
            run(python, "-m", "venv", prefix)
            run(prefix / "bin" / "python", "-m", "pip", "install", "--no-input", "--quiet", *requirements)
        else:
            run(python, "-m", "venv", "--without-pip", prefix)

    version = run(python, "-c", "import sys; print(sys.version)")
    return built_once([_RECIPE, str(python), version, sorted(requirements)], make)


def built_once(key: list[Any], make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, which is made if it is not there yet.

    Parameters
    ----------
    key
        All that decides what is in it; has a form in JSON.
    make
        Makes the folder.
    """
    text = json.dumps(key)
    prefix = cache_folder() / f"env-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    prefix.parent.mkdir(parents=True, exist_ok=True)
    finished = prefix / _FINISHED
    if finished.exists():
        return prefix
    with locked(prefix.with_suffix(".lock")):
        if finished.exists():
            return prefix
        shutil.rmtree(prefix, ignore_errors=True)
        make(prefix)
        partial = finished.with_suffix(".new")
        partial.write_text(text)
        partial.rename(finished)
    return prefix


@dataclass
class Training:
    """A training script that is logging a run right now; ``finish`` lets it end orderly."""

    process: subprocess.Popen[str]
    run_id: str
    root: Path

    def log(self, text: str) -> None:
        """Let the run write a line to its log; returns when it has been written."""
        self._ask(json.dumps({"text": text}))

    def log_metrics(self, **metrics: float) -> None:
        """Let the run log these at its next step, NaN and infinity too; returns when it has been written."""
        self._ask(json.dumps({"log": metrics}))

    def step(self) -> None:
        """Let the run log one more step of its metrics; returns when it has been written."""
        self._ask(json.dumps({"step": True}))

    def _ask(self, line: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "ok"

    def kill(self) -> None:
        """End the process as a machine without memory does: the run is not finished."""
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """End the run; returns when the process has gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class Trainer:
    """Writes real runs with an environment's own runicorn, whichever of its versions that is.

    Parameters
    ----------
    home
        The ``$HOME`` of the training scripts: runicorn keeps its configuration there.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._running: list[Training] = []

    def runs(
        self,
        prefix: Path,
        root: Path,
        *,
        count: int = 2,
        steps: int = 20,
        project: str = "vision",
        params: Sequence[dict[str, object]] = (),
    ) -> list[str]:
        """Write ``count`` finished runs, with parameters of their own, and return their ids."""
        process = self._start(
            prefix, root, count=count, steps=steps, project=project, live=False, params=params
        )
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out
        found: list[str] = json.loads(out)
        return found

    def live(
        self,
        prefix: Path,
        root: Path,
        *,
        steps: int = 20,
        project: str = "vision",
        count: int = 1,
        code: Path | None = None,
    ) -> Training:
        """Start a run that stays running, and return when its first steps have been written.

        It is the last of ``count`` runs; the others are finished. Each keeps its own version of what is in
        the folder ``code``.
        """
        process = self._start(prefix, root, count=count, steps=steps, project=project, live=True, code=code)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the training script ended with status {process.wait()}"
        training = Training(process, json.loads(line)[-1], root)
        self._running.append(training)
        return training

    def _start(
        self,
        prefix: Path,
        root: Path,
        *,
        count: int,
        steps: int,
        project: str,
        live: bool,
        params: Sequence[dict[str, object]] = (),
        code: Path | None = None,
    ) -> subprocess.Popen[str]:
        options = {
            "root": str(root),
            "count": count,
            "steps": steps,
            "project": project,
            "live": live,
            "params": list(params),
            "code": None if code is None else str(code),
        }
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "RUNICORN", "XDG"))}
        return subprocess.Popen(
            [str(prefix / "bin" / "python"), "-I", str(TRAINING), json.dumps(options)],
            env={**environment, "HOME": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End all that still runs."""
        for training in self._running:
            training.finish()


@pytest.fixture(scope="session")
def runicorn_env() -> Callable[..., Path]:
    """Return ``get(version="0.7.2") -> prefix``: a real environment with that runicorn. Do not change it."""

    def get(version: str = NEWEST) -> Path:
        return build(f"runicorn=={version}")

    return get


def wheels_for(python: Path) -> Path:
    """Return a folder with the wheels of runicorn, of all that it needs, and of pip. Do not change it.

    Parameters
    ----------
    python
        An interpreter with pip; they are for it.
    """
    about = json.dumps([NEWEST, run(python, "-c", "import sys; print(sys.version)")])
    folder = cache_folder() / f"wheels-{hashlib.sha256(about.encode()).hexdigest()[:16]}"
    finished = folder / _FINISHED
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not finished.exists():
            options = ["--quiet", "--only-binary=:all:", "--dest", folder]
            run(python, "-m", "pip", "download", *options, f"runicorn=={NEWEST}", "pip")
            finished.touch()
    return folder


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """A folder as of `wheels_for`, for the Python that environments are made with. Do not change it."""
    return wheels_for(build(f"runicorn=={NEWEST}") / "bin" / "python")


@pytest.fixture(scope="session")
def empty_env() -> Path:
    """Return the prefix of a real environment without runicorn. Do not change it."""
    return build()


@pytest.fixture(params=RUNICORN_VERSIONS)
def each_runicorn(request: pytest.FixtureRequest, runicorn_env: Callable[..., Path]) -> tuple[str, Path]:
    """Run the test with each supported runicorn: its version and the prefix of its environment."""
    return request.param, runicorn_env(request.param)


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    """Return what writes runs with real SDKs; whatever it left running ends with the test."""
    home = tmp_path / "trainer-home"
    home.mkdir()
    made = Trainer(home)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def finished_runs(
    runicorn_env: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return ``get(version="0.7.2") -> root``: a storage root with two finished runs, made once a version."""
    made: dict[str, Path] = {}

    def get(version: str = NEWEST) -> Path:
        if version not in made:
            folder = tmp_path_factory.mktemp(f"runs-{version}")
            (folder / "home").mkdir()
            Trainer(folder / "home").runs(runicorn_env(version), folder / "root")
            made[version] = folder / "root"
        return made[version]

    return get
