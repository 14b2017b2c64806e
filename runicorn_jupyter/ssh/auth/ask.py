"""Asking a person in the middle of an authentication."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import SecretStr

from runicorn_jupyter.models import Prompt

__all__ = ["Ask", "Responses"]

Responses = Sequence[SecretStr]
"""One answer for each prompt, in their order."""

Ask = Callable[[str, Sequence[Prompt]], Responses]
"""Asks the person: an instruction and prompts in, one answer per prompt out.

Blocks the worker thread that calls it; raises `AuthenticationFailed` or `ConnectionTimeout`
when nobody answers.
"""
