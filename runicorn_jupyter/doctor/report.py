"""The report of the doctor: its lines, without secrets, as Markdown for an issue or as JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from runicorn_jupyter.text import mask_secrets, plain_text

__all__ = ["Check", "Redactor", "Report", "Status", "secrets_of"]

Status = Literal["ok", "problem", "not tried"]

MAX_LINES = 200
MAX_TEXT = 600
"""Characters of what one check says, and of how to mend it."""
MIN_SECRET = 6
"""Characters; a shorter value is no secret, and would be masked wherever it is part of a word."""
_STATUS_WIDTH, _NAME_WIDTH = 11, 20
_URL_USER = re.compile(r"(\bhttps?://)[^\s/@]{1,512}@", re.IGNORECASE)
_URL_TOKEN = re.compile(r"([?&](?:token|access_token)=)[^\s&#]{1,512}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Attributes
    ----------
    section
        The heading that it is below.
    name
        What was looked at, in a word or two.
    status
        ``ok``, ``problem`` or ``not tried``.
    text
        What was found.
    mend
        What to do about a problem, in one sentence.
    code
        The API's code of the problem, if it has one.
    """

    section: str
    name: str
    status: Status
    text: str
    mend: str = ""
    code: str = ""


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Return the values of the variables whose names say that they are secrets."""
    return [value for name, value in environ.items() if mask_secrets(f"{name}=?") != f"{name}=?"]


class Redactor:
    """Takes out of a text what nobody else is to read; what is left is one line.

    Parameters
    ----------
    secrets
        Values that are known to be secret: tokens, credentials.
    home
        The home folder, which becomes ``~``.
    """

    def __init__(self, secrets: Iterable[str], home: Path) -> None:
        longest_first = sorted({each for each in secrets if len(each) >= MIN_SECRET}, key=len, reverse=True)
        self._secrets = longest_first
        homes = {str(home), os.path.realpath(home)} - {os.sep}
        ends = r"(?=[\\/:;,'\"\s]|$)"
        self._homes = [re.compile(re.escape(each) + ends) for each in sorted(homes, key=len, reverse=True)]

    def __call__(self, text: str) -> str:
        """Return the text without secrets, home, credentials in URLs and control characters."""
        text = plain_text(text, substitute=" ")
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for home in self._homes:
            text = home.sub("~", text)
        text = _URL_TOKEN.sub(r"\1***", _URL_USER.sub(r"\1***@", text))
        text = mask_secrets(text, is_command=False)
        return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


class Report:
    """Collects the checks, redacted, and shows each as soon as it is there.

    Parameters
    ----------
    title
        What the report is of.
    redact
        Takes secrets out of each text.
    show
        Called with each line of the Markdown as it comes; None for those who want the whole at the end.
    """

    def __init__(self, title: str, redact: Redactor, show: Callable[[str], object] | None = None) -> None:
        self.checks: list[Check] = []
        self._redact = redact
        self._show = show or (lambda _line: None)
        self._lines = 0
        self._title = redact(title)
        # A fence keeps what other machines say from being read as Markdown, mentions and links.
        self._write(f"### {self._title}", "", "```text")

    def add(self, check: Check) -> None:
        """Add a check."""
        redact = self._redact
        check = replace(check, name=redact(check.name), text=redact(check.text), mend=redact(check.mend))
        if not self.checks or self.checks[-1].section != check.section:
            self._write(*([""] if self.checks else []), redact(check.section))
        self.checks.append(check)
        code = f" [{check.code}]" if check.code else ""
        line = f"  {check.status:{_STATUS_WIDTH}}{check.name:{_NAME_WIDTH}} {check.text}{code}"
        indent = " " * (2 + _STATUS_WIDTH)
        self._write(line.rstrip(), *([f"{indent}→ {check.mend}"] if check.mend else []))

    @property
    def is_well(self) -> bool:
        """Whether no problem was found."""
        return all(check.status != "problem" for check in self.checks)

    def end(self, note: str = "") -> None:
        """Close the Markdown.

        Parameters
        ----------
        note
            What is to be said below the checks; empty for nothing.
        """
        count = sum(check.status == "problem" for check in self.checks)
        found = "no problem" if not count else "1 problem" if count == 1 else f"{count} problems"
        for line in ("", f"{note or 'Found'}: {found}.", "```"):
            self._show(line)

    def to_json(self, note: str = "") -> str:
        """Return the whole report as JSON.

        Parameters
        ----------
        note
            As of `end`.
        """
        checks = [asdict(check) for check in self.checks]
        whole = {"title": self._title, "ok": self.is_well, "note": note, "checks": checks}
        return json.dumps(whole, ensure_ascii=False, indent=2)

    def _write(self, *lines: str) -> None:
        for line in lines:
            self._lines += 1
            if self._lines <= MAX_LINES - 3:  # which `end` needs
                self._show(line)
