"""Questions in the middle of connecting: asked from a thread, answered by another request."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from runicorn_jupyter.errors import AuthenticationRequired, ConnectionTimeout, InvalidParameters, NotFound
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.service.challenges import Challenge, Challenges
from runicorn_jupyter.ssh.auth.ask import Ask, Responses

CODE = Prompt(text="Verification code: ", echo=False)


def text(answers: Responses) -> list[str]:
    return [answer.get_secret_value() for answer in answers]


async def asked(challenges: Challenges, work: object) -> str:
    with pytest.raises(AuthenticationRequired) as failure:
        await challenges.run("ann", work)  # type: ignore[arg-type]
    assert failure.value.details["prompts"] == [{"text": "Verification code: ", "echo": False}]
    return str(failure.value.details["challenge_id"])


def two_rounds(ask: Ask) -> list[str]:
    return text(ask("first", [CODE])) + text(ask("second", [CODE]))


async def in_thread(ask: Ask) -> list[str]:
    return await asyncio.to_thread(two_rounds, ask)


async def test_work_that_asks_nothing_returns() -> None:
    async def work(ask: Ask) -> str:
        return "done"

    assert await Challenges(lambda _: None).run("ann", work) == "done"


async def test_each_round_has_its_own_id_and_the_last_answer_gets_the_result() -> None:
    announced: list[str] = []
    challenges = Challenges(lambda challenge: announced.append(challenge.challenge_id))
    first = await asked(challenges, in_thread)
    assert challenges.get(first, "ann").describe().instruction == "first"
    with pytest.raises(AuthenticationRequired) as again:
        await challenges.answer(first, "ann", [SecretStr("1")])
    second = again.value.details["challenge_id"]
    assert announced == [first, second]
    assert first != second
    with pytest.raises(NotFound):
        challenges.get(first, "ann")
    assert await challenges.answer(second, "ann", [SecretStr("2")]) == ["1", "2"]


async def test_only_the_user_who_connects_may_answer_and_only_with_as_many_answers_as_prompts() -> None:
    challenges = Challenges(lambda _: None)
    challenge_id = await asked(challenges, in_thread)
    with pytest.raises(NotFound):
        await challenges.answer(challenge_id, "bob", [SecretStr("1")])
    with pytest.raises(InvalidParameters):
        await challenges.answer(challenge_id, "ann", [])
    challenges.drop(challenge_id, "ann")


async def test_a_question_expires() -> None:
    challenges = Challenges(lambda _: None, lifetime_seconds=0.05)
    challenge_id = await asked(challenges, in_thread)
    dialogue = challenges.get(challenge_id, "ann").dialogue
    assert dialogue.task is not None
    with pytest.raises(ConnectionTimeout):
        await dialogue.task
    with pytest.raises(NotFound):
        challenges.get(challenge_id, "ann")


async def test_declining_cancels_the_work_and_frees_its_thread() -> None:
    challenges = Challenges(lambda _: None)
    ended = asyncio.Event()

    async def work(ask: Ask) -> object:
        try:
            return await asyncio.to_thread(ask, "first", [CODE])
        finally:
            ended.set()

    challenge_id = await asked(challenges, work)
    challenges.drop(challenge_id, "ann")
    await ended.wait()
    with pytest.raises(NotFound):
        challenges.drop(challenge_id, "ann")


async def test_a_question_after_the_work_is_done_is_late_and_says_what_it_belongs_to() -> None:
    announced: list[Challenge] = []
    arrived = asyncio.Event()

    def announce(challenge: Challenge) -> None:
        announced.append(challenge)
        arrived.set()

    challenges = Challenges(announce)
    kept: list[Ask] = []

    async def work(ask: Ask) -> str:
        kept.append(ask)
        return "connected"

    assert await challenges.run("ann", work, {"connection_id": "conn_1"}) == "connected"
    again = asyncio.create_task(asyncio.to_thread(kept[0], "code", [CODE]))
    await arrived.wait()
    assert announced[0].is_late
    assert announced[0].dialogue.about == {"connection_id": "conn_1"}
    assert await challenges.answer(announced[0].challenge_id, "ann", [SecretStr("7")]) == "connected"
    assert text(await again) == ["7"]
