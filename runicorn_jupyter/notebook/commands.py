"""What the magics do: calls of the HTTP API, with progress, questions and errors in the cell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import display

from runicorn_jupyter.client import ApiError, RunicornRemoteClient, still_reading
from runicorn_jupyter.notebook import connect_flow, setup
from runicorn_jupyter.notebook.display import DEFAULT_HEIGHT, RunicornViewer, forgets_widgets
from runicorn_jupyter.notebook.progress import Line, reading_text
from runicorn_jupyter.notebook.prompts import CellPrompter, ask_secret
from runicorn_jupyter.notebook.results import (
    Connection,
    Connections,
    Environments,
    Logs,
    Status,
    labels_of,
    plain,
)
from runicorn_jupyter.notebook.session import NotebookSession, last_opened, one_line_errors

if TYPE_CHECKING:
    from runicorn_jupyter.notebook.comparison import RunComparison
    from runicorn_jupyter.notebook.gpus import GpuTable
    from runicorn_jupyter.notebook.live_plot import LivePlot
    from runicorn_jupyter.notebook.plot import RunPlot
    from runicorn_jupyter.notebook.runs import RunTable

__all__ = ["Commands"]


class Commands:
    """The work behind the magics of one kernel.

    Every method raises ``UsageError``, one line, for whatever goes wrong.

    Parameters
    ----------
    shell
        The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._session = NotebookSession()

    def connect(self, args: argparse.Namespace) -> Connection | RunicornViewer:
        """Connect, and with ``args.env`` start and show the viewer too.

        Parameters
        ----------
        args
            The options of ``%runicorn_connect``.
        """
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
        known = self._session.reusable(request, args.name)
        if known is not None:
            self._session.name(args.name or args.host, known["connection_id"])
            return {**known, "name": args.name or args.host}
        if args.password:
            who = f"{args.username}@{args.host}" if args.username else args.host
            request |= {"auth_method": "password", "password": ask_secret(f"Password for {plain(who)}:")}
        elif args.identity:
            request |= {"private_key_path": args.identity}

        def run(work: connect_flow.Work) -> dict[str, Any]:
            return self._session.run(plain(args.host), work, undo=_leave)

        answer = connect_flow.connect(run, request, CellPrompter())
        self._session.name(args.name or args.host, answer["connection_id"])
        return {**answer, "name": args.name or args.host}

    def connections(self) -> Connections:
        """List the open connections."""
        with one_line_errors():
            return Connections(self._session.connections())

    def environments(self, name: str | None, refresh: bool, runicorn_only: bool) -> Environments:
        """List the environments of a remote.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`.
        refresh
            Look again, however recent the last look was.
        runicorn_only
            Leave out those without runicorn.
        """
        with one_line_errors():
            connection = self._session.find(name)
            ident = connection["connection_id"]

            def look(client: RunicornRemoteClient) -> dict[str, Any]:
                if refresh:
                    client.detect_environments(ident, force_refresh=True)
                return client.read_environments(ident, "runicorn_only" if runicorn_only else "all")

            return Environments.of(self._session.run(plain(connection["name"]), look))

    def setup(self, args: argparse.Namespace) -> Environments | None:
        """Set up runicorn on a remote, or with ``args.remove`` remove what was set up.

        Parameters
        ----------
        args
            The options of ``%runicorn_setup``.
        """
        with one_line_errors():
            if not args.remove:
                return setup.set_up(self._session, args)
            _say(setup.remove(self._session, args))
        return None

    def viewer(
        self,
        name: str | None,
        env: str | None,
        root: str | None,
        height: int | None,
        *,
        restart: bool = False,
    ) -> RunicornViewer:
        """Show the viewer of a remote, starting it if it is not running.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`.
        env, root
            The environment and the storage root; ``None`` takes what runs, what was opened there
            last, or the only choice.
        height
            Of the frame, in CSS pixels; default: `DEFAULT_HEIGHT`.
        restart
            End the viewer that runs, by force if need be, and start it anew under the same URL.
        """
        with one_line_errors():
            return self._show(self._session.find(name), env, root, height, restart=restart)

    def _show(
        self,
        connection: dict[str, Any],
        env: str | None,
        root: str | None,
        height: int | None,
        *,
        restart: bool = False,
    ) -> RunicornViewer:
        ident = connection["connection_id"]
        running = connection.get("viewer")
        if restart and running is not None and env is None:
            env, root = running["env_name"], root or running["remote_root"]
        is_up = running is not None and running["status"] != "crashed"
        if restart or not is_up or env is not None or root is not None:
            if env is None:
                env, last_root = self._environment(connection)
                root = root or last_root
            self._start(connection, env, root, replace=restart)
        elif running is not None and running["health"] == "unresponsive":
            sys.stderr.write("The viewer does not answer; %runicorn_viewer --restart starts it anew.\n")
        current = self._session.find(ident)
        viewer = RunicornViewer(self._session.client, current, height=height or DEFAULT_HEIGHT)
        if forgets_widgets(self._shell):
            from runicorn_jupyter.notebook.viewer_widget import ViewerFrame  # noqa: PLC0415 - widgets take 200 ms to import

            display(ViewerFrame(viewer))
        return viewer

    def _start(self, connection: dict[str, Any], env: str, root: str | None, *, replace: bool) -> None:
        in_terminal = getattr(self._shell, "kernel", None) is None

        def start(client: RunicornRemoteClient) -> None:
            try:
                client.start_viewer(
                    connection["connection_id"], env, root, auto_open=in_terminal, replace=replace
                )
            except ApiError as exc:
                held = exc.details.get("viewer") or {}
                same = env == held.get("env_name") and root in {None, held.get("remote_root")}
                same = same and not replace and held.get("health") != "unresponsive"
                if exc.code != "viewer_already_running" or not same:
                    raise

        self._session.run(f"{plain(connection['name'])} · {plain(env)}", start)

    def _environment(self, connection: dict[str, Any]) -> tuple[str, str | None]:
        """Choose for who says nothing: the environment and root of the last time, or the only one."""
        found = self._session.client.list_environments(connection["connection_id"], "runicorn_only")
        last = last_opened(self._session.client, connection)
        if last is not None and last["env_name"] in [entry["name"] for entry in found]:
            return str(last["env_name"]), last["remote_root"]
        if not found:
            raise UsageError(
                "No environment of the remote has runicorn; %runicorn_setup makes one, or run `pip install "
                "runicorn` in one of those that %runicorn_envs lists, then %runicorn_envs --refresh."
            )
        if len(found) > 1:
            names = ", ".join(plain(entry["name"]) for entry in found)
            raise UsageError(
                f"Several environments have runicorn; say which: %runicorn_viewer ENV, one of {names}."
            )
        return str(found[0]["name"]), None

    def status(self, name: str | None) -> Status:
        """Say how a connection, its viewer and the tunnel between are.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`.
        """
        with one_line_errors():
            connection = self._session.find(name)
            client, ident = self._session.client, connection["connection_id"]
            health = client.health_check(ident)
            viewer = {k: v for k, v in client.get_viewer_status(ident)["viewer"].items() if k != "url"}
            return Status(
                {**connection, "viewer": viewer, "health": health["health"], "checks": health["checks"]}
            )

    def logs(self, name: str | None, lines: int) -> Logs:
        """Return the last lines that a viewer printed.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`.
        lines
            How many at most.
        """
        with one_line_errors():
            connection = self._session.find(name)
            return Logs(self._session.client.get_viewer_logs(connection["connection_id"], lines))

    def runs(self, args: argparse.Namespace) -> RunTable | RunPlot | LivePlot:
        """List the runs of all open viewers, or with ``args.compare`` plot some of them.

        Parameters
        ----------
        args
            The options of ``%runicorn_runs``.
        """
        with one_line_errors():
            from runicorn_jupyter.notebook.runs import STATUSES, chosen, parse_since, run_table  # noqa: PLC0415 - pandas is slow

            if args.status and not set(args.status.split(",")) <= set(STATUSES):
                words = ", ".join(STATUSES)
                raise UsageError(f"--status takes some of {words}, with commas between and no blanks.")
            if args.live and not args.compare:
                raise UsageError("--live goes with --compare RUN…: it draws the curves of some runs.")
            names = ("status", "path", "project", "text", "where", "sort")
            given = {name: getattr(args, name) for name in names}
            if args.since:
                given["since"] = parse_since(args.since)
            if args.name:
                given["connection_id"] = self._session.find(args.name)["connection_id"]
            client = self._session.client
            filters = {key: value for key, value in given.items() if value is not None}
            with Line("Runs") as line:
                runs = client.list_runs(
                    on_progress=lambda servers: line.show(reading_text(servers)), **filters
                )
            self._say_what_is_old()
            if args.compare:
                return self._plot(chosen(runs, args.compare), args)
            return run_table(runs, client.list_connections(), args.metrics, params=args.params)

    def compare(self, args: argparse.Namespace) -> RunComparison:
        """Say what differs between runs.

        Parameters
        ----------
        args
            The options of ``%runicorn_compare``.
        """
        with one_line_errors():
            from runicorn_jupyter.notebook.comparison import comparison_table  # noqa: PLC0415 - pandas is slow
            from runicorn_jupyter.notebook.runs import chosen  # noqa: PLC0415 - pandas is slow

            names = list(args.run)
            if args.baseline is not None and args.baseline not in names:
                names.insert(0, args.baseline)
            if len(names) < 2:
                raise UsageError("%runicorn_compare takes two or more runs; %runicorn_runs lists them.")
            client = self._session.client
            found = chosen(client.list_runs(), names)
            self._say_what_is_old()
            place = 0 if args.baseline is None else names.index(args.baseline)
            answer = client.compare_runs(found, baseline=place, metrics=args.metrics)
            return comparison_table(labels_of(found), answer)

    def group(self, args: argparse.Namespace) -> Any:
        """Put runs with the same values together.

        Parameters
        ----------
        args
            The options of ``%runicorn_group``.
        """
        with one_line_errors():
            from runicorn_jupyter.notebook.comparison import group_table  # noqa: PLC0415 - pandas is slow

            names = [name.strip() for name in args.by.split(",")]
            groups = self._session.client.group_runs(names, metric=args.metric, where=args.where)
            self._say_what_is_old()
            return group_table(names, groups)

    def _say_what_is_old(self) -> None:
        servers = self._session.client.list_run_servers()
        if not servers:
            sys.stderr.write("No viewer is open, so there are no runs; %runicorn_viewer ENV starts one.\n")
        for server in servers:
            if server["error"]:
                as_of = f"; as of {server['as_of']}" if server["as_of"] else ""
                sys.stderr.write(plain(f"{server['host']}: {server['error']['message']}{as_of}") + "\n")
        for server in still_reading(servers):
            text = f"{server['host']}: the viewer still reads its runs; {server['total']} are known so far."
            sys.stderr.write(plain(text) + "\n")

    def _plot(self, runs: Sequence[Mapping[str, Any]], args: argparse.Namespace) -> RunPlot | LivePlot:
        from runicorn_jupyter.notebook.curves import live_plot, still_plot  # noqa: PLC0415 - altair is slow, and an extra

        return (live_plot if args.live else still_plot)(self._session.client, runs, args.metrics)

    def gpus(self, name: str | None) -> GpuTable:
        """Show the accelerators of all connected machines.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`. None: of all connections.
        """
        with one_line_errors():
            from runicorn_jupyter.notebook.gpus import gpu_table, what_is_missing  # noqa: PLC0415 - pandas is slow

            client = self._session.client
            wanted = self._session.find(name)["connection_id"] if name else None
            machines = [each for each in client.list_machines() if wanted in (None, each["connection_id"])]
            for note in what_is_missing(machines):
                sys.stderr.write(plain(note) + "\n")
            running = client.list_runs(complete_within=0, status="running")
            runs = {(run["connection_id"], run["run_id"]): run for run in running}
            return gpu_table(machines, runs)

    def panel(self) -> Any:
        """Make the panel."""
        from runicorn_jupyter.notebook.panel.panel import RunicornPanel  # noqa: PLC0415 - widgets take 200 ms to import

        with one_line_errors():
            return RunicornPanel(self._session)

    def stop(self, name: str | None) -> None:
        """Stop a viewer; its connection stays.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`.
        """
        with one_line_errors():
            connection = self._session.find(name)
            self._session.client.stop_viewer(connection["connection_id"])
        _say(f"The viewer of {plain(connection['name'])} is stopped.")

    def disconnect(self, name: str | None, *, keep_viewer: bool) -> None:
        """Stop a viewer and end its connection.

        Parameters
        ----------
        name
            The connection's; see `NotebookSession.find`.
        keep_viewer
            Let the viewer wait for the next connection.
        """
        with one_line_errors():
            connection = self._session.find(name)
            self._session.client.disconnect(connection["connection_id"], cleanup_viewer=not keep_viewer)
        _say(f"{plain(connection['name'])} is disconnected.")


def _leave(client: RunicornRemoteClient, answer: dict[str, Any]) -> None:
    """Undo a connection that came after the person had interrupted the cell."""
    if "connection_id" in answer:
        client.disconnect(answer["connection_id"])


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
