"""What the simulation of a hub says, of what is known without it."""

from __future__ import annotations

from benchmarks.hub import MAX_STARTUPS, UNNOTICED_SECONDS, simulate


def test_everybody_comes_back_once_and_later_the_longer_a_node_was_away() -> None:
    short, long = (simulate(500, outage, 0.05, 32) for outage in (30.0, 600.0))
    assert len(short.seconds) == len(long.seconds) == 500
    longest_pause, queue = 30, 5
    assert 0 < short.seconds[0] <= short.seconds[-1] < long.seconds[-1] <= longest_pause + queue


def test_few_are_never_turned_away_and_a_crowd_at_once_is() -> None:
    start, _, full = MAX_STARTUPS
    assert simulate(start, 30.0, 0.05, 32).refused == 0
    assert simulate(20 * full, 30.0, 0.05, 32).refused > 0
    assert simulate(20 * full, 600.0, 0.05, 32).refused < simulate(20 * full, 30.0, 0.05, 32).refused


def test_no_more_log_in_than_the_node_can() -> None:
    crowd = simulate(2000, 30.0, 0.5, 4)
    assert crowd.busiest <= 4 / 0.5 + 1
    assert crowd.seconds[-1] >= 2000 * 0.5 / 4 - UNNOTICED_SECONDS
    assert simulate(200, 30.0, 0.05, 32, seed=1) == simulate(200, 30.0, 0.05, 32, seed=1)
