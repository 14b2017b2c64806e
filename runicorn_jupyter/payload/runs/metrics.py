"""The metrics of one run, as columns: only what is wanted of them goes over the line. Python >= 3.8.

The rows are those of the viewer's ``GET /api/runs/{id}/metrics_step`` (0.5 to 0.7), which has all metrics at
all steps. What is not a finite number is null there.
"""

from typing import Any, Dict, List, Optional

from runicorn_jupyter.payload.runs.in_process_api import NotAnswered, ask

__all__ = ["MAX_COLUMNS", "MAX_VALUES", "columns"]

MAX_VALUES = 500000
MAX_COLUMNS = 256
NOT_METRICS = {"global_step", "step", "time", "stage", "epoch"}

Row = Dict[str, Any]


def columns(app: Any, run_id: str, names: Optional[List[str]], points: int) -> Dict[str, Any]:
    """Return ``steps``, ``metrics`` (a list for each name) and the ``total`` of steps.

    Parameters
    ----------
    app
        The viewer.
    run_id
        The run; if there is none, the answer is ``{"missing": True}``.
    names
        The metrics that are wanted; None: all.
    points
        How many steps at most.
    """
    try:
        answer = ask(app, f"/api/runs/{run_id}/metrics_step")
    except NotAnswered as error:
        if error.status in (400, 404):
            return {"missing": True}
        raise
    logged = [name for name in answer["columns"] if name not in NOT_METRICS]
    wanted = [name for name in logged if names is None or name in names][:MAX_COLUMNS]
    rows = [row for row in answer["rows"] if any(_number(row.get(name)) is not None for name in wanted)]
    total = len(rows)
    points = max(2, min(points, MAX_VALUES // max(1, len(wanted))))
    if total > points:
        rows = _thin(rows, wanted[0], points)
    return {
        "steps": [row["global_step"] for row in rows],
        "metrics": {name: [_number(row.get(name)) for row in rows] for name in wanted},
        "total": total,
    }


def _thin(rows: List[Row], name: str, points: int) -> List[Row]:
    """Keep of each stretch of rows those with the least and the greatest value: a peak stays a peak."""
    if points < 4:
        return [rows[0], rows[-1]]
    stretches = (points - 2) // 2
    inner = rows[1:-1]
    kept = {0, len(rows) - 1}
    for number in range(stretches):
        start = number * len(inner) // stretches
        end = (number + 1) * len(inner) // stretches
        found = [(_number(inner[i].get(name)), i) for i in range(start, end)]
        values = [(value, i) for value, i in found if value is not None] or [(0.0, start)]
        kept |= {1 + min(values)[1], 1 + max(values)[1]}
    return [rows[index] for index in sorted(kept)]


def _number(value: Any) -> Optional[float]:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
