"""What the pictures of the front ends show: answers of the API that are always the same."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Page, Route

from runicorn_jupyter import models as m

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
_VERSION = "1"
_NAMES = ("gpu1", "a-cluster-login-node-with-a-long-name.hpc.example.org")
_PARAMS: dict[str, Any] = {"lr": 0.001, "batch_size": 64, "model.depth": 3, "optimizer": "adamw"}


def _at(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def _connection(number: int, host: str, viewer: m.Viewer | None) -> m.ConnectionInfo:
    return m.ConnectionInfo(
        connection_id=f"conn_{number:08d}", host=host, port=22, username="ada", status="connected",
        created_at=_at(90), connected_since=_at(90), viewer=viewer,
    )  # fmt: skip


def _viewer() -> m.Viewer:
    return m.Viewer(
        status="running", url="/runicorn/v/00000000000000000000000000000000/", local_port=40001,
        remote_port=23300, pid=4242, env_name="torch", remote_root="/home/ada/.runicorn",
        runicorn_version="0.7.2", started_at=_at(80),
    )  # fmt: skip


def _run(number: int, name: str, status: m.RunStatus, **values: Any) -> m.Run:
    loss = 0.9 / (number + 1)
    return m.Run.model_validate(
        {
            "connection_id": "conn_00000001", "host": "gpu1", "env_name": "torch",
            "remote_root": "/home/ada/.runicorn", "run_id": f"20260314_15{number:02d}00_abcdef", "name": name,
            "path": f"vision/{name}", "project": "vision", "status": status,
            "tags": ["baseline"][: number % 2],
            "created_at": _at(60 + 11 * number), "started_at": _at(60 + 11 * number),
            "ended_at": None if status == "running" else _at(20),
            "duration_seconds": None if status == "running" else 60.0 * (40 + 11 * number),
            "step": 100 * (number + 1), "pid": 700 + number,
            "metrics": {"loss": loss, "accuracy": 1 - loss / 2},
            "params": {**_PARAMS, "lr": 0.001 * 2**-number},
            "params_left_out": 0, "code_snapshot": None, "summary": {}, "summary_left_out": 0,
            "best": {"metric": "accuracy", "value": 1 - loss / 2, "step": 90, "mode": "max"},
            "page": f"/runs/{number}", **values,
        }
    )  # fmt: skip


def _runs() -> list[m.Run]:
    return [
        _run(0, "resnet50", "running"),
        _run(1, "resnet50-bigger-batch", "finished"),
        _run(2, "vit-small", "finished"),
        _run(3, "vit-small-no-augmentation", "failed", metrics={"loss": "NaN", "accuracy": 0.1}),
        _run(4, "convnext", "interrupted"),
    ]


def _gpu(index: int, used: float, processes: list[m.GpuProcess]) -> m.Gpu:
    return m.Gpu(
        index=index, uuid=f"GPU-{index}", name="NVIDIA A100-SXM4-80GB", vendor="nvidia", used_percent=used,
        memory_total=80 * 2**30, memory_used=int(used / 100 * 70 * 2**30), temperature_c=41 + index,
        power_w=90 + used, processes=processes,
    )  # fmt: skip


def _machine(number: int, host: str, gpus: list[m.Gpu]) -> m.Machine:
    return m.Machine(
        connection_id=f"conn_{number:08d}", host=host,
        cpu=m.MachineCpu(count=64, used_percent=37, load1=21.5),
        memory=m.MachineMemory(total=512 * 2**30, used=180 * 2**30),
        disk=m.MachineDisk(path="/home/ada/.runicorn", total=2**42, free=2**40),
        gpus=gpus, as_of=NOW, error=None,
    )  # fmt: skip


def _machines() -> list[m.Machine]:
    mine = m.GpuProcess(
        pid=700, user="ada", command="python train.py", memory=52 * 2**30, mine=True,
        run=m.RunKey(connection_id="conn_00000001", run_id=_runs()[0].run_id),
    )  # fmt: skip
    other = m.GpuProcess(
        pid=900, user="grace", command="python sample.py", memory=12 * 2**30, mine=False, run=None
    )
    return [
        _machine(1, _NAMES[0], [_gpu(0, 87, [mine]), _gpu(1, 18, [other]), _gpu(2, 0, []), _gpu(3, 0, [])]),
        _machine(2, _NAMES[1], []),
    ]


def _environments() -> list[m.Environment]:
    def made(name: str, version: str | None) -> m.Environment:
        prefix = f"/home/ada/miniconda3/envs/{name}"
        return m.Environment(
            name=name, type="conda", python_version="3.11.9", python_path=f"{prefix}/bin/python",
            prefix=prefix, runicorn_installed=version is not None, runicorn_version=version,
            storage_root="/home/ada/.runicorn" if version else None,
        )  # fmt: skip

    return [made("torch", "0.7.2"), made("jax", "0.7.2"), made("notebooks", None)]


def _curves(keys: list[dict[str, Any]], names: list[str]) -> m.RunsCurvesResponse:
    def made(at: int, key: dict[str, Any]) -> m.RunCurves:
        # Nothing is new.
        steps = list(range(0, 100, 2)) if key.get("since_step") is None else []
        return m.RunCurves(
            connection_id=key["connection_id"], run_id=key["run_id"], steps=steps,
            times=[float(step) for step in steps], not_finite={}, total=len(steps), version=_VERSION,
            reset=False, error=None,
            metrics={name: [math.exp(-step / (15 + 8 * at)) for step in steps] for name in names},
        )  # fmt: skip

    return m.RunsCurvesResponse(runs=[made(at, key) for at, key in enumerate(keys)])


def _comparison(keys: list[dict[str, Any]]) -> m.RunsCompareResponse:
    known = {run.run_id: run for run in _runs()}
    runs = [known[key["run_id"]] for key in keys]

    def figures(name: str, better: str) -> m.MetricComparison:
        values = [run.metrics[name] for run in runs]
        finite = [float(value) for value in values]
        first = finite[0]
        last = m.MetricFigures(
            values=values,
            differences=[value - first for value in finite],
            percents=[100 * (value - first) / first for value in finite],
        )
        return m.MetricComparison.model_validate({"name": name, "mode": better, "last": last, "best": last})

    return m.RunsCompareResponse(
        runs=[m.RunKey(**key) for key in keys],
        baseline=0,
        differing=[m.ParamDifference(name="lr", values=[run.params["lr"] for run in runs], missing=[])],
        same=len(_PARAMS) - 1,
        params_left_out=[0 for _ in runs],
        code_snapshots=[None for _ in runs],
        metrics=[figures("accuracy", "max"), figures("loss", "min")],
    )


def answers(*, connected: bool, only_running: bool = False) -> dict[str, m.Model]:
    """Return what is answered to a GET of each path below ``api/remote/``.

    Parameters
    ----------
    connected
        Whether there are connections, and all that comes of them; else there is nothing.
    only_running
        Whether of the runs only those are wanted that go on.
    """
    connections = [_connection(1, _NAMES[0], _viewer()), _connection(2, _NAMES[1], None)]
    server = m.RunsServer(
        connection_id="conn_00000001", host="gpu1", env_name="torch", remote_root="/home/ada/.runicorn",
        runicorn_version="0.7.2", total=len(_runs()), complete=True, as_of=NOW, age_seconds=0, error=None,
    )  # fmt: skip
    runs = [run for run in _runs() if run.status == "running" or not only_running] if connected else []
    return {
        "connections": m.ConnectionsResponse(
            connections=connections if connected else [], total=len(connections) if connected else 0
        ),
        "profiles": m.ProfilesResponse(profiles=[], total=0),
        "hosts": m.HostsResponse(hosts=[], total=0),
        "environments": m.EnvironmentsResponse(environments=_environments(), total=3),
        "ping": m.PingResponse(latency_ms=12.0, timestamp=NOW),
        "runs": m.RunsResponse(
            runs=runs, total=len(runs), next_cursor=None, version=_VERSION, reset=False, removed=[],
            servers=[server] if connected else [],
        ),
        "machines": m.MachinesResponse(
            machines=_machines() if connected else [], removed=[], reset=False, version=_VERSION
        ),
    }  # fmt: skip


async def answer_always_the_same(page: Page, *, connected: bool) -> list[str]:
    """Give fixed answers to a page's questions to the API; return a list of the paths that have none.

    Parameters
    ----------
    page
        The page, before it is opened.
    connected
        Whether there are connections.
    """
    known = answers(connected=connected)
    unknown: list[str] = []

    async def answer(route: Route) -> None:
        request = route.request
        path = request.url.partition("/api/remote/")[2].partition("?")[0]
        if "wait=" in request.url:
            return  # it waits for a change, and nothing changes
        if path == "runs/curves":
            asked = request.post_data_json
            body = _curves(asked["runs"], asked["names"]).model_dump_json()
        elif path == "runs/compare":
            body = _comparison(request.post_data_json["runs"]).model_dump_json()
        elif path == "runs" and "status=running" in request.url:
            body = answers(connected=connected, only_running=True)[path].model_dump_json()
        elif path in known:
            body = known[path].model_dump_json()
        else:
            unknown.append(path)
            body = "{}"
        await route.fulfill(content_type="application/json", body=body)

    await page.route("**/api/remote/**", answer)
    return unknown
