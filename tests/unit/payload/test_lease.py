"""Who holds a viewer, and when it ends."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runicorn_jupyter.payload.lease import MAX_HOLDERS, MAX_TICK_SECONDS, Lease, TooManyHolders


def ticks(lease: Lease, seconds: float) -> bool:
    """Let time pass in ticks of a second; tell whether the lease expired on the way."""
    expired = [lease.tick(1.0) for _ in range(int(seconds))]
    return any(expired)


def test_it_expires_one_tick_after_its_time() -> None:
    lease = Lease(10)
    lease.renew("a", 5)
    assert not ticks(lease, 5)
    assert lease.remaining == 0
    assert lease.tick(1)


def test_a_renewal_that_waited_in_a_socket_is_in_time() -> None:
    lease = Lease(0)
    lease.renew("a", 5)
    assert not ticks(lease, 5)
    lease.renew("a", 5)
    assert not ticks(lease, 5)


@pytest.mark.parametrize("jump", [3600.0, 1e12, -5.0])
def test_sleep_and_clocks_that_jump_count_as_one_tick(jump: float) -> None:
    lease = Lease(0)
    lease.renew("a", 10)
    assert not lease.tick(jump)
    assert lease.remaining >= 10 - MAX_TICK_SECONDS


def test_it_waits_for_its_first_holder() -> None:
    lease = Lease(3)
    assert not ticks(lease, 3)
    assert lease.tick(1)


def test_the_longest_claim_counts() -> None:
    lease = Lease(0)
    lease.renew("short", 2)
    lease.renew("long", 20)
    assert not ticks(lease, 20)
    assert lease.tick(1)


def test_the_last_to_leave_ends_it() -> None:
    lease = Lease(0)
    lease.renew("a", 10)
    lease.renew("b", 10)
    assert not lease.leave("a", stop=True)
    assert lease.present() == ["b"]
    assert lease.leave("b", stop=True)


def test_who_was_released_does_not_keep_it_from_being_stopped() -> None:
    lease = Lease(0)
    lease.renew("a", 10)
    lease.renew("b", 10)
    assert not lease.leave("a", stop=False)
    assert lease.remaining == 10
    assert lease.leave("b", stop=True)


def test_who_left_may_come_back() -> None:
    lease = Lease(0)
    lease.renew("a", 10)
    lease.leave("a", stop=False)
    lease.renew("a", 10)
    assert lease.present() == ["a"]


def test_a_stranger_may_stop_what_nobody_holds() -> None:
    assert Lease(10).leave("stranger", stop=True)


def test_dead_holders_are_dropped_but_their_time_is_left() -> None:
    lease = Lease(0)
    lease.renew("dead", 10)
    lease.renew("b", 5)
    lease.drop(["dead", "unknown"])
    assert lease.present() == ["b"]
    assert lease.remaining == 10
    assert lease.leave("b", stop=True)


def test_holders_are_bounded_and_lapse() -> None:
    lease = Lease(0)
    for number in range(MAX_HOLDERS):
        lease.renew(str(number), 2)
    lease.renew("0", 2)
    with pytest.raises(TooManyHolders):
        lease.renew("one more", 2)
    lease.tick(2)
    lease.renew("one more", 2)
    assert list(lease.holders()) == ["one more"]


class Life(RuleBasedStateMachine):
    """A lease beside the plainest account of who holds it and for how long."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        self.lease = Lease(5)
        self.until = {"": 5.0}
        self.held: set[str] = set()
        self.now = 0.0
        self.over = False

    names = st.sampled_from("abc")

    @precondition(lambda self: self.over)
    @rule()
    def start_again(self) -> None:
        self.begin()

    @precondition(lambda self: not self.over)
    @rule(name=names, seconds=st.integers(1, 9))
    def renew(self, name: str, seconds: int) -> None:
        self.lease.renew(name, seconds)
        self.until.pop("", None)
        self.until[name] = self.now + seconds
        self.held.add(name)

    @precondition(lambda self: not self.over)
    @rule(name=names, stop=st.booleans())
    def leave(self, name: str, stop: bool) -> None:
        self.over = self.lease.leave(name, stop)
        self.held.discard(name)
        if stop:
            self.until.pop(name, None)
        assert self.over == (stop and not self.living())

    @precondition(lambda self: not self.over)
    @rule(seconds=st.integers(0, 2))
    def tick(self, seconds: int) -> None:
        left_before = self.left()
        self.now += seconds
        expired = self.lease.tick(seconds)
        assert not expired or (left_before == 0 and self.left() == 0)
        self.over = expired

    def living(self) -> set[str]:
        return {name for name in self.held if self.until[name] > self.now}

    def left(self) -> float:
        return max([0.0, *(until - self.now for until in self.until.values())])

    @invariant()
    def agrees(self) -> None:
        assert set(self.lease.present()) == self.living()
        assert self.lease.remaining == self.left()


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_life = Life.TestCase
