"""The stream on which a holder renews its lease, and which tells whether the viewer lives and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from runicorn_jupyter.remote.control import Control

__all__ = ["Lifeline"]


class Lifeline:
    """One stream for all renewals of a lease; made by `SshViewerClient.open_lifeline`.

    Parameters
    ----------
    control
        On a fresh stream, without a limit of time; closed by `close`.
    renewal
        What ``renew`` takes.
    note_holders
        Called with how many hold the viewer.
    """

    def __init__(
        self, control: Control, renewal: dict[str, Any], note_holders: Callable[[int], None]
    ) -> None:
        self._control = control
        self._renewal = renewal
        self._note_holders = note_holders

    async def renew(self) -> None:
        """Prolong the lease; wait for the answer for as long as there is none.

        Raises
        ------
        OSError
            If the stream ends, if what answers is not the viewer, or if that is about to end.
        ConnectionLost
            If the connection is lost.
        """
        answer = await self._control.ask("renew", brief=True, **self._renewal)
        if answer.get("ending") is True:
            raise ConnectionRefusedError("the viewer is about to end")
        holders = answer.get("holders")
        if isinstance(holders, dict):  # of a viewer from before there were brief answers
            holders = len(holders)
        if isinstance(holders, int):
            self._note_holders(holders)

    async def ended(self) -> None:
        """Wait until the viewer's side ends the stream; not while `renew` waits.

        Raises
        ------
        NotTheViewer
            If something is said that nobody has asked for.
        ConnectionLost
            If the connection is lost.
        """
        await self._control.ended()

    def close(self) -> None:
        """Close the stream."""
        self._control.close()
