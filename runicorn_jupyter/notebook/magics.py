"""The ``%runicorn_…`` magics: their names and options. What they do is imported at first use."""

from __future__ import annotations

import argparse
import shlex
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument

from runicorn_jupyter.notebook.lazy_arguments import lazy_arguments

if TYPE_CHECKING:
    from runicorn_jupyter.notebook.commands import Commands
    from runicorn_jupyter.notebook.comparison import RunComparison
    from runicorn_jupyter.notebook.display import RunicornViewer
    from runicorn_jupyter.notebook.gpus import GpuTable
    from runicorn_jupyter.notebook.live_plot import LivePlot
    from runicorn_jupyter.notebook.plot import RunPlot
    from runicorn_jupyter.notebook.results import Connection, Connections, Environments, Logs, Status
    from runicorn_jupyter.notebook.runs import RunTable

__all__ = ["RunicornMagics"]

_NAME = "the connection's name, host or id; needless while there is one"
_HEIGHT = "height of the viewer's frame in CSS pixels (default 600)"


@magics_class
class RunicornMagics(Magics):
    """Connect to GPU servers over SSH and see their Runicorn viewers in the notebook."""

    @cached_property
    def _commands(self) -> Commands:
        # %load_ext is in people's start-up files: it must not cost what only a used magic needs.
        from runicorn_jupyter.notebook.commands import Commands  # noqa: PLC0415

        return Commands(self.shell)

    @lazy_arguments()
    @argument("host", help="a host name, an address, or an alias of the ssh config")
    @argument("-u", "--username", metavar="USER", help="default: the ssh config's, else your own")
    @argument("-p", "--port", type=int, default=22, help="default: the ssh config's, else 22")
    @argument("-i", "--identity", metavar="KEY", help="use this private key and no other")
    @argument("--password", action="store_true", help="ask for a password at a hidden prompt")
    @argument("--timeout", type=float, default=30, help="seconds for all of connecting (default 30)")
    @argument("--env", help="also start the viewer in this environment and show it")
    @argument("--root", metavar="DIR", help="the storage root on the remote; goes with --env")
    @argument("--height", type=int, help=_HEIGHT)
    @argument("--name", help="what to call this connection in later magics (default: HOST)")
    @line_magic
    def runicorn_connect(self, line: str) -> Connection | RunicornViewer:
        """Connect to a server over SSH."""
        args = _parse(self.runicorn_connect, line)
        if args.root and not args.env:
            raise UsageError("--root goes with --env; %runicorn_viewer takes both later.")
        return self._commands.connect(args)

    @lazy_arguments()
    @line_magic
    def runicorn_connections(self, line: str) -> Connections:
        """List the open connections."""
        _parse(self.runicorn_connections, line)
        return self._commands.connections()

    @lazy_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("--refresh", action="store_true", help="look again, however recent the last look was")
    @argument("--runicorn-only", action="store_true", help="leave out those without runicorn")
    @line_magic
    def runicorn_envs(self, line: str) -> Environments:
        """List the Python environments of a remote and the runicorn of each."""
        args = _parse(self.runicorn_envs, line)
        return self._commands.environments(args.name, args.refresh, args.runicorn_only)

    @lazy_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("--python", metavar="PATH", help="make it with this Python; default: the best there is")
    @argument("--version", help="of runicorn; default: the newest that fits the Python")
    @argument(
        "--wheels",
        choices=["auto", "remote", "local"],
        default="auto",
        help="where packages come from: the remote's pip or uv, or this server; default: what works",
    )
    @argument(
        "--bring-python", action="store_true", help="with --yes: bring a Python too where the remote has none"
    )
    @argument("-y", "--yes", action="store_true", help="do not ask first")
    @argument("--remove", action="store_true", help="take away what was set up there")
    @line_magic
    def runicorn_setup(self, line: str) -> Environments | None:
        """Make a private environment with runicorn on a remote that has none, after asking."""
        args = _parse(self.runicorn_setup, line)
        return self._commands.setup(args)

    @lazy_arguments()
    @argument(
        "env", nargs="?", help="the environment; needless while a viewer runs, or only one has runicorn"
    )
    @argument("--root", metavar="DIR", help="the storage root on the remote")
    @argument("--height", type=int, help=_HEIGHT)
    @argument("--name", help=_NAME)
    @argument("--restart", action="store_true", help="end the viewer that runs, by force if need be, first")
    @line_magic
    def runicorn_viewer(self, line: str) -> RunicornViewer:
        """Show the viewer of a remote, starting it if it is not running."""
        args = _parse(self.runicorn_viewer, line)
        return self._commands.viewer(args.name, args.env, args.root, args.height, restart=args.restart)

    @lazy_arguments()
    @argument("name", nargs="?", help=_NAME)
    @line_magic
    def runicorn_status(self, line: str) -> Status:
        """Say how a connection, its viewer and the tunnel between are."""
        args = _parse(self.runicorn_status, line)
        return self._commands.status(args.name)

    @lazy_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("-n", "--lines", type=int, default=50, help="how many lines at most (default 50)")
    @line_magic
    def runicorn_logs(self, line: str) -> Logs:
        """Show the last lines that a viewer printed."""
        args = _parse(self.runicorn_logs, line)
        return self._commands.logs(args.name, args.lines)

    @lazy_arguments()
    @argument("name", nargs="?", help="only this connection's runs: its name, host or id")
    @argument("--status", help="running, finished, failed or interrupted; several with commas between")
    @argument("--path", help="only runs at this path or below it")
    @argument("--project", help="only runs of this project")
    @argument("--text", help="only runs with these words in name, path, id, tags, host or environment")
    @argument("--since", metavar="TIME", help="only runs that began since: 30m, 12h, 7d, 2w, or a date")
    @argument("--where", metavar="CONDITION", help='only runs that pass, like "lr>1e-4 host:gpu1"')
    @argument("--sort", metavar="NAME", help="like metric.loss; with - before it the greatest first")
    @argument("--params", action="store_true", help="with a column for each parameter")
    @argument("--metrics", nargs="+", metavar="METRIC", help="only these metrics; default: all")
    @argument("--compare", nargs="+", metavar="RUN", help="plot the metrics of these runs: names or ids")
    @argument("--live", action="store_true", help="with --compare: the curves grow as their runs log")
    @line_magic
    def runicorn_runs(self, line: str) -> RunTable | RunPlot | LivePlot:
        """List the runs of all open viewers as a DataFrame, or plot some of them."""
        args = _parse(self.runicorn_runs, line)
        return self._commands.runs(args)

    @lazy_arguments()
    @argument("run", nargs="+", help="two or more runs: names, paths or ids")
    @argument(
        "--baseline", metavar="RUN", help="the run that the others are held against (default: the first)"
    )
    @argument("--metrics", nargs="+", metavar="METRIC", help="only these metrics; default: all")
    @line_magic
    def runicorn_compare(self, line: str) -> RunComparison:
        """Say what differs between runs, as a DataFrame: parameters, and how far metrics are apart."""
        args = _parse(self.runicorn_compare, line)
        return self._commands.compare(args)

    @lazy_arguments()
    @argument("--by", required=True, metavar="NAMES", help="parameters, with commas between, like lr,batch")
    @argument("--metric", help="the metric of which mean, deviation, least and greatest are wanted")
    @argument("--where", metavar="CONDITION", help='only runs that pass, like "lr>1e-4 host:gpu1"')
    @line_magic
    def runicorn_group(self, line: str) -> Any:
        """Put the runs of all open viewers with the same parameters together, as a DataFrame."""
        args = _parse(self.runicorn_group, line)
        return self._commands.group(args)

    @lazy_arguments()
    @argument("name", nargs="?", help="only this connection's machine: its name, host or id")
    @line_magic
    def runicorn_gpus(self, line: str) -> GpuTable:
        """Show the GPUs of all connected machines, how busy they are, and whose processes use them."""
        args = _parse(self.runicorn_gpus, line)
        return self._commands.gpus(args.name)

    @lazy_arguments()
    @line_magic
    def runicorn_panel(self, line: str) -> Any:
        """Show the panel that does the whole job without a line of code."""
        _parse(self.runicorn_panel, line)
        return self._commands.panel()

    @lazy_arguments()
    @argument("name", nargs="?", help=_NAME)
    @line_magic
    def runicorn_stop(self, line: str) -> None:
        """Stop a viewer; its connection stays."""
        args = _parse(self.runicorn_stop, line)
        self._commands.stop(args.name)

    @lazy_arguments()
    @argument("name", nargs="?", help=_NAME)
    @argument("--keep-viewer", action="store_true", help="let the viewer wait for the next connection")
    @line_magic
    def runicorn_disconnect(self, line: str) -> None:
        """Stop a viewer and end its connection."""
        args = _parse(self.runicorn_disconnect, line)
        self._commands.disconnect(args.name, keep_viewer=args.keep_viewer)


def _parse(magic: Any, line: str) -> argparse.Namespace:
    words = shlex.shlex(line, posix=True, punctuation_chars=False)
    words.whitespace_split = True
    words.commenters = ""
    words.escape = ""  # a backslash is part of a Windows path
    try:
        split = list(words)
    except ValueError as exc:
        raise UsageError(f"{exc}.") from exc
    for place, word in enumerate(split[:-1]):
        if word == "--sort":  # a minus before a name is no option
            split[place : place + 2] = [f"--sort={split[place + 1]}"]
            break
    try:
        args: argparse.Namespace = magic.parser.parse_args(split)
    except UsageError as exc:
        raise UsageError(f"{exc}; %{magic.parser.prog}? says what it takes.") from exc
    return args
