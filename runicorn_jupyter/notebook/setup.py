"""``%runicorn_setup``: says what it will do on the remote, asks, does it, and takes it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError, UsageError

from runicorn_jupyter.notebook.results import Environments, plain

if TYPE_CHECKING:
    import argparse

    from runicorn_jupyter.client import RunicornRemoteClient
    from runicorn_jupyter.notebook.session import NotebookSession

__all__ = ["remove", "set_up"]


def set_up(session: NotebookSession, args: argparse.Namespace) -> Environments:
    """Make the private environment on a remote, after the person has agreed, and return it.

    Parameters
    ----------
    session
        This kernel's.
    args
        The options of ``%runicorn_setup``.
    """
    connection = session.find(args.name)
    ident, host = connection["connection_id"], plain(connection["name"])
    found = session.client.read_environments(ident)
    there = [each for each in found["environments"] if each["private"]]
    brings = None
    if not there:
        plan = found.get("setup")
        brings = None if args.python or plan is None else plan.get("brings")
        text = _plan_text(host, plan, args.python)
        if brings and args.yes and not args.bring_python:
            raise UsageError(f"{text}\nAdd --bring-python to agree to the Python.")
        _agree(text, args.yes)

    request_ids: list[str] = []

    def work(client: RunicornRemoteClient) -> dict[str, Any]:
        request_ids.append(str(client.session.headers["X-Request-Id"]))
        return client.create_environment(
            ident,
            runicorn_version=args.version,
            python=args.python,
            bring_python=bool(brings),
            wheels=args.wheels,
        )

    try:
        answer = session.run(host, work)
    except KeyboardInterrupt:
        for request_id in request_ids:
            session.client.cancel_environment(request_id)
        raise
    return Environments([answer["environment"]])


def remove(session: NotebookSession, args: argparse.Namespace) -> str:
    """Remove the private environment of a remote, and return a sentence on it.

    Parameters
    ----------
    session, args
        As of `set_up`.
    """
    connection = session.find(args.name)
    ident = connection["connection_id"]
    answer = session.run(plain(connection["name"]), lambda client: client.remove_environment(ident))
    return plain(answer["message"])


def _plan_text(host: str, plan: dict[str, Any] | None, python: str | None) -> str:
    if plan is None:
        raise UsageError(f"{host} runs no commands for this account, so nothing can be set up there.")
    python = python or plan["python_path"]
    brings = plan.get("brings")
    megabytes = plan["megabytes"]
    if python is not None:
        made_with = f"with {plain(python)}"
    elif brings:
        whose = "its uv" if brings["comes_from"] == "remote" else "this server's uv"
        version = plain(brings["version"])
        made_with = f"with a Python {version} that {whose} brings, for it has none of at least 3.8"
        megabytes += brings["megabytes"]
    else:
        problem = plain(plan.get("problem") or "")
        raise UsageError(
            f"{host} has no Python of at least 3.8; install one there with uv or conda, or load a module in a"
            f" start-up file of your login shell, then %runicorn_envs --refresh. {problem}".rstrip()
        )
    return (
        f"This makes a Python environment with runicorn on {host}, {made_with}, in {plain(plan['folder'])}:\n"
        f"about {megabytes} MB, and nothing outside of that folder. "
        "%runicorn_setup --remove takes it away again."
    )


def _agree(text: str, yes: bool) -> None:
    print(text)  # noqa: T201 - the person reads it in the cell, before it begins
    if yes:
        return
    try:
        answer = input("Go on? [y/N] ")
    except (EOFError, StdinNotImplementedError) as exc:
        raise UsageError("This front end cannot ask; add --yes to agree.") from exc
    if answer.strip().lower() not in {"y", "yes"}:
        raise UsageError("Nothing was set up.")
