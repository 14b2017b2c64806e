"""The stages of connecting, told one by one to whoever wants to know how far it came."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.config.target import Target

__all__ = ["Passed", "Stage", "stages_of", "tell_nobody"]

Stage = Literal["master", "name", "tcp", "banner", "host_key", "authentication"]
"""``master``: the user's own ssh leads there, and no other stage of that hop and those before it comes."""

Passed = Callable[["Target", Stage, str], None]
"""Called with a hop, the stage that it has passed, and what was found: addresses, a version, a key."""


def stages_of(hop: Target, *, is_first: bool) -> tuple[Stage, ...]:
    """Return the stages that connecting to a hop without a master has, in their order.

    Parameters
    ----------
    hop
        The host, or a jump host.
    is_first
        Whether no other hop leads to it.
    """
    if not is_first:
        return "tcp", "banner", "host_key", "authentication"
    if hop.proxy_command is not None:
        return "banner", "host_key", "authentication"
    return "name", "tcp", "banner", "host_key", "authentication"


def tell_nobody(_hop: Target, _stage: Stage, _found: str) -> None:
    """Do nothing: where nobody wants to know."""
