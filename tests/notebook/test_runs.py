"""``%runicorn_runs`` in a real kernel: the runs of a real viewer as a DataFrame, and as a chart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.api.conftest import World
from tests.notebook.kernels import Kernel
from tests.notebook.test_magics import one_line

VEGA = "application/vnd.vegalite.v5+json"


def test_a_dataframe_and_a_chart(kernel: Kernel, world: World, finished_runs: Callable[..., Path]) -> None:
    hint = kernel.good("empty = %runicorn_runs\nlen(empty)")
    assert "%runicorn_viewer ENV starts one" in hint.text
    assert hint.result["text/plain"] == "0"

    kernel.good(f"%runicorn_connect gpu1 --env rc072 --root {finished_runs('0.7.2')}")
    shown = kernel.good("runs = %runicorn_runs --status finished --since 2w\nruns")
    kinds = kernel.value("{name: str(kind) for name, kind in runs.dtypes.items()}")
    assert kernel.value("isinstance(runs, __import__('pandas').DataFrame)")
    assert kinds["created_at"].startswith("datetime64[")
    assert kinds["created_at"].endswith(", UTC]")
    assert kinds["duration"].startswith("timedelta64[")
    expected = {"status": "category", "step": "Int64", "loss": "float64", "accuracy": "float64"}
    assert {name: kinds[name] for name in expected} == expected
    assert kernel.value("runs['created_at'].is_monotonic_decreasing")
    assert kernel.value("sorted(runs['name'])") == ["run-0", "run-1"]
    assert kernel.value("bool(((runs['loss'] > 0) & (runs['duration'].dt.total_seconds() > 0)).all())")
    # Names open the runs' pages by our front end: the output is saved, and a URL would be a secret.
    assert re.search(r"created_at \(UTC[+-]\d{4}\)", shown.result["text/html"])
    assert shown.result["text/html"].count('data-commandlinker-command="runicorn:open-viewer"') == 2
    assert "runicorn/v/" not in shown.everything
    assert "<button" in kernel.good("runs[runs['name'] == 'run-0']").result["text/html"]
    columns = "list((lambda t: t)(get_ipython().run_line_magic('runicorn_runs', '--metrics loss')).columns)"
    assert "accuracy" not in kernel.value(columns)

    kernel.good('given = %runicorn_runs --params --where "lr>1e-4 loss<1 name:run-" --sort -seed')
    kinds = kernel.value("{name: str(kind) for name, kind in given.dtypes.items()}")
    expected = {"params.lr": "float64", "params.seed": "Int64", "params.layers": "string"}
    assert {name: kinds[name] for name in expected} == expected
    assert kernel.value("list(given['name'])") == ["run-1", "run-0"]
    assert "no value here (at character 4)" in one_line(kernel.run('%runicorn_runs --where "lr>"'))
    kernel.good("differs = %runicorn_compare run-0 --baseline run-1 --metrics loss")
    assert kernel.value("list(map(list, differs.index))") == [
        ["param", "seed"],
        ["metric", "loss"],
        ["difference", "loss"],
        ["percent", "loss"],
    ]
    assert kernel.value("list(differs.loc[('param', 'seed')])") == [1, 0]
    assert "two or more runs" in one_line(kernel.run("%runicorn_compare run-0"))
    kernel.good("groups = %runicorn_group --by lr,seed --metric accuracy --where status=finished")
    assert kernel.value("list(groups.columns)[:4]") == ["lr", "seed", "runs", "last.count"]
    assert kernel.value("groups['seed'].tolist()") == [0, 1]
    draw(kernel)


def draw(kernel: Kernel) -> None:
    """Charts of the runs: stills, one that is live, and what cannot be drawn."""
    drawn = kernel.good("plot = %runicorn_runs --metrics loss --compare run-0 run-1\nplot")
    spec = drawn.result[VEGA]
    assert spec["$schema"].endswith("/v5.json")
    assert {row["run"] for row in spec["data"]["values"]} == {"run-0", "run-1"}
    assert "http" not in json.dumps({**spec, "$schema": ""})
    assert kernel.value("bool(plot.data.groupby('run')['value'].count().min() > 1)")
    assert "No run is called run-9" in one_line(kernel.run("%runicorn_runs --compare run-9"))
    assert "no values of speed" in one_line(kernel.run("%runicorn_runs --compare run-0 --metrics speed"))
    assert "--status takes" in one_line(kernel.run("%runicorn_runs --status done"))
    assert "--since takes" in one_line(kernel.run("%runicorn_runs --since yesterday"))
    live = "application/vnd.runicorn.curves+json"
    assert kernel.good("runs.plot('loss', live=True)").result[live]["metrics"] == ["loss"]
    assert set(kernel.good("runs.plot('loss', live=False)").result) == {VEGA, "text/plain"}
    assert "--live goes with --compare" in one_line(kernel.run("%runicorn_runs --live"))
    forgotten = "[sys.modules.pop(f'runicorn_jupyter.notebook.{n}') for n in ('plot', 'curves', 'live_plot')]"
    kernel.good(f"import sys; sys.modules['altair'] = None; {forgotten}")
    missing = one_line(kernel.run("%runicorn_runs --compare run-0"))
    kernel.good("del sys.modules['altair']")
    assert "%pip install altair" in missing
