"""The runs of all viewers as one list: three real viewers, whose runs are written by their own runicorn."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect as open_websocket

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from tests.api.conftest import World
from tests.world.environments import RUNICORN_VERSIONS, Trainer, Training
from tests.world.jupyter import JupyterServer

SECONDS = 60.0
"""What a test waits for a change: machines are slow, and a change takes two seconds."""


@dataclass
class Live:
    """A viewer, and the run that is running there beside a finished one."""

    version: str
    connection_id: str
    viewer: dict[str, Any]
    training: Training


@dataclass
class Runs:
    """The three viewers, and who asks for their runs."""

    world: World
    client: RunicornRemoteClient
    live: dict[str, Live]

    def get(self, **query: Any) -> dict[str, Any]:
        """Give one answer of ``GET runs``."""
        answer = self.world.jupyter.request("GET", "runs", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def until(self, training: Training, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a change after which the run is as it should be, by requests that wait; give the run."""
        answer = self.get(run_id=training.run_id)
        while not (answer["runs"] and condition(answer["runs"][-1])):
            before = answer["version"]
            answer = self.get(run_id=training.run_id, changed_since=before, wait=SECONDS)
            assert answer["runs"], f"nothing changed in {SECONDS} s"
        run: dict[str, Any] = answer["runs"][-1]
        return run


@contextmanager
def listening(jupyter: JupyterServer) -> Iterator[Callable[..., dict[str, Any]]]:
    """Listen to the server's events; what is given waits for one that has these fields."""
    url = f"{jupyter.url.replace('http', 'ws', 1)}api/events/subscribe"
    with open_websocket(url, additional_headers={"Authorization": f"token {jupyter.token}"}) as events:

        def next_event(**fields: str) -> dict[str, Any]:
            while True:
                event: dict[str, Any] = json.loads(events.recv(SECONDS))
                if fields.items() <= event.items():
                    return event

        yield next_event


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    made = Trainer(tmp_path_factory.mktemp("trainer-home"))
    with closing(made):
        yield made


@pytest.fixture(scope="module")
def runs(
    session_world: World,
    runicorn_env: Callable[..., Path],
    trainer: Trainer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Runs]:
    """Three viewers on three "hosts"; nothing here may depend on what another test has done to a run."""
    world, live = session_world, {}
    for version in RUNICORN_VERSIONS:
        root = tmp_path_factory.mktemp(f"root-{version}")
        training = trainer.live(runicorn_env(version), root, steps=5, count=2)
        connection_id = world.connect()
        viewer = world.start(
            connection_id, f"rc{version.replace('.', '')}", remote_root=str(root), auto_open=False
        )
        live[version] = Live(version, connection_id, viewer, training)
    client = RunicornRemoteClient(world.jupyter.url, token=world.jupyter.token)
    with client:
        yield Runs(world, client, live)
    for each in live.values():
        world.jupyter.delete(f"connections/{each.connection_id}")


def test_a_list_of_all_newest_first_with_what_each_run_is(runs: Runs) -> None:
    answer = runs.get()
    assert answer["total"] == len(answer["runs"]) == 6
    created = [datetime.fromisoformat(run["created_at"]) for run in answer["runs"]]
    assert created == sorted(created, reverse=True)
    assert all(each.tzinfo is not None for each in created)
    for server in answer["servers"]:
        assert (server["total"], server["error"]) == (2, None)
    by_id = {run["run_id"]: run for run in answer["runs"]}
    for live in runs.live.values():
        run = by_id[live.training.run_id]
        assert (run["connection_id"], run["host"]) == (live.connection_id, "gpu1")
        assert (run["env_name"], run["remote_root"]) == (live.viewer["env_name"], live.viewer["remote_root"])
        assert (run["name"], run["path"], run["project"]) == ("run-1", "vision/run-1", "vision")
        assert (run["status"], run["ended_at"], run["duration_seconds"]) == ("running", None, None)
        assert run["started_at"] >= run["created_at"]
        assert set(run["metrics"]) == {"loss", "accuracy"}
        assert run["page"] == f"/runs/{run['run_id']}"
        other = next(
            each for each in answer["runs"] if each["connection_id"] == live.connection_id and each != run
        )
        assert (other["status"], other["step"]) == ("finished", 5)
        assert other["metrics"] == pytest.approx({"loss": 0.6065306597, "accuracy": 0.3934693403})
        assert 0 < other["duration_seconds"] < 600


def test_what_each_runicorn_was_given_and_came_to(runs: Runs) -> None:
    found = {(run["connection_id"], run["name"]): run for run in runs.get()["runs"]}
    for version, live in runs.live.items():
        running, finished = (found[live.connection_id, name] for name in ("run-1", "run-0"))
        given = {"lr": 0.001, "model.depth": 3, "layers": "[64, 64]"}
        assert running["params"] == ({} if version == "0.5.0" else {**given, "seed": 1})
        assert finished["params"] == ({} if version == "0.5.0" else {**given, "seed": 0})
        assert running["summary"] == finished["summary"] == {"best_accuracy": 0.9}
        assert (running["params_left_out"], running["summary_left_out"], running["best"]) == (0, 0, None)
        assert finished["best"] == {
            "metric": "accuracy",
            "value": pytest.approx(0.3934693403),
            "step": 5,
            "mode": "max",
        }


def test_filters(runs: Runs) -> None:
    everything = runs.get()["runs"]
    live = runs.live["0.6.0"]
    newest = everything[0]
    for query, expected in (
        ({"connection_id": live.connection_id}, lambda run: run["connection_id"] == live.connection_id),
        ({"run_id": live.training.run_id}, lambda run: run["run_id"] == live.training.run_id),
        ({"status": "finished"}, lambda run: run["status"] == "finished"),
        ({"status": "finished,running,failed,interrupted"}, lambda run: True),
        ({"project": "vision"}, lambda run: True),
        ({"project": "vis"}, lambda run: False),
        ({"path": "vision"}, lambda run: True),
        ({"path": "/vision/run-1/"}, lambda run: run["name"] == "run-1"),
        ({"path": "vision/run"}, lambda run: False),
        ({"text": "RUN-1 gpu"}, lambda run: run["name"] == "run-1"),
        ({"text": "rc060"}, lambda run: run["env_name"] == "rc060"),
        ({"since": newest["created_at"]}, lambda run: run == newest),
        ({"connection_id": "conn_none"}, lambda run: False),
        ({"where": "lr=0.001 not seed=0"}, lambda run: run["params"].get("seed") == 1),
        ({"where": "status=finished and (env:rc05 or layers:64)"}, lambda run: run["status"] == "finished"),
        ({"where": "created>1d accuracy<0.5 summary.best_accuracy>=0.9"}, lambda run: True),
    ):
        answer = runs.get(**query)
        assert [run["run_id"] for run in answer["runs"]] == [
            r["run_id"] for r in everything if expected(r)
        ], query
        assert answer["total"] == len(answer["runs"])


def test_pages_stay_where_they_are_while_runs_are_added(
    runs: Runs, trainer: Trainer, runicorn_env: Callable[..., Path]
) -> None:
    live = runs.live["0.7.2"]
    before = [run["run_id"] for run in runs.get()["runs"]]
    first = runs.get(limit=2)
    new = trainer.live(runicorn_env("0.7.2"), live.training.root, steps=1, project="added")
    try:
        runs.until(new, lambda run: run["status"] == "running")
        seen, cursor = [run["run_id"] for run in first["runs"]], first["next_cursor"]
        while cursor is not None:
            page = runs.get(limit=2, cursor=cursor)
            seen += [run["run_id"] for run in page["runs"]]
            cursor = page["next_cursor"]
        assert seen == before
        assert runs.get(limit=1)["runs"][0]["run_id"] == new.run_id
    finally:
        new.finish()
    assert runs.client.wait(new.run_id, SECONDS)["status"] == "finished"


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "AAAA"},
        {"cursor": "W10"},
        {"cursor": "not base64!"},
        {"changed_since": "x"},
        {"changed_since": "abc-" + "9" * 20},
        {"since": "2026-11-24T17:00:00"},
        {"status": "finished,unknown"},
        {"limit": 0},
        {"limit": 2001},
        {"wait": 61},
        {"nonsense": 1},
        {"where": "lr>"},
        {"where": "a" * 2001},
    ],
    ids=json.dumps,
)
def test_what_is_not_of_the_form_is_refused(runs: Runs, query: dict[str, Any]) -> None:
    answer = runs.world.jupyter.request("GET", "runs", params=query)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_parameters")
    assert answer.json()["details"]["errors"][0]["field"] == next(iter(query))


def test_another_order_and_where_a_mistake_is(runs: Runs) -> None:
    listed = runs.get(sort="-param.seed", where="path:vision")["runs"]
    ordered = [run["params"].get("seed") for run in listed]
    assert ordered == [1, 1, 0, 0, None, None]
    answer = runs.world.jupyter.request("GET", "runs", params={"where": "lr>1 and (status=x"})
    assert answer.json()["details"]["position"] == 9
    assert answer.json()["message"] == "where: has a parenthesis that is not closed (at character 10)"


def test_what_differs_and_groups(runs: Runs) -> None:
    seeds = {run["params"]["seed"]: run for run in runs.client.list_runs(where="host:gpu1 env:rc072 seed>=0")}
    answer = runs.client.compare_runs([seeds[0], seeds[1]], metrics=["loss"])
    assert answer["differing"] == [{"name": "seed", "values": [0, 1], "missing": []}]
    assert (answer["same"], answer["params_left_out"]) == (3, [0, 0])
    assert answer["code_snapshots"] == [None, None]
    assert answer["metrics"][0]["last"]["differences"][0] == 0
    unknown = {**seeds[0], "run_id": "20000101_000000_abcdef"}
    for runs_asked, baseline, code in (
        ([seeds[0], unknown], 0, "not_found"),
        ([seeds[0], seeds[1]], 2, "invalid_parameters"),
        ([seeds[0]], 0, "invalid_parameters"),
    ):
        with pytest.raises(ApiError) as caught:
            runs.client.compare_runs(runs_asked, baseline=baseline)
        assert caught.value.code == code
    groups = runs.client.group_runs(["seed"], metric="accuracy", where="path:vision")
    assert [(group["by"]["seed"], group["count"]) for group in groups] == [(0, 2), (1, 2), (None, 2)]
    assert groups[0]["best"]["mean"] == pytest.approx(0.3934693403)
    with pytest.raises(ApiError) as caught:
        runs.client.group_runs(["seed", "seed"])
    assert caught.value.details["errors"][0]["field"] == "by"


def test_only_changes(runs: Runs) -> None:
    training = runs.live["0.5.0"].training
    before = runs.get()
    nothing = runs.get(changed_since=before["version"])
    assert (nothing["runs"], nothing["removed"], nothing["reset"]) == ([], [], False)
    training.log_metrics(changed=1.5)
    run = runs.until(training, lambda run: "changed" in run["metrics"])
    assert run["metrics"]["changed"] == 1.5
    after = runs.get(changed_since=before["version"])
    assert [each["run_id"] for each in after["runs"]] == [training.run_id]
    gone = runs.get(changed_since=before["version"], status="finished")
    assert gone["removed"] == [{"connection_id": run["connection_id"], "run_id": run["run_id"]}]
    restarted = runs.get(changed_since="0123-5")
    assert restarted["reset"]
    assert len(restarted["runs"]) == restarted["total"]


@pytest.mark.parametrize("version", RUNICORN_VERSIONS)
def test_metrics_of_a_run(runs: Runs, version: str) -> None:
    live = runs.live[version]
    live.training.log_metrics(late=float("nan"), other=2)
    run = runs.until(live.training, lambda run: "late" in run["metrics"])
    assert run["metrics"]["late"] == "NaN"
    found = runs.client.run_metrics(run)
    assert found["steps"][:5] == [1, 2, 3, 4, 5]
    assert found["steps"][-1] == run["step"]
    assert {len(values) for values in found["metrics"].values()} == {len(found["steps"])}
    assert found["metrics"]["other"] == [None] * (len(found["steps"]) - 1) + [2.0]
    some = runs.client.run_metrics(run, ["loss"], points=3)
    assert list(some["metrics"]) == ["loss"]
    assert (some["steps"][0], len(some["steps"]), some["total"]) == (1, 2, 5)
    with pytest.raises(ApiError) as caught:
        runs.client.run_metrics({**run, "run_id": "20000101_000000_abcdef"})
    assert (caught.value.status, caught.value.code) == (404, "not_found")


@pytest.mark.parametrize("version", RUNICORN_VERSIONS)
def test_what_is_new_of_a_curve(runs: Runs, version: str) -> None:
    training = runs.live[version].training
    run = runs.until(training, lambda run: run["step"] is not None)
    whole = runs.client.run_metrics(run, x="relative")
    assert (whole["reset"], whole["times"][0]) == (False, 0)
    known = {"since_step": whole["steps"][-1], "version": whole["version"]}
    training.log_metrics(loss=0.125, since=float("inf"))
    run = runs.until(training, lambda run: "since" in run["metrics"])
    new = runs.client.run_metrics(run, ["loss", "since"], **known)
    assert (new["steps"], new["metrics"]) == ([known["since_step"] + 1], {"loss": [0.125], "since": [None]})
    assert (new["not_finite"], new["reset"]) == ({"since": new["steps"]}, False)
    assert abs(new["times"][0] - datetime.fromisoformat(run["started_at"]).timestamp()) < 3600
    last = runs.client.run_metrics(run, since_step=new["steps"][-1], version=new["version"])
    assert last["steps"] == []
    assert runs.client.run_metrics(run, since_step=10**6)["reset"]


def test_curves_of_all_viewers_by_one_request(runs: Runs) -> None:
    listed = {run["run_id"]: run for run in runs.client.list_runs()}
    known = [listed[live.training.run_id] for live in runs.live.values()]
    nobody = {"connection_id": known[0]["connection_id"], "run_id": "20000101_000000_abcdef"}
    nowhere = {**nobody, "connection_id": "conn_00000000"}
    *curves, missing, gone = runs.client.read_curves([*known, nobody, nowhere], ["loss"])
    for run, curve in zip(known, curves, strict=True):
        alone = runs.client.run_metrics(run, ["loss"])
        assert curve == {name: alone[name] for name in curve if name != "error"} | {"error": None}
    assert [each["error"]["code"] for each in (missing, gone)] == ["not_found", "connection_not_found"]
    assert (missing["run_id"], missing["steps"]) == (nobody["run_id"], [])


@pytest.mark.parametrize("version", RUNICORN_VERSIONS)
def test_events_when_a_run_starts_goes_wrong_and_ends(
    runs: Runs, trainer: Trainer, runicorn_env: Callable[..., Path], version: str
) -> None:
    live = runs.live[version]
    with listening(runs.world.jupyter) as next_event:

        def of(training: Training) -> tuple[str, str | None]:
            event = next_event(type="run", run_id=training.run_id, connection_id=live.connection_id)
            assert event["message"].endswith(".")
            return event["status"], event.get("metric")

        good, bad = (
            trainer.live(runicorn_env(version), live.training.root, steps=1, project=f"events-{name}")
            for name in ("good", "bad")
        )
        assert of(good) == ("started", None)
        good.log_metrics(loss=float("inf"))
        good.log_metrics(loss=0.5)
        assert of(good) == ("nan", "loss")
        good.finish()
        assert of(good) == ("finished", None)
        bad.kill()
        assert of(bad) == ("failed", None)
    assert runs.client.wait(good.run_id)["metrics"]["loss"] == 0.5
    assert runs.client.wait(bad.run_id)["status"] == "failed"


def test_waiting_for_a_run(runs: Runs) -> None:
    run_id = runs.live["0.7.2"].training.run_id
    with pytest.raises(TimeoutError, match=run_id):
        runs.client.wait(run_id, timeout=0.2)
    with pytest.raises(LookupError, match="no-such-run"):
        runs.client.wait("no-such-run")


def test_a_run_that_is_deleted_by_the_viewers_page_is_gone(
    runs: Runs, trainer: Trainer, runicorn_env: Callable[..., Path]
) -> None:
    for version, live in runs.live.items():
        (run_id,) = trainer.runs(
            runicorn_env(version), live.training.root, count=1, steps=1, project="deleted"
        )
        before = runs.get(run_id=run_id)
        assert before["total"] == 1, (version, before["servers"])
        deleted = runs.world.jupyter.session.post(
            f"{live.viewer['url']}api/runs/soft-delete", json={"run_ids": [run_id]}, timeout=30
        )
        assert deleted.status_code == 200, deleted.text
        after = runs.get(run_id=run_id, changed_since=before["version"])
        assert after["removed"] == [{"connection_id": live.connection_id, "run_id": run_id}]


def test_a_viewer_that_hangs_delays_nobody_and_comes_back(runs: Runs) -> None:
    hung = runs.live["0.6.0"]
    training = runs.live["0.7.2"].training
    os.kill(hung.viewer["pid"], signal.SIGSTOP)
    try:
        training.log_metrics(meanwhile=1)
        answer = runs.get()
        parts = {server["connection_id"]: server for server in answer["servers"]}
        part = parts.pop(hung.connection_id)
        assert part["error"]["code"] == "viewer_not_responding"
        assert part["age_seconds"] > 0
        assert [server["error"] for server in parts.values()] == [None, None]
        known = {run["run_id"]: run for run in answer["runs"]}
        assert hung.training.run_id in known
        assert known[training.run_id]["metrics"]["meanwhile"] == 1
    finally:
        os.kill(hung.viewer["pid"], signal.SIGCONT)
    hung.training.log_metrics(back=1)
    runs.until(hung.training, lambda run: "back" in run["metrics"])


def test_servers_that_are_down_are_told_of_and_their_runs_stay(runs: Runs) -> None:
    before = runs.get()
    connections = {live.connection_id for live in runs.live.values()}
    with listening(runs.world.jupyter) as next_event:
        runs.world.sshd.stop()
        try:
            down: set[str] = set()
            while down < connections:  # in whatever order
                down.add(next_event(type="connection", status="reconnecting")["connection_id"])
            answer = runs.get()
            assert {server["error"]["code"] for server in answer["servers"]} == {"connection_lost"}
            assert answer["runs"] == before["runs"]
        finally:
            runs.world.sshd.start()
        up: set[str] = set()
        while up < connections:
            up.add(next_event(type="viewer", status="running")["connection_id"])
    assert [server["error"] for server in runs.get()["servers"]] == [None] * 3
    training = runs.live["0.6.0"].training
    training.log_metrics(again=1)
    runs.until(training, lambda run: "again" in run["metrics"])


def test_a_viewer_that_was_stopped_has_no_runs_any_more(
    world: World, finished_runs: Callable[..., Path]
) -> None:
    connection_id = world.connect()
    world.start(connection_id, "rc072", remote_root=str(finished_runs()), auto_open=False)
    before = world.jupyter.get("runs", connection_id=connection_id).json()
    assert before["total"] == 2
    world.jupyter.post("viewer/stop", connection_id=connection_id)
    after = world.jupyter.get("runs", connection_id=connection_id, changed_since=before["version"]).json()
    assert len(after["removed"]) == 2
    assert connection_id not in [server["connection_id"] for server in after["servers"]]
    missing = world.jupyter.get("runs/metrics", connection_id=connection_id, run_id="x")
    assert (missing.status_code, missing.json()["error"]) == (404, "viewer_not_running")
