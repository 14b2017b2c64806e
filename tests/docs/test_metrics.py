"""The board for Grafana and the administrators' page name the metrics that there are, and all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runicorn_jupyter.service.metrics import Metrics
from runicorn_jupyter.service.sessions import Sessions

DOCS = Path(__file__).parents[2] / "docs"
NAMED = re.compile(r"runicorn_[a-z_]+")


def families() -> dict[str, set[str]]:
    """Give each metric's names: its own, and those of its samples."""
    metrics = Metrics(Sessions(), by_host=False)
    metrics.failed("not_found")
    found = {}
    for family in metrics.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {name, *(sample.name for sample in family.samples)}
    return found


def test_the_board_asks_for_all_of_them_and_nothing_else() -> None:
    board = json.loads((DOCS / "grafana.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    named = {name for expression in asked for name in NAMED.findall(expression)}
    known = families()
    assert named <= set().union(*known.values())
    assert all(named & names for names in known.values())
    places = [tuple(panel["gridPos"].values()) for panel in board["panels"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(set(places)) == len(places)


@pytest.mark.parametrize("page", ["deployments.md", "zh/deployments.md"])
def test_the_page_lists_them(page: str) -> None:
    table = [
        line for line in (DOCS / page).read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    assert set(NAMED.findall("".join(line.split("|")[1] for line in table))) == set(families())
