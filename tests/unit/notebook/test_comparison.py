"""The tables of comparisons and groups, as pandas can go on with them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from runicorn_jupyter.notebook.comparison import comparison_table, group_table
from runicorn_jupyter.notebook.runs import param_column

ANSWER: dict[str, Any] = {
    "same": 3,
    "baseline": 1,
    "params_left_out": [0, None],
    "code_snapshots": ["a44c", None],
    "differing": [{"name": "lr\x1b[31m", "values": [0.1, None], "missing": [1]}],
    "metrics": [
        {
            "name": "loss",
            "mode": "min",
            "last": {"values": [0.5, "NaN"], "differences": [None, None], "percents": [-20.0, 0.0]},
            "best": {"values": [None, None], "differences": [None, None], "percents": [None, None]},
        },
        {
            "name": "acc",
            "mode": "max",
            "last": {"values": [1, 2], "differences": [-1, 0], "percents": [-50, 0]},
            "best": {"values": [3, None], "differences": [None, None], "percents": [None, None]},
        },
    ],
}


def test_what_differs_comes_first_and_metrics_are_numbers() -> None:
    table = comparison_table(["a", "<b>"], ANSWER)
    kinds = ["param", "code", "metric", "difference", "percent", "metric", "difference", "percent", "best"]
    assert list(table.index.get_level_values("kind")) == kinds
    assert "\x1b" not in "".join(table.index.get_level_values("name"))
    assert table.loc[("code", "snapshot")].to_list() == ["a44c", None]
    assert table.loc[("metric", "acc")].astype(float).to_list() == [1.0, 2.0]
    assert table.loc[("percent", "loss"), "a"] == -20.0
    assert pd.isna(table.loc[("metric", "loss"), "<b>"])
    assert table.attrs == {"same": 3, "baseline": "<b>", "left_out": True}
    page = table._repr_html_()
    assert page is not None
    assert "<b>" not in page
    assert "3 more parameters are the same in all." in page
    assert "not compared" in page
    assert table.drop(columns="a").attrs["same"] == 3


def test_nothing_differs() -> None:
    empty = {
        **ANSWER,
        "differing": [],
        "metrics": [],
        "params_left_out": [0, 0],
        "code_snapshots": ["a44c", "a44c"],
    }
    table = comparison_table(["a", "b"], empty)
    assert (table.shape, list(table.columns)) == ((0, 2), ["a", "b"])
    assert "3 more" in (table._repr_html_() or "")


def test_groups_have_a_column_for_each_name_and_figure() -> None:
    figures = {"count": 2, "mean": 0.5, "std": None, "min": 0.25, "max": 0.75}
    groups = [
        {"by": {"lr": 1, "opt": "a\u202e"}, "count": 3, "last": figures, "best": None, "runs": []},
        {"by": {"lr": None, "opt": None}, "count": 1, "last": None, "best": None, "runs": []},
    ]
    table = group_table(["lr", "opt"], groups)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        "lr": "Int64", "opt": "string", "runs": "int64", "last.count": "Int64", "last.mean": "float64",
        "last.std": "float64", "last.min": "float64", "last.max": "float64",
    }  # fmt: skip
    assert table["last.mean"].to_list()[0] == 0.5
    assert pd.isna(table["last.mean"][1])
    assert "\u202e" not in table["opt"][0]
    assert list(group_table(["lr"], []).columns) == ["lr", "runs"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 2], "Int64"),
        ([1, 2.5, None], "float64"),
        ([0.1, "NaN", "-Infinity"], "float64"),
        ([True, None], "boolean"),
        (["a", None], "string"),
        (["NaN"], "float64"),
        ([1, "a"], "object"),
        ([True, 1], "object"),
        ([None], "object"),
        ([], "object"),
    ],
    ids=str,
)
def test_each_parameter_has_the_type_of_its_values(values: list[Any], kind: str) -> None:
    column = pd.Series(param_column(values))
    assert str(column.dtype) == kind
    assert len(column) == len(values)
