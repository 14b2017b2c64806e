"""Making and removing the private environment with runicorn on a remote, as a service does it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from runicorn_jupyter import models as m
from runicorn_jupyter.errors import EnvironmentSetupFailed, NotFound, PythonNotFound, SetupCancelled
from runicorn_jupyter.remote.setup.conversation import SetupParameters
from runicorn_jupyter.remote.setup.look import FOLDER
from runicorn_jupyter.remote.setup.pythons import best_pythons
from runicorn_jupyter.remote.setup.standalone import MEGABYTES as PYTHON_MEGABYTES
from runicorn_jupyter.remote.setup.standalone import VERSION as PYTHON_VERSION
from runicorn_jupyter.remote.setup.standalone import where_from
from runicorn_jupyter.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from runicorn_jupyter.remote.probe import Probe
    from runicorn_jupyter.service.caller import Caller, Emit
    from runicorn_jupyter.service.session import Session

__all__ = ["EnvironmentSetup", "setup_plan"]

MEGABYTES = 110
"""Of disk that runicorn 0.7 takes with all that it needs."""


def setup_plan(probe: Probe) -> m.SetupPlan | None:
    """Return what making a private environment would do on a remote; None where no commands run.

    Parameters
    ----------
    probe
        What was found there.
    """
    if not probe.home:
        return None
    best = next(iter(best_pythons(probe.environments)), None)
    brings = problem = None
    if best is None and probe.platform is not None:
        problem = probe.platform.problem
        if comes_from := where_from(probe.platform):
            brings = m.PythonToBring(
                version=PYTHON_VERSION, megabytes=PYTHON_MEGABYTES, comes_from=comes_from
            )
    return m.SetupPlan(
        folder=f"{plain_text(probe.home).rstrip('/')}/{FOLDER}",
        python_path=best.python_path if best else None,
        python_version=best.python_version if best else None,
        megabytes=MEGABYTES,
        brings=brings,
        problem=problem,
    )


def _no_python(probe: Probe) -> PythonNotFound:
    """Make the error for a remote without a Python; it says whether one can be brought."""
    plan = setup_plan(probe)
    if plan is not None and plan.brings is not None:
        return PythonNotFound(
            "The remote has no Python of at least 3.8; one can be brought"
            f" (bring_python, about {plan.brings.megabytes} MB)."
        )
    reason = f" {plan.problem}" if plan is not None and plan.problem else ""
    return PythonNotFound(
        f"The remote has no Python of at least 3.8; ask its administrator for one, or install uv's.{reason}"
    )


class EnvironmentSetup:
    """Makes and removes private environments, and cancels the making of one.

    Parameters
    ----------
    emit
        Sends an event to the front ends.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._running: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def create(
        self, caller: Caller, session: Session, request: m.CreateEnvironmentRequest
    ) -> tuple[m.Environment, bool]:
        """Make the environment, or find the one that is there; return it, and whether it was made.

        Raises
        ------
        SetupCancelled
            If `cancel` ends it.
        PythonNotFound
            If no Python of the remote can make one.
        """
        probe = await session.look()
        pythons = best_pythons(probe.environments) or [each for each in probe.environments if each.private]
        if request.python is not None:
            pythons = [await session.environment(request.python)]
        elif not pythons and not request.bring_python:
            raise _no_python(probe)
        parameters = SetupParameters(
            "create",
            pythons,
            runicorn_version=request.runicorn_version,
            wheels=request.wheels,
            same_python=request.python is not None,
            platform=probe.platform if request.bring_python and request.python is None else None,
        )
        answer = await self._run(caller, self._work(caller, session, parameters))
        prefix = answer.get("prefix")
        if answer.get("made") is True or not any(each.prefix == prefix for each in probe.environments):
            probe = await session.look(older_than=-1.0)
        found = next((each for each in probe.environments if each.private and each.prefix == prefix), None)
        if found is None:
            raise EnvironmentSetupFailed(
                "The environment was made, but is not found; look for environments again."
            )
        return found, answer.get("made") is True

    async def remove(self, caller: Caller, session: Session) -> int:
        """Remove the environment, and return how many bytes of disk that frees."""
        probe = await session.look()
        pythons = [*best_pythons(probe.environments), *(each for each in probe.environments if each.private)]
        answer = await self._work(caller, session, SetupParameters("remove", pythons))
        await session.look(older_than=-1.0)
        size = answer.get("bytes")
        return size if isinstance(size, int) else 0

    def cancel(self, caller: Caller, request_id: str) -> None:
        """Cancel what a request of the same user makes.

        Raises
        ------
        NotFound
            If it makes nothing.
        """
        task = self._running.get((caller.user, request_id))
        if task is None:
            raise NotFound("Nothing is being set up under this request id.")
        task.cancel()

    def close(self) -> None:
        """Cancel all that is being made."""
        for task in self._running.values():
            task.cancel()

    async def _run(self, caller: Caller, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        task = asyncio.create_task(work, name="set up an environment")
        key = (caller.user, caller.request_id)
        if caller.request_id:
            self._running[key] = task
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()  # of a caller that is itself cancelled
            self._running.pop(key, None)
        if task.cancelled():
            raise SetupCancelled(
                "Setting up runicorn was cancelled; what had been downloaded stays for the next time."
            )
        return task.result()

    async def _work(self, caller: Caller, session: Session, parameters: SetupParameters) -> dict[str, Any]:
        def on_step(step: str, text: str) -> None:
            self._emit(
                "progress",
                connection_id=session.connection_id,
                request_id=caller.request_id,
                host=session.host,
                step=step,
                **({"message": text} if text else {}),
            )

        return await session.remote.run_setup(parameters, on_step)
