"""The environments and runs that the other tests stand on are what they say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.world.environments import Trainer


def test_an_environment_has_the_runicorn_it_is_asked_for(each_runicorn: tuple[str, Path]) -> None:
    version, prefix = each_runicorn
    code = "import importlib.metadata as m; print(m.version('runicorn'))"
    done = subprocess.run([prefix / "bin/python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version


def test_an_empty_environment_has_none(empty_env: Path) -> None:
    code = "import importlib.util as u; print(u.find_spec('runicorn'))"
    done = subprocess.run([empty_env / "bin/python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_a_live_run_is_running_until_it_is_finished(
    each_runicorn: tuple[str, Path], trainer: Trainer, tmp_path: Path
) -> None:
    _, prefix = each_runicorn
    root = tmp_path / "root"
    training = trainer.live(prefix, root, steps=3)
    training.log("a line")
    (status,) = root.rglob(f"{training.run_id}/status.json")
    assert json.loads(status.read_text())["status"] == "running"
    assert "a line" in (status.parent / "logs.txt").read_text()
    training.finish()
    assert json.loads(status.read_text())["status"] == "finished"


def test_finished_runs_are_there(finished_runs: Callable[..., Path]) -> None:
    assert len(list(finished_runs().rglob("events.jsonl"))) == 2
