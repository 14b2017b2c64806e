"""Questions that authentication asks in the middle of connecting, and the answers people give later.

Authentication runs in a worker thread and simply calls ``ask``. The HTTP request that began it
is answered with ``authentication_required`` meanwhile; the answer arrives with another request,
which then waits for the same work to finish or to ask again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from runicorn_jupyter.errors import (
    AuthenticationFailed,
    AuthenticationRequired,
    ConnectionTimeout,
    InvalidParameters,
    NotFound,
)
from runicorn_jupyter.models import ChallengeResponse, Prompt
from runicorn_jupyter.ssh.auth.ask import Ask, Responses
from runicorn_jupyter.ssh.server_message import ServerMessage

LIFETIME_SECONDS = 120.0
"""How long a question waits for its answer (docs/contract.md, "Challenges")."""


@dataclass(eq=False)
class Challenge:
    """One round of questions."""

    challenge_id: str
    user: str
    instruction: str
    prompts: list[Prompt]
    answers: Future[Responses]
    dialogue: Dialogue

    @property
    def is_late(self) -> bool:
        """Whether the work it began with is done: a connection that comes back asks again."""
        return self.dialogue.task is not None and self.dialogue.task.done()

    def describe(self) -> ChallengeResponse:
        """Give what a front end shows."""
        return ChallengeResponse(
            challenge_id=self.challenge_id,
            instruction=self.instruction,
            prompts=self.prompts,
            server_message=self.dialogue.message.unasked,
        )


@dataclass(eq=False)
class Dialogue:
    """The rounds of one connect, and the callers that wait for its next one."""

    user: str
    about: Mapping[str, str] = field(default_factory=dict)
    message: ServerMessage = field(default_factory=ServerMessage)
    task: asyncio.Task[Any] | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    current: Challenge | None = None


class Challenges:
    """All open questions of a server.

    Parameters
    ----------
    on_challenge
        Called on the event loop for each new question.
    lifetime_seconds
        After this many seconds without an answer the work behind a question fails.
    """

    def __init__(
        self, on_challenge: Callable[[Challenge], None], *, lifetime_seconds: float = LIFETIME_SECONDS
    ) -> None:
        self._on_challenge = on_challenge
        self._lifetime = lifetime_seconds
        self._open: dict[str, Challenge] = {}

    async def run(
        self,
        user: str,
        work: Callable[[Ask], Awaitable[Any]],
        about: Mapping[str, str] | None = None,
        message: ServerMessage | None = None,
    ) -> Any:
        """Run ``work`` until it is done or asks for something.

        Parameters
        ----------
        user
            Only this user may answer.
        work
            Called with the ``ask`` that its worker thread may call, also after it has returned.
        about
            What the questions belong to; read by what announces them.
        message
            What the server has said beside its questions.

        Returns
        -------
        Any
            What ``work`` returned.

        Raises
        ------
        AuthenticationRequired
            If it asks; it goes on when `answer` is called.
        """
        dialogue = Dialogue(user, about or {}, message or ServerMessage())
        dialogue.task = asyncio.ensure_future(work(self.asker(dialogue)))
        try:
            return await self._next(dialogue)
        except asyncio.CancelledError:
            self._cancel(dialogue)
            raise

    def asker(self, dialogue: Dialogue) -> Ask:
        """Make the blocking ``ask`` for a dialogue; call it from a thread of its own only."""
        loop = asyncio.get_running_loop()

        def ask(instruction: str, prompts: Sequence[Prompt]) -> Responses:
            answers: Future[Responses] = Future()
            challenge = Challenge(
                secrets.token_hex(16), dialogue.user, instruction, list(prompts), answers, dialogue
            )
            loop.call_soon_threadsafe(self._add, challenge)
            try:
                return answers.result(self._lifetime)
            except TimeoutError:
                raise ConnectionTimeout(
                    f"Nobody answered the server's question within {self._lifetime:.0f} s; connect again."
                ) from None
            except FutureCancelled:
                raise AuthenticationFailed("The question of the server was declined.") from None
            finally:
                loop.call_soon_threadsafe(self._remove, challenge)

        return ask

    def get(self, challenge_id: str, user: str) -> Challenge:
        """Find an open question of this user.

        Raises
        ------
        NotFound
            If there is none, or it was answered, or it expired.
        """
        challenge = self._open.get(challenge_id)
        if challenge is None or challenge.user != user:
            raise NotFound("This question was answered already, or its time is over; connect again.")
        return challenge

    async def answer(self, challenge_id: str, user: str, answers: Responses) -> Any:
        """Give the answers; wait for the work to finish or to ask again.

        Raises
        ------
        NotFound
            If there is no such question.
        InvalidParameters
            If there are not as many answers as prompts.
        AuthenticationRequired
            If there is a further round, under a new id.
        """
        challenge = self.get(challenge_id, user)
        if len(answers) != len(challenge.prompts):
            raise InvalidParameters.for_field(
                "responses", f"needs {len(challenge.prompts)} answers, one for each prompt"
            )
        self._remove(challenge)
        challenge.answers.set_result(answers)
        return await self._next(challenge.dialogue)

    def drop(self, challenge_id: str, user: str) -> None:
        """Decline to answer, which ends the work behind the question."""
        self._cancel(self.get(challenge_id, user).dialogue)

    def close(self) -> None:
        """Decline every open question."""
        for challenge in list(self._open.values()):
            self._cancel(challenge.dialogue)

    def _add(self, challenge: Challenge) -> None:
        self._open[challenge.challenge_id] = challenge
        challenge.dialogue.current = challenge
        challenge.dialogue.asked.set()
        self._on_challenge(challenge)

    def _remove(self, challenge: Challenge) -> None:
        self._open.pop(challenge.challenge_id, None)
        if challenge.dialogue.current is challenge:
            challenge.dialogue.current = None
            challenge.dialogue.asked.clear()

    def _cancel(self, dialogue: Dialogue) -> None:
        if dialogue.current is not None:
            dialogue.current.answers.cancel()
            self._remove(dialogue.current)
        if dialogue.task is not None:
            dialogue.task.cancel()

    async def _next(self, dialogue: Dialogue) -> Any:
        if dialogue.task is None:
            return None
        asked = asyncio.ensure_future(dialogue.asked.wait())
        try:
            await asyncio.wait({dialogue.task, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        if dialogue.task.done():
            return dialogue.task.result()
        challenge = dialogue.current
        if challenge is None:
            return await self._next(dialogue)
        said = dialogue.message.unasked
        raise AuthenticationRequired(
            "The server asks for more before it lets you in.",
            challenge_id=challenge.challenge_id,
            instruction=challenge.instruction,
            prompts=[prompt.model_dump() for prompt in challenge.prompts],
            **({"server_message": said} if said else {}),
        )
