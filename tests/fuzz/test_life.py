"""A connection's life, as made-up walks: whatever is done and in whatever order, the contract holds.

The machine (``life.py``) does things to a real server, a real sshd and real viewers, and keeps a model of
what docs/contract.md says must be so; after each step the server's own account is compared with it.
``RUNICORN_FUZZ_EXAMPLES`` says how many walks there are; ``make fuzz`` sets it high.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.life import Life
from tests.fuzz.life_world import HOW, IN_VAIN, NAMES, Line, line

__all__ = ["line"]

EXAMPLES = int(os.environ.get("RUNICORN_FUZZ_EXAMPLES", "6"))
WALKS, STEPS = max(2, EXAMPLES // 2), 12 if EXAMPLES < 20 else 40


def make_life(line: Line) -> type[Life]:
    """Give the machine on this line."""
    return type("LifeOnThisLine", (Life,), {"line": line})


# One walk that takes every kind of step, and those that make two connections on one viewer interesting. The
# numbers choose among the connections (or challenges, or addresses) that there are at that point.
WALK: list[tuple[Any, ...]] = [
    *((Life.save, name, "gpu1") for name in NAMES),
    (Life.delete, "a"),
    (Life.delete, "a"),
    *((Life.connect_in_vain, attempt) for attempt in IN_VAIN),
    (Life.connect, "line"),
    *((Life.start, 0, env_name) for env_name in ("empty", "nowhere", "rc072", "rc050")),
    (Life.start, 1, "rc072"),
    (Life.use, 0),
    (Life.stop, 0, True),
    (Life.stop, 0, True),
    (Life.use_a_dead_one, 0),
    (Life.cut,),
    (Life.connect, "line"),
    (Life.start, 1, "rc072"),
    (Life.stop, 1, True),
    (Life.use, 0),
    (Life.mend,),
    (Life.use, 0),
    (Life.start, 0, "rc072"),
    (Life.crash, 0),
    (Life.use, 1),
    (Life.start, 0, "rc072"),
    (Life.disconnect, 0, False),
    (Life.use_a_closed_one, 0),
    (Life.start, 0, "rc072"),
    (Life.cut,),
    (Life.disconnect, 0, True),
    (Life.mend,),
    *((Life.be_asked,) for _ in HOW),
    *((Life.answer, 0, how) for how in HOW),
    (Life.answer_a_spent_one, 0),
    (Life.disconnect, 0, True),
]


@pytest.mark.timeout(120 * (WALKS + 2))
def test_a_walk_that_takes_every_step(line: Line) -> None:
    life = make_life(line)()
    try:
        life.connect("gpu1")
        for step, *arguments in WALK:
            step(life, *arguments)
            life.the_lists_are_right()
            life.each_answers()
    finally:
        life.teardown()
    rules = {name for name, member in vars(Life).items() if hasattr(member, "hypothesis_stateful_rule")}
    assert rules == {step.__name__ for step, *_ in WALK}


@pytest.mark.timeout(120 * (WALKS + 2))
def test_a_connections_life_is_as_the_contract_says(line: Line) -> None:
    run_state_machine_as_test(
        make_life(line),
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
