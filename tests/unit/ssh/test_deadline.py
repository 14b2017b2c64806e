"""The time limit that stands still while a person is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.deadline import Deadline


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Person:
    """Answers when told to; `ask` is called in a worker thread."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.asked = asyncio.Event()
        self._answer = threading.Event()
        self.error: Exception | None = None

    def ask(self, instruction: str, prompts: Sequence[Prompt]) -> list[SecretStr]:
        self.loop.call_soon_threadsafe(self.asked.set)
        self._answer.wait()
        if self.error is not None:
            raise self.error
        return [SecretStr("answer")]

    def answer(self) -> None:
        self._answer.set()


def ask(deadline: Deadline, person: Person) -> asyncio.Future[Sequence[SecretStr]]:
    return asyncio.ensure_future(asyncio.to_thread(deadline.patient(person.ask), "", []))


async def test_time_passes_and_never_below_nothing() -> None:
    clock = Clock()
    deadline = Deadline(30, clock)
    clock.now += 12
    assert (deadline.left, deadline.has_asked) == (18, False)
    clock.now += 60
    assert deadline.left == 0


async def test_it_stands_still_from_the_question_to_the_answer() -> None:
    clock, person = Clock(), Person()
    deadline = Deadline(30, clock)
    clock.now += 10
    asking = ask(deadline, person)
    await person.asked.wait()
    clock.now += 1000
    assert (deadline.left, deadline.has_asked) == (20, True)
    person.answer()
    assert [one.get_secret_value() for one in await asking] == ["answer"]
    assert deadline.left == 20
    clock.now += 5
    assert deadline.left == 15


async def test_an_answer_that_never_comes_lets_it_go_on_too() -> None:
    clock, person = Clock(), Person()
    person.error = RuntimeError("declined")
    deadline = Deadline(30, clock)
    asking = ask(deadline, person)
    await person.asked.wait()
    clock.now += 1000
    person.answer()
    with pytest.raises(RuntimeError):
        await asking
    clock.now += 1
    assert deadline.left == 29


async def test_of_two_questions_at_once_the_last_answer_counts() -> None:
    clock, first, second = Clock(), Person(), Person()
    deadline = Deadline(30, clock)
    asking = [ask(deadline, first), ask(deadline, second)]
    await first.asked.wait()
    await second.asked.wait()
    first.answer()
    await asking[0]
    clock.now += 1000
    assert deadline.left == 30
    second.answer()
    await asking[1]
    clock.now += 1
    assert deadline.left == 29


async def test_what_is_bounded_is_not_while_a_person_is_asked() -> None:
    loop = asyncio.get_running_loop()
    person = Person()
    deadline = Deadline(3600)
    async with deadline.limit() as limit:
        before = limit.when()
        asking = ask(deadline, person)
        await person.asked.wait()
        assert limit.when() is None
        async with deadline.limit() as inner:  # begun meanwhile
            assert inner.when() is None
            person.answer()
            await asking
            assert inner.when() == limit.when()
        after = limit.when()
    assert before is not None
    assert after is not None
    assert before <= after <= loop.time() + 3600


async def test_what_takes_too_long_ends() -> None:
    with pytest.raises(TimeoutError):
        async with Deadline(0).limit():
            await asyncio.Event().wait()


async def test_an_answer_after_the_end_changes_nothing() -> None:
    person = Person()
    deadline = Deadline(0)
    with pytest.raises(TimeoutError):
        async with deadline.limit():
            await asyncio.Event().wait()
    asking = ask(deadline, person)
    person.answer()
    await asking
    assert deadline.left == 0


async def test_from_a_servers_words_on_the_time_is_the_persons() -> None:
    clock = Clock()
    deadline = Deadline(30, clock)
    clock.now += 10
    deadline.wait_for_person()
    clock.now += 250
    deadline.wait_for_person()  # it says more, which gives no more time
    assert (deadline.left, deadline.is_persons) == (20, True)
    async with deadline.limit() as limit:
        when = limit.when()
        assert when is not None
        assert when <= asyncio.get_running_loop().time() + 50
        deadline.resume()
        clock.now += 5
        assert (deadline.left, deadline.is_persons) == (15, False)
        deadline.wait_for_person()
        clock.now += 1000
    with pytest.raises(TimeoutError):
        async with deadline.limit():
            await asyncio.Event().wait()
    assert deadline.left == 15


async def test_a_question_among_a_servers_words_takes_none_of_their_time() -> None:
    clock, person = Clock(), Person()
    deadline = Deadline(30, clock)
    deadline.wait_for_person()
    asking = ask(deadline, person)
    await person.asked.wait()
    clock.now += 1000
    person.answer()
    await asking
    async with deadline.limit() as limit:
        when = limit.when()
        assert when is not None
        assert when > asyncio.get_running_loop().time() + 200
