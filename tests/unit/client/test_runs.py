"""The client's calls about runs: what it asks, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from runicorn_jupyter.client import RunicornRemoteClient
from tests.unit.recording import Recorder

RUNS, METRICS = "/api/remote/runs", "/api/remote/runs/metrics"


def page(
    *statuses: str, cursor: str | None = None, servers: tuple[str, ...] = ("c",), **fields: Any
) -> dict[str, Any]:
    runs = [{"connection_id": "c", "run_id": "r", "status": status} for status in statuses]
    return {
        "success": True, "runs": runs, "next_cursor": cursor, "version": "v-1", "removed": [], "reset": False,
        "servers": [{"connection_id": each} for each in servers], **fields,
    }  # fmt: skip


@pytest.fixture
def client(recorder: Recorder) -> Iterator[RunicornRemoteClient]:
    with RunicornRemoteClient(recorder.url, token="t") as made:
        yield made


def answers(recorder: Recorder, *bodies: dict[str, Any]) -> None:
    """Answer by one after the other, and by the last from then on."""
    left = list(bodies)

    def following() -> None:
        recorder.answer(RUNS, left.pop(0) if len(left) > 1 else left[0])

    recorder.on(RUNS, following)


def queries(recorder: Recorder) -> list[dict[str, str]]:
    return [{name: values[0] for name, values in each.query.items()} for each in recorder.asked]


def test_all_pages_are_one_list(client: RunicornRemoteClient, recorder: Recorder) -> None:
    answers(recorder, page("running", "failed", cursor="next"), page("finished"))
    since = datetime(2026, 11, 24, 18, tzinfo=UTC)
    found = client.list_runs(status="running,failed,finished", text="a b", since=since)
    assert [run["status"] for run in found] == ["running", "failed", "finished"]
    first, second = queries(recorder)
    assert first == {
        "status": "running,failed,finished", "text": "a b", "since": "2026-11-24T18:00:00+00:00",
        "limit": "2000",
    }  # fmt: skip
    assert second == {**first, "cursor": "next"}


def test_what_changed_is_read_from_all_pages(client: RunicornRemoteClient, recorder: Recorder) -> None:
    answers(recorder, page("running", cursor="next", version="v-2"), page("finished", version="v-3"))
    since = datetime(2026, 11, 24, 18, tzinfo=UTC)
    answer = client.read_runs(changed_since="v-1", since=since)
    assert [run["status"] for run in answer["runs"]] == ["running", "finished"]
    assert answer["version"] == "v-2"  # what changes while the pages are read comes the next time
    first, second = queries(recorder)
    assert first == {"since": "2026-11-24T18:00:00+00:00", "changed_since": "v-1", "limit": "2000"}
    assert second == {"since": first["since"], "cursor": "next", "limit": "2000"}


def test_what_is_asked_to_compare_and_to_group(client: RunicornRemoteClient, recorder: Recorder) -> None:
    recorder.answer(f"{RUNS}/compare", {"success": True, "same": 3})
    runs = [{"connection_id": "c", "run_id": "a", "name": "x"}, {"connection_id": "d", "run_id": "b"}]
    assert client.compare_runs(runs, baseline=1, metrics=("loss",))["same"] == 3
    assert recorder.asked[-1].body == {
        "runs": [{"connection_id": "c", "run_id": "a"}, {"connection_id": "d", "run_id": "b"}],
        "baseline": 1,
        "metrics": ["loss"],
    }
    recorder.answer(f"{RUNS}/groups", {"success": True, "groups": [{"count": 2}]})
    assert client.group_runs(["lr", "batch"], metric="loss", where="lr>1") == [{"count": 2}]
    assert queries(recorder)[-1] == {"by": "lr,batch", "metric": "loss", "where": "lr>1"}
    client.group_runs(["lr"])
    assert queries(recorder)[-1] == {"by": "lr"}


def reading(total: int, complete: bool = False, **fields: Any) -> dict[str, Any]:
    server = {"connection_id": "c", "host": "gpu", "total": total, "complete": complete, "error": None}
    return page(version=f"v-{total}") | {"servers": [server | fields]}


def test_viewers_that_take_up_their_runs_are_waited_for(
    client: RunicornRemoteClient, recorder: Recorder
) -> None:
    whole = reading(9, complete=True)
    answers(recorder, reading(2), reading(5), whole, whole | {"runs": page("finished", "failed")["runs"]})
    told: list[int] = []
    found = client.list_runs(
        connection_id="c", text="x", on_progress=lambda servers: told.append(servers[0]["total"])
    )
    assert (told, [run["status"] for run in found]) == ([2, 5], ["finished", "failed"])
    first, second, third, last = queries(recorder)
    assert first == last == {"connection_id": "c", "text": "x", "limit": "2000"}
    assert [each.pop("changed_since") for each in (second, third)] == ["v-2", "v-5"]
    assert all(0 < float(each.pop("wait")) <= 30 for each in (second, third))
    assert second == third == {"connection_id": "c", "limit": "1"}


@pytest.mark.parametrize(
    ("server", "options"),
    [
        ({"complete": True}, {}),
        ({"error": {"code": "connection_lost", "message": "Down."}}, {}),
        ({}, {"complete_within": 0}),
    ],
    ids=["complete", "lost", "not asked to"],
)
def test_nothing_else_is_waited_for(
    client: RunicornRemoteClient, recorder: Recorder, server: dict[str, Any], options: dict[str, Any]
) -> None:
    answers(recorder, reading(2, **server))
    client.list_runs(**options)
    assert len(queries(recorder)) == 1


def test_another_connections_viewer_is_not_waited_for(
    client: RunicornRemoteClient, recorder: Recorder
) -> None:
    other = reading(2, connection_id="other")
    answers(recorder, other)
    told: list[Any] = []
    client.list_runs(connection_id="c", on_progress=told.append)
    assert told == []


def test_waiting_asks_for_changes_until_the_run_has_ended(
    client: RunicornRemoteClient, recorder: Recorder
) -> None:
    answers(recorder, page("running"), page(), page("running", version="v-2"), page("failed"))
    assert client.wait("r")["status"] == "failed"
    first, *later = queries(recorder)
    assert first == {"run_id": "r"}
    assert [each.pop("changed_since") for each in later] == ["v-1", "v-1", "v-2"]
    assert later == [{"run_id": "r", "connection_id": "c", "wait": "50.0"}] * 3


def test_one_of_the_list_is_waited_for_where_it_is(client: RunicornRemoteClient, recorder: Recorder) -> None:
    answers(recorder, page("finished"))
    assert client.wait({"connection_id": "c", "run_id": "r", "status": "running"})["status"] == "finished"
    assert queries(recorder) == [{"connection_id": "c", "run_id": "r"}]


@pytest.mark.parametrize(
    "bodies",
    [
        [page()],
        [page("running"), page(removed=[{"connection_id": "c", "run_id": "r"}])],
        [page("running"), page(reset=True)],
        [page("running"), page(servers=("other",))],
    ],
    ids=["never there", "deleted", "another server", "viewer stopped"],
)
def test_a_run_that_is_not_there_is_not_waited_for(
    client: RunicornRemoteClient, recorder: Recorder, bodies: list[dict[str, Any]]
) -> None:
    answers(recorder, *bodies)
    with pytest.raises(LookupError, match="has the run r"):
        client.wait("r")


def test_waiting_ends_in_time(client: RunicornRemoteClient, recorder: Recorder) -> None:
    answers(recorder, page("running"))
    with pytest.raises(TimeoutError, match="within 0 seconds"):
        client.wait("r", timeout=0)
    answers(recorder, page("running"), page("finished"))
    client.wait("r", timeout=30)
    assert 0 < float(queries(recorder)[-1]["wait"]) <= 30


def test_metrics_of_a_run(client: RunicornRemoteClient, recorder: Recorder) -> None:
    recorder.answer(METRICS, {"success": True, "steps": [1], "metrics": {"loss": [0.5]}})
    run = {"connection_id": "c", "run_id": "r", "host": "gpu"}
    assert client.run_metrics(run, ["loss", "a/b"])["metrics"] == {"loss": [0.5]}
    client.run_metrics(run, points=7)
    client.run_metrics(run, since_step=5, version="e-5", x="relative")
    first, second, third = queries(recorder)
    assert first == {"connection_id": "c", "run_id": "r", "points": "1000", "names": "loss,a/b"}
    assert second == {"connection_id": "c", "run_id": "r", "points": "7"}
    assert {**third, "points": "1000"} == third
    assert (third["since_step"], third["version"], third["x"]) == ("5", "e-5", "relative")


def test_curves_of_runs(client: RunicornRemoteClient, recorder: Recorder) -> None:
    recorder.answer(f"{RUNS}/curves", {"success": True, "runs": [{"steps": [1]}, {"steps": []}]})
    known = {"connection_id": "c", "run_id": "s", "since_step": 3, "version": "e-3", "steps": [3]}
    runs = [{"connection_id": "c", "run_id": "r", "host": "gpu"}, known]
    assert client.read_curves(runs, ("loss",), 50, x="time") == [{"steps": [1]}, {"steps": []}]
    assert recorder.asked[-1].body == {
        "runs": [
            {"connection_id": "c", "run_id": "r"},
            {"connection_id": "c", "run_id": "s", "since_step": 3, "version": "e-3"},
        ],
        "names": ["loss"],
        "points": 50,
        "x": "time",
    }
