"""Questions in a cell; what is typed at a hidden prompt never shows, nor stays in history or output."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Any

from IPython.core.error import StdinNotImplementedError, UsageError

from runicorn_jupyter.notebook.results import plain

__all__ = ["CellPrompter", "ask_secret"]


def ask_secret(prompt: str) -> str:
    """Ask for a secret at a hidden prompt.

    Parameters
    ----------
    prompt
        What to ask for.

    Raises
    ------
    UsageError
        This front end cannot ask.
    """
    try:
        return getpass.getpass(f"{prompt} ")
    except StdinNotImplementedError as exc:
        raise UsageError(
            f"This front end cannot ask for {prompt.rstrip(':')}; use a key, an agent, or RunicornPanel()."
        ) from exc
    except EOFError as exc:
        raise UsageError(f"No answer was given for {prompt.rstrip(':')}.") from exc


class CellPrompter:
    """Puts the questions of connecting at the cell's own prompts."""

    def confirm_host_key(self, host_key: dict[str, Any]) -> bool:
        """Show the fingerprint and ask; the default is no.

        Raises
        ------
        UsageError
            This front end cannot ask.
        """
        name = f"{plain(host_key['host'])}, port {host_key['port']}"
        fingerprint = f"{plain(host_key['key_type'])} {plain(host_key['fingerprint_sha256'])}"
        try:
            answer = input(
                f"The host {name} is not known. Its key is\n  {fingerprint}\n"
                "Compare it with what the server's owner says. Trust this key from now on? [y/N] "
            )
        except (EOFError, StdinNotImplementedError) as exc:
            raise UsageError(
                f"The host {name} is not known (its key: {fingerprint}) and this front end cannot ask; "
                "connect to it with ssh once, or use RunicornPanel()."
            ) from exc
        return answer.strip().lower() in {"y", "yes"}

    def prompt(self, instruction: str, prompts: Sequence[dict[str, Any]]) -> list[str] | None:
        """Ask each prompt, hidden unless the server says that it may show.

        Raises
        ------
        UsageError
            This front end cannot ask.
        """
        if instruction.strip():
            for line in instruction.strip().splitlines():
                print(plain(line))  # noqa: T201 - the person reads it in the cell
        answers = []
        for prompt in prompts:
            text = plain(prompt.get("text", "")).strip() or "Answer:"
            if prompt.get("echo"):
                try:
                    answers.append(input(f"{text} "))
                except (EOFError, StdinNotImplementedError) as exc:
                    raise UsageError(f"This front end cannot ask “{text}”; RunicornPanel() can.") from exc
            else:
                answers.append(ask_secret(text))
        return answers
