"""The methods ``keyboard-interactive`` (RFC 4256) and ``password`` (RFC 4252, 8), in any number of rounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from paramiko.message import Message
from pydantic import SecretStr

from runicorn_jupyter.errors import AuthenticationFailed
from runicorn_jupyter.models import Prompt
from runicorn_jupyter.ssh.auth.ask import Ask
from runicorn_jupyter.ssh.auth.userauth import Failure, MethodMessage, Reply, Success, UserAuth
from runicorn_jupyter.text import plain_text

__all__ = ["KeyboardInteractive", "Password", "PasswordState"]

_MAX_ROUNDS = 32
_MAX_PROMPTS = 32  # as many answers as the API takes
_MAX_TEXT = 2048  # characters of a prompt or instruction that are shown

# What asks for the account's password, in the languages that PAM is translated to most.
_PASSWORD_WORDS = re.compile(
    r"password|passwort|kennwort|mot de passe|contrase|senha|wachtwoord|l[öo]senord|has[łl]o|парол|"
    r"密码|密碼|口令|パスワード|비밀번호|암호|şifre|parola",
    re.IGNORECASE,
)
_ONE_TIME_WORDS = re.compile(
    r"one[- ]?time|otp|token|verification|code|new |retype|again|einmal|动态|验证|二次", re.IGNORECASE
)

# As PAM says that it has expired, in the languages above where its words are known.
_EXPIRED = re.compile(
    r"change your password|password.{0,20}expired|expired.{0,20}password|passwort.{0,30}(abgelaufen|ändern)|"
    r"密[码碼].{0,8}(过期|過期|到期)|更改.{0,6}密[码碼]",
    re.IGNORECASE,
)

# PAM changes an expired password in the middle of the conversation: what it asks for, word after word.
_NEW_PASSWORD = (
    ("new", "password"),
    ("password", "again"),
    ("password", "retype"),
    ("新", "密码"),
    ("新", "密碼"),
)


class PasswordState:
    """The known password of the account, and the prompt for another one.

    Parameters
    ----------
    who
        ``USER@HOST``, for what people read.
    given
        Password of the request; if set, no person is asked for one.
    remembered
        Passwords typed earlier; read only when needed.
    key
        Key of the password in ``remembered``.
    ask
        Prompts a person; None if no person can answer.
    attempts
        Number of attempts a person has (ssh's ``NumberOfPasswordPrompts``).
    notes
        Sentences on what went wrong so far, growing; shown to the person with the next prompt.
    """

    def __init__(
        self,
        who: str,
        *,
        given: SecretStr | None,
        remembered: Mapping[str, SecretStr],
        key: str,
        ask: Ask | None,
        attempts: int,
        notes: list[str],
    ) -> None:
        self.who = who
        self.given = given is not None
        self.key = key
        # A password that had to be changed on the way is newer than the request's.
        self._password = remembered[key] if given is not None and key in remembered else given
        self._recall = None if self.given else remembered
        self.ask = ask
        self.attempts = max(1, attempts)
        self.typed: SecretStr | None = None
        self.notes = notes
        self._reported = 0

    @property
    def password(self) -> SecretStr | None:
        """The password to try next."""
        if self._recall is not None:
            self._password, self._recall = self._recall.get(self.key), None
        return self._password

    @password.setter
    def password(self, value: SecretStr | None) -> None:
        self._password, self._recall = value, None

    def request(self, instruction: str, prompts: Sequence[Prompt]) -> list[SecretStr]:
        """Prompt the person.

        Raises
        ------
        AuthenticationFailed
            No person can answer, or the number of answers is wrong.
        """
        if self.ask is None:
            wanted = ", ".join(repr(prompt.text.strip()) for prompt in prompts) or "an answer"
            raise AuthenticationFailed(
                f"{self.who} asks for {wanted}, and nobody is here to answer: connect again."
            )
        news, self._reported = self.notes[self._reported :], len(self.notes)
        answers = list(self.ask(_join([*news, instruction]), prompts))
        if len(answers) != len(prompts):
            raise AuthenticationFailed(
                f"{self.who} asked {len(prompts)} questions and got {len(answers)} answers: connect again."
            )
        return answers


class _Asking:
    """Base of both methods: the transport, the password state and the attempts.

    Parameters
    ----------
    session
        The conversation with the server.
    answers
        The password, and the person.
    """

    def __init__(self, session: UserAuth, answers: PasswordState) -> None:
        self._session = session
        self._answers = answers
        self.password_refused = False
        self.restart()

    def restart(self) -> None:
        """Allow another attempt after a partial success."""
        self._attempts = 0
        self._spent = False  # what needs nobody was tried


class KeyboardInteractive(_Asking):
    """The ``keyboard-interactive`` method, in several rounds; parameters as for `_Asking`.

    The account's password answers a hidden prompt that asks for a password, once; all else
    goes to the person.
    """

    name = "keyboard-interactive"

    def attempt(self) -> Reply | None:
        """Run one exchange of prompts and answers.

        Returns
        -------
        Reply or None
            None when trying again makes no sense.

        Raises
        ------
        AuthenticationFailed
            Nobody can answer what the server asks.
        TransportClosed
            The connection ended.
        """
        if self._spent or self._attempts >= self._answers.attempts:
            return None
        self._attempts += 1
        reply = self._session.request(self.name, "", "")
        used_password = asked_person = expired = False
        pending: list[str] = []
        for _ in range(_MAX_ROUNDS):
            if not isinstance(reply, MethodMessage):
                break
            instruction, prompts = _info_request(reply.body)
            pending += [instruction] if instruction else []
            expired |= any(_EXPIRED.search(text) for text in (instruction, *(each.text for each in prompts)))
            if not prompts:
                # It may wait for something elsewhere, such as a telephone.
                self._session.message.add_line(instruction)
                reply = self._session.respond([])
                continue
            is_password = not used_password and self._is_password(prompts)
            known = self._answers.password if is_password else None
            automatic = known is not None
            texts = [] if automatic else [prompt.text for prompt in prompts]
            self._session.message.add_line("\n".join([instruction, *texts]).strip(), is_shown=not automatic)
            responses = self._ask("\n".join(pending), prompts) if known is None else [known]
            used_password |= automatic
            asked_person |= not automatic
            pending = []
            reply = self._session.respond([response.get_secret_value() for response in responses])
        if isinstance(reply, Failure) and not reply.partial:
            self.password_refused |= used_password and not asked_person
            if expired:
                self._answers.notes.append(
                    f"The password of {self._answers.who} has expired and was not changed: "
                    "log in once with ssh to change it."
                )
            # Asking a person again makes sense, and so does asking where an old answer was used.
            self._spent = not asked_person and (self._answers.given or not used_password)
            if not self._answers.given:
                self._answers.password = None
        return reply

    @staticmethod
    def _is_password(prompts: list[Prompt]) -> bool:
        return len(prompts) == 1 and not prompts[0].echo and _asks_for_password(prompts[0].text)

    def _ask(self, instruction: str, prompts: list[Prompt]) -> list[SecretStr]:
        """Ask the person, and remember a password that they type."""
        who = self._answers.who
        about = _join([f"{who}:", instruction]) if instruction else f"{who} asks."
        responses = self._answers.request(about, prompts)
        if self._is_password(prompts):
            self._answers.typed = self._answers.password = responses[0]
        for prompt, response in zip(prompts, responses, strict=True):
            if not prompt.echo and _asks_for_new_password(prompt.text):
                self._answers.typed = response
        return responses


class Password(_Asking):
    """The ``password`` method, with the change of an expired one; parameters as for `_Asking`."""

    name = "password"

    def attempt(self) -> Reply | None:
        """Send the password.

        Returns
        -------
        Reply or None
            None when trying again makes no sense.

        Raises
        ------
        AuthenticationFailed
            Nobody can be asked, or the password expired and was not changed.
        TransportClosed
            The connection ended.
        """
        password = self._next_password()
        if password is None:
            return None
        reply = self._session.request(self.name, False, password.get_secret_value())
        old, changes = password, 0
        while isinstance(reply, MethodMessage):
            changes += 1
            password, reply = self._change(old, reply.body, give_up=changes > self._answers.attempts)
        if isinstance(reply, Success) or (isinstance(reply, Failure) and reply.partial):
            self._answers.typed = password
        else:
            self.password_refused = True
        return reply

    def _next_password(self) -> SecretStr | None:
        if self._answers.password is not None and not self._spent:
            self._spent = True
            return self._answers.password
        if self._answers.ask is None or self._answers.given or self._attempts >= self._answers.attempts:
            return None
        self._attempts += 1
        again = "That was not it. " if self._attempts > 1 else ""
        prompt = Prompt(text=f"{self._answers.who}'s password:", echo=False)
        return self._answers.request(f"{again}{self._answers.who} takes a password.", [prompt])[0]

    def _change(self, old: SecretStr, request: Message, give_up: bool) -> tuple[SecretStr, Reply]:
        text = _clean(request.get_binary())
        expired = f"The password of {self._answers.who} has expired and must be changed"
        if self._answers.ask is None or give_up:
            raise AuthenticationFailed(f"{expired}: log in once with ssh to change it.")
        prompts = [
            Prompt(text="New password:", echo=False),
            Prompt(text="Retype new password:", echo=False),
        ]
        new, again = self._answers.request(f"{expired}. {text}".strip(), prompts)
        if new.get_secret_value() != again.get_secret_value():
            raise AuthenticationFailed(f"{expired}; the two new passwords differed: connect again.")
        return new, self._session.request(self.name, True, old.get_secret_value(), new.get_secret_value())


def _info_request(message: Message) -> tuple[str, list[Prompt]]:
    name = _clean(message.get_binary())
    instruction = _clean(message.get_binary())
    message.get_binary()  # the language tag, which is deprecated
    count = message.get_int()
    if count > _MAX_PROMPTS:
        raise AuthenticationFailed("The server asks more questions at once than anybody would answer.")
    prompts = []
    for _ in range(count):
        text = _clean(message.get_binary())
        prompts.append(Prompt(text=text, echo=message.get_boolean()))
    return "\n".join(part for part in (name, instruction) if part), prompts


def _join(texts: list[str]) -> str:
    """Join texts, the last of which may have lines: on one line if it has none."""
    return ("\n" if "\n" in texts[-1] else " ").join(texts)


def _clean(raw: bytes) -> str:
    """Make a server's text safe to show."""
    text = raw.decode("utf-8", "replace")
    return plain_text(text, substitute=" ", line_breaks=True, limit=_MAX_TEXT).strip()


def _asks_for_password(text: str) -> bool:
    return bool(_PASSWORD_WORDS.search(text)) and not _ONE_TIME_WORDS.search(text)


def _asks_for_new_password(text: str) -> bool:
    text = text.lower()
    return any(word in text.partition(before)[2] for before, word in _NEW_PASSWORD)
