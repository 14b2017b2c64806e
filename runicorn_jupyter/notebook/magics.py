"""The ``%runicorn_…`` magics."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from runicorn_jupyter.client import ApiError, RunicornRemoteClient
from runicorn_jupyter.notebook import connecting
from runicorn_jupyter.notebook.asking import CellAsker, ask_secret
from runicorn_jupyter.notebook.display import DEFAULT_HEIGHT, RunicornViewer, forgets_widgets
from runicorn_jupyter.notebook.results import Connection, Connections, Environments, Logs, Status, plain
from runicorn_jupyter.notebook.session import NotebookSession, one_line_errors

__all__ = ["RunicornMagics"]

_NAME = "the connection's name, host or id; needless while there is one"


@magics_class
class RunicornMagics(Magics):
    """Connect to GPU servers over SSH and see their Runicorn viewers in the notebook."""

    def __init__(self, shell: Any = None, **kwargs: Any) -> None:
        super().__init__(shell, **kwargs)
        self.session = NotebookSession()

    @magic_arguments()
    @argument("host", help="a host name, an address, or an alias of the ssh config")
    @argument("-u", "--username", metavar="USER", help="default: the ssh config's, else your own")
    @argument("-p", "--port", type=int, default=22, help="default: the ssh config's, else 22")
    @argument("-i", "--identity", metavar="KEY", help="use this private key and no other")
    @argument("--password", action="store_true", help="ask for a password at a hidden prompt")
    @argument("--timeout", type=float, default=30, help="seconds for all of connecting (default 30)")
    @argument("--env", help="also start the viewer in this environment and show it")
    @argument("--root", metavar="DIR", help="the folder of the runs on the remote; goes with --env")
    @argument("--height", type=int, default=DEFAULT_HEIGHT, help="height of the viewer in pixels")
    @argument("--name", help="what to call this connection in later magics (default: HOST)")
    @line_magic
    def runicorn_connect(self, line: str) -> Connection | RunicornViewer:
        """Connect to a server over SSH."""
        args = _parse(self.runicorn_connect, line)
        if args.root and not args.env:
            raise UsageError("--root goes with --env; %runicorn_viewer takes both later.")
        with one_line_errors(has_password=args.password):
            connection = self._connect(args)
            if args.env:
                return self._show(connection, args.env, args.root, args.height)
            return Connection(connection)

    def _connect(self, args: argparse.Namespace) -> dict[str, Any]:
        request: dict[str, Any] = {
            "host": args.host,
            "username": args.username,
            "port": args.port,
            "timeout": args.timeout,
        }
        known = self.session.reusable(request, args.name)
        if known is not None:
            self.session.name(args.name or args.host, known["connection_id"])
            return {**known, "name": args.name or args.host}
        if args.password:
            who = f"{args.username}@{args.host}" if args.username else args.host
            request |= {"auth_method": "password", "password": ask_secret(f"Password for {who}:")}
        elif args.identity:
            request |= {"private_key_path": args.identity}

        def run(work: connecting.Work) -> dict[str, Any]:
            return self.session.run(plain(args.host), work, undo=_leave)

        answer = connecting.connect(run, request, CellAsker())
        self.session.name(args.name or args.host, answer["connection_id"])
        return {**answer, "name": args.name or args.host}

    @magic_arguments()
    @line_magic
    def runicorn_connections(self, line: str) -> Connections:
        """List the open connections."""
        _parse(self.runicorn_connections, line)
        with one_line_errors():
            return Connections(self.session.connections())

    @magic_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("--refresh", action="store_true", help="look again, however recent the last look was")
    @argument("--runicorn-only", action="store_true", help="leave out those without runicorn")
    @line_magic
    def runicorn_envs(self, line: str) -> Environments:
        """List the Python environments of a remote and the runicorn of each."""
        args = _parse(self.runicorn_envs, line)
        with one_line_errors():
            connection = self.session.find(args.name)
            ident = connection["connection_id"]

            def look(client: RunicornRemoteClient) -> list[dict[str, Any]]:
                if args.refresh:
                    client.detect_environments(ident, force_refresh=True)
                return client.list_environments(ident, "runicorn_only" if args.runicorn_only else "all")

            return Environments(self.session.run(plain(connection["name"]), look))

    @magic_arguments()
    @argument(
        "env", nargs="?", help="the environment; needless while a viewer runs, or only one has runicorn"
    )
    @argument("--root", metavar="DIR", help="the folder of the runs on the remote")
    @argument("--height", type=int, default=DEFAULT_HEIGHT, help="height in pixels")
    @argument("--name", help=_NAME)
    @line_magic
    def runicorn_viewer(self, line: str) -> RunicornViewer:
        """Show the viewer of a remote, starting it if it is not running."""
        args = _parse(self.runicorn_viewer, line)
        with one_line_errors():
            return self._show(self.session.find(args.name), args.env, args.root, args.height)

    def _show(
        self, connection: dict[str, Any], env: str | None, root: str | None, height: int
    ) -> RunicornViewer:
        ident = connection["connection_id"]
        running = connection.get("viewer")
        if running is None or running["status"] == "crashed" or env is not None or root is not None:
            self._start(connection, env or self._only_environment(connection), root)
        current = next(c for c in self.session.connections() if c["connection_id"] == ident)
        viewer = RunicornViewer(self.session.client, current, height=height)
        if forgets_widgets(self.shell):
            from runicorn_jupyter.notebook.frame import ViewerFrame  # noqa: PLC0415 - widgets take 200 ms to import

            display(ViewerFrame(viewer))
        return viewer

    def _start(self, connection: dict[str, Any], env: str, root: str | None) -> None:
        in_terminal = getattr(self.shell, "kernel", None) is None

        def start(client: RunicornRemoteClient) -> dict[str, Any]:
            return client.start_viewer(connection["connection_id"], env, root, auto_open=in_terminal)

        try:
            self.session.run(f"{plain(connection['name'])} · {plain(env)}", start)
        except ApiError as exc:
            held = exc.details.get("viewer") or {}
            same = env == held.get("env_name") and root in {None, held.get("remote_root")}
            if exc.code != "viewer_already_running" or not same:
                raise

    def _only_environment(self, connection: dict[str, Any]) -> str:
        found = self.session.client.list_environments(connection["connection_id"], "runicorn_only")
        if not found:
            raise UsageError(
                "No environment of the remote has runicorn; run `pip install runicorn` in one of those that "
                "%runicorn_envs lists, then %runicorn_envs --refresh."
            )
        if len(found) > 1:
            names = ", ".join(plain(entry["name"]) for entry in found)
            raise UsageError(
                f"Several environments have runicorn; say which: %runicorn_viewer ENV, one of {names}."
            )
        return str(found[0]["name"])

    @magic_arguments()
    @argument("name", nargs="?", help=_NAME)
    @line_magic
    def runicorn_status(self, line: str) -> Status:
        """Say how a connection, its viewer and the tunnel between are."""
        args = _parse(self.runicorn_status, line)
        with one_line_errors():
            connection = self.session.find(args.name)
            client, ident = self.session.client, connection["connection_id"]
            health = client.health_check(ident)
            viewer = {k: v for k, v in client.get_viewer_status(ident)["viewer"].items() if k != "url"}
            return Status(
                {**connection, "viewer": viewer, "health": health["health"], "checks": health["checks"]}
            )

    @magic_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("-n", "--lines", type=int, default=50, help="how many lines at most (default 50)")
    @line_magic
    def runicorn_logs(self, line: str) -> Logs:
        """Show the last lines that a viewer printed."""
        args = _parse(self.runicorn_logs, line)
        with one_line_errors():
            connection = self.session.find(args.name)
            return Logs(self.session.client.get_viewer_logs(connection["connection_id"], args.lines))

    @magic_arguments()
    @line_magic
    def runicorn_panel(self, line: str) -> Any:
        """Show the panel that does the whole job without a line of code."""
        _parse(self.runicorn_panel, line)
        from runicorn_jupyter.notebook.panel import RunicornPanel  # noqa: PLC0415 - widgets take 200 ms to import

        with one_line_errors():
            return RunicornPanel(self.session)

    @magic_arguments()
    @argument("name", nargs="?", help=_NAME)
    @line_magic
    def runicorn_stop(self, line: str) -> None:
        """Stop a viewer; its connection stays."""
        args = _parse(self.runicorn_stop, line)
        with one_line_errors():
            connection = self.session.find(args.name)
            self.session.client.stop_viewer(connection["connection_id"])
        _say(f"The viewer of {plain(connection['name'])} is stopped.")

    @magic_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("--keep-viewer", action="store_true", help="let the viewer wait for the next connection")
    @line_magic
    def runicorn_disconnect(self, line: str) -> None:
        """Stop a viewer and end its connection."""
        args = _parse(self.runicorn_disconnect, line)
        with one_line_errors():
            connection = self.session.find(args.name)
            self.session.client.disconnect(connection["connection_id"], cleanup_viewer=not args.keep_viewer)
        _say(f"{plain(connection['name'])} is disconnected.")


def _leave(client: RunicornRemoteClient, answer: dict[str, Any]) -> None:
    """Undo a connection that came after the person had interrupted the cell."""
    if "connection_id" in answer:
        client.disconnect(answer["connection_id"])


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _parse(magic: Any, line: str) -> argparse.Namespace:
    words = shlex.shlex(line, posix=True, punctuation_chars=False)
    words.whitespace_split = True
    words.commenters = ""
    words.escape = ""  # a backslash is part of a Windows path
    try:
        split = list(words)
    except ValueError as exc:
        raise UsageError(f"{exc}.") from exc
    args: argparse.Namespace = magic.parser.parse_args(split)
    return args
