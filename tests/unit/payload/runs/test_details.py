"""What a run was given and came to, from files as runicorn's SDK writes them, and from anybody's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.payload.runs import details as module
from runicorn_jupyter.payload.runs.details import Budget, Details

LONG_AGO = 1_700_000_000


def details_of(folder: Path, budget: Budget | None = None) -> dict[str, Any]:
    made = Details(str(folder), budget or Budget())
    made.read()
    found: dict[str, Any] = json.loads(made.text)
    return found


def given(folder: Path, *, args: Any = None, extra: Any = None, text: str | None = None) -> Path:
    """Write ``assets.json`` as ``log_config`` does (0.6 and 0.7), or some text in its place."""
    config = {name: value for name, value in (("args", args), ("extra", extra)) if value is not None}
    assets = {"code": {}, "config": config, "datasets": [], "pretrained": [], "outputs": []}
    path = folder / "assets.json"
    path.write_text(json.dumps(assets, indent=2) if text is None else text)
    return path


def old(path: Path) -> None:
    """Let a file be one that nobody is writing."""
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_nested_names_are_joined_and_lists_are_their_json(tmp_path: Path) -> None:
    given(
        tmp_path,
        args={"lr": 1e-3, "model": {"depth": 3, "layers": [64, "a"], "none": {}}, "amp": True, "tag": None},
        extra={"seed": 2**53, "bad": float("nan"), "worse": float("-inf"), "text": "x" * 600},
    )
    assert details_of(tmp_path) == {
        "params": {
            "lr": 1e-3,
            "model.depth": 3,
            "model.layers": '[64, "a"]',
            "model.none": "{}",
            "amp": True,
            "tag": None,
            "seed": "9007199254740992",
            "bad": "NaN",
            "worse": "-Infinity",
            "text": "x" * 511 + "\u2026",
        }
    }


def test_what_is_too_much_is_counted(tmp_path: Path) -> None:
    given(tmp_path, args={**{f"p{number}": number for number in range(300)}, "n" * 129: 1, "": 2})
    found = details_of(tmp_path)
    assert (len(found["params"]), found["params_left_out"]) == (256, 46)
    deep: Any = 1
    for _ in range(40):
        deep = {"d": deep}
    given(tmp_path, args={"deep": deep, "a.b": 1, "a": {"b": 2}, "lr": 1}, extra={"lr": 2})
    assert details_of(tmp_path) == {"params": {"a.b": 1, "lr": 1}, "params_left_out": 3}
    given(tmp_path, args={f"p{number}": "\U0001f600" * 512 for number in range(60)})
    found = details_of(tmp_path)
    assert len(found["params"]) + found["params_left_out"] == 60
    assert len(json.dumps(found)) < module.MAX_PARAMS_BYTES + 100


def test_all_runs_together_are_bounded_too(tmp_path: Path) -> None:
    budget = Budget(250)
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
        given(folder, args={"a": "x" * 100, "b": 1})
    made = [Details(str(folder), budget) for folder in folders]
    for each in made:
        each.read()
    said = [json.loads(each.text) for each in made]
    assert said == [{"params": {"a": "x" * 100, "b": 1}}, {"params_left_out": 2}, {"params_left_out": 2}]
    made[0].close()
    given(folders[1], args={"a": "y" * 99, "b": 1})
    made[1].read()
    assert json.loads(made[1].text)["params"] == {"a": "y" * 99, "b": 1}


def test_a_long_file_is_read_as_far_as_its_parameters(tmp_path: Path) -> None:
    outputs = [{"path": f"checkpoint-{number}", "sha256": "0" * 64} for number in range(20000)]
    config = {"args": {"lr": 0.5}}
    given(tmp_path, text=json.dumps({"code": {}, "config": config, "outputs": outputs}))
    assert details_of(tmp_path) == {"params": {"lr": 0.5}}
    given(tmp_path, text=json.dumps({"outputs": outputs, "config": config}))
    assert details_of(tmp_path) == {"params_left_out": None}
    million = {f"p{number}": 1 for number in range(10**6)}
    given(tmp_path, args=million)
    assert details_of(tmp_path) == {"params_left_out": None}


@pytest.mark.parametrize(
    "text",
    [
        "", "no", '{"config"', '{"config": {', '{"code": {} "config": {}}', "[" * 10**6,
        '{"code": ' + "[" * 10**6, '{"config": {"args": ' + '{"a": ' * 10**5,
    ],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_what_cannot_be_read_is_unknown_once_nobody_writes_it(tmp_path: Path, text: str) -> None:
    path = given(tmp_path, args={"lr": 1})
    made = Details(str(tmp_path), Budget())
    made.read()
    path.write_text(text)
    made.read()
    if len(text) < module.MAX_FILE_BYTES:
        assert json.loads(made.text) == {"params": {"lr": 1}}  # it is perhaps being written
    old(path)
    made.read()
    assert json.loads(made.text) == {"params_left_out": None}


@pytest.mark.parametrize(
    "config", [None, 5, [], {}, {"args": None}, {"args": [1]}, {"args": "x", "extra": 7}], ids=json.dumps
)
def test_nothing_that_was_given_is_nothing(tmp_path: Path, config: Any) -> None:
    given(tmp_path, text=json.dumps({"config": config}))
    assert details_of(tmp_path) == {}
    given(tmp_path, text="{}")
    assert details_of(tmp_path) == {}


def test_numbers_without_end_take_no_time(tmp_path: Path) -> None:
    given(tmp_path, text='{"config": {"args": {"a": ' + "9" * 10**6 + ', "b": 1e999, "c": -0}}}')
    assert details_of(tmp_path)["params"] == {"a": "9" * 511 + "\u2026", "b": "Infinity", "c": 0}


def test_only_a_file_that_lies_there_is_read(tmp_path: Path) -> None:
    folder, secret = tmp_path / "run", tmp_path / "secret.json"
    folder.mkdir()
    secret.write_text('{"config": {"args": {"password": "x"}}, "password": "x"}')
    for name in ("assets.json", "summary.json"):
        (folder / name).symlink_to(secret)
    assert details_of(folder) == {}
    for name in ("assets.json", "summary.json"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    assert details_of(folder) == {}
    (folder / "assets.json").unlink()
    (folder / "assets.json").mkdir()
    assert details_of(folder) == {}


def test_a_link_in_the_place_of_a_file_takes_its_words_away(tmp_path: Path) -> None:
    path = given(tmp_path, args={"lr": 1})
    made = Details(str(tmp_path), Budget())
    made.read()
    path.rename(tmp_path / "other.json")
    path.symlink_to(tmp_path / "other.json")
    made.read()
    assert json.loads(made.text) == {}


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = given(tmp_path, args={"lr": 1})
    made = Details(str(tmp_path), Budget())
    beginning = module._beginning

    def changed_meanwhile(file: int) -> bytes:
        data = beginning(file)
        given(tmp_path, args={"lr": 22})
        monkeypatch.setattr(module, "_beginning", beginning)
        return data

    monkeypatch.setattr(module, "_beginning", changed_meanwhile)
    made.read()
    made.read()
    assert json.loads(made.text) == {"params": {"lr": 22}}
    path.unlink()
    made.read()
    assert json.loads(made.text) == {}


def test_a_summary_and_the_best_value(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    best = {
        "best_metric_name": "acc",
        "best_metric_value": 0.5,
        "best_metric_step": 7,
        "best_metric_mode": "max",
    }
    path.write_text(json.dumps({"final": {"loss": 1}, **best}))
    assert details_of(tmp_path) == {
        "summary": {"final.loss": 1},
        "best": {"metric": "acc", "value": 0.5, "step": 7, "mode": "max"},
    }
    odd = {**best, "best_metric_step": True, "best_metric_mode": "most", "best_metric_value": float("inf")}
    path.write_text(json.dumps(odd))
    assert details_of(tmp_path) == {
        "best": {"metric": "acc", "value": "Infinity", "step": None, "mode": None}
    }
    path.write_text(json.dumps({**best, "best_metric_value": "high"}))
    assert "best" not in details_of(tmp_path)
    path.write_text("[]")
    assert details_of(tmp_path) == {}
    path.write_text("{" + " " * 2**20)
    assert details_of(tmp_path) == {"summary_left_out": None}


def test_what_each_runicorn_has_written(
    each_runicorn: tuple[str, Path], finished_runs: Callable[..., Path]
) -> None:
    version, _ = each_runicorn
    folder = next(finished_runs(version).rglob("summary.json")).parent
    found = details_of(folder)
    assert found["summary"] == {"best_accuracy": 0.9}
    assert (found["best"]["metric"], found["best"]["step"], found["best"]["mode"]) == ("accuracy", 20, "max")
    params = found.get("params", {})
    assert params.pop("seed", 0) in (0, 1)
    assert params == ({} if version == "0.5.0" else {"lr": 0.001, "model.depth": 3, "layers": "[64, 64]"})


KEEPS_CODE = """
import json, sys
import runicorn
run = runicorn.init(path="vision", storage=sys.argv[1], snapshot_code=True, workspace_root=sys.argv[2])
run.log_config(args={"lr": 0.1})
run.finish()
print(json.dumps(str(run.run_dir)))
"""


@pytest.mark.parametrize("version", ["0.6.0", "0.7.2"])
def test_the_code_that_runicorn_keeps_has_a_fingerprint(
    version: str, runicorn_env: Callable[..., Path], tmp_path: Path
) -> None:
    python = runicorn_env(version) / "bin" / "python"
    (tmp_path / "code").mkdir()
    found = []
    for text in ("lr = 1", "lr = 1", "lr = 2"):
        (tmp_path / "code" / "train.py").write_text(text)
        os.utime(tmp_path / "code" / "train.py", (LONG_AGO, LONG_AGO))
        command = [python, "-I", "-c", KEEPS_CODE, tmp_path / "root", tmp_path / "code"]
        done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, check=True)
        found.append(details_of(Path(json.loads(done.stdout.splitlines()[-1]))))
    assert [each["params"] for each in found] == [{"lr": 0.1}] * 3
    first, second, other = (each["code_snapshot"] for each in found)
    assert first == second != other
    assert re.fullmatch("[0-9a-f]{64}", first)


@pytest.mark.parametrize(
    "code",
    [
        None,
        [],
        "x",
        {},
        {"snapshot": []},
        *({"snapshot": {"fingerprint": odd}} for odd in (1, "", "a b", "a" * 129, "a\n")),
    ],
    ids=repr,
)
def test_what_is_no_fingerprint_is_none(code: Any, tmp_path: Path) -> None:
    given(tmp_path, text=json.dumps({"code": code, "config": {"args": {"lr": 1}}}))
    assert details_of(tmp_path) == {"params": {"lr": 1}}
