"""The demo's command: start the parts one after the other, wait, and end them all."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import getpass
import os
import re
import secrets
import signal
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import requests

from runicorn_jupyter.client import RunicornRemoteClient
from runicorn_jupyter.demo.environment import RUNICORN, DemoError, make_environment
from runicorn_jupyter.demo.folders import ALIAS, NOTEBOOK, OTHERS, Folders, default_folder, neutral
from runicorn_jupyter.demo.gpus import DemoGpu, write_nvidia_smi
from runicorn_jupyter.demo.processes import MARK, end_marked, mark_of, pid_of_another_user, stop
from runicorn_jupyter.demo.ssh_server import DemoSshServer
from runicorn_jupyter.service.local_browser import Screen

START_SECONDS = 60.0
_ADDRESS = re.compile(rb"http://127\.0\.0\.1:\d+/(?=lab\?)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runicorn_jupyter.demo",
        description="An SSH server, training runs and JupyterLab on this machine, to try everything with. "
        "Ctrl-C ends all of it. Your own ~/.ssh and Jupyter settings are neither read nor changed.",
    )
    parser.add_argument("--no-browser", action="store_true", help="print JupyterLab's URL, open nothing")
    parser.add_argument("--dir", type=Path, default=None, help=f"where to keep it all ({default_folder()})")
    parser.add_argument(
        "--port", type=int, default=None, help="JupyterLab's port (8888, or the next free one)"
    )
    parser.add_argument("--no-jupyter", action="store_true", help="the servers alone, for a Jupyter of yours")
    parser.add_argument("--prepare", action="store_true", help="only make the environment with runicorn")
    return parser


def _say(text: str) -> None:
    print(text, flush=True)  # what this command prints is its face


def _say_at_the_end(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed is why it ends
        _say(text)


@contextlib.contextmanager
def _step(label: str) -> Iterator[Callable[[str], None]]:
    """Show a step while it is under way, with what it is at, and how long it took."""
    start = time.monotonic()
    live = sys.stdout.isatty()

    def at(detail: str) -> None:
        if live:
            print(f"\r\x1b[K  … {label}: {detail}"[: 4 + 110], end="", flush=True)

    if live:
        at("starting")
    yield at
    _say(f"{chr(13) + chr(27) + '[K' if live else ''}  ✓ {label} ({time.monotonic() - start:.1f} s)")


@contextlib.contextmanager
def _alone(folders: Folders) -> Iterator[None]:
    """Hold the folder for this process only."""
    with (folders.root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"A demo is running in {folders.root} already; end it first, or choose another --dir."
            ) from None
        yield


class Demo:
    """The parts of a running demo.

    Parameters
    ----------
    folders
        Where everything lies.
    port
        JupyterLab's port; None takes 8888 or the next free one.
    jupyter
        Whether there is a JupyterLab, or the servers alone.
    """

    def __init__(self, folders: Folders, port: int | None = None, *, jupyter: bool = True) -> None:
        self.folders = folders
        self._with_jupyter = jupyter
        self.url = ""
        self._port = port
        self._mark = mark_of(folders.root)
        self._environment = {**neutral(os.environ), MARK: self._mark}
        self._remote_environment = {**self._environment, "HOME": str(folders.remote_home)}
        self._token = secrets.token_hex(24)
        shell = os.environ.get("SHELL", "")
        shell = shell if os.access(shell, os.X_OK) else "/bin/sh"
        homes = {ALIAS: folders.remote_home, **folders.other_homes}
        self._servers = {
            alias: DemoSshServer(folders.root, home, self._with_programs(home), shell=shell)
            for alias, home in homes.items()
        }
        self._training: asyncio.subprocess.Process | None = None
        self._jupyter: asyncio.subprocess.Process | None = None
        self._log_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start all parts; JupyterLab answers at ``url`` when this returns, if there is one.

        Raises
        ------
        DemoError
            If a part does not start; ``stop`` ends the others.
        """
        await end_marked(self._mark)  # what a demo that was killed has left
        self.folders.begin()
        python = await self.prepare()
        with _step("Two finished training runs, and one that is logging now"):
            await self._train(python)
        with _step(f"Three SSH servers on this machine with made-up GPUs: {', '.join(self._servers)}"):
            await self._start_servers()
        if not self._with_jupyter:
            return
        with _step("JupyterLab"):
            base = await self._start_jupyter()
        with _step("Connections to the servers"):
            await asyncio.to_thread(self._connect, base)

    async def prepare(self) -> Path:
        """Make what is made once, the environment with runicorn; return its Python.

        Raises
        ------
        DemoError
            If it cannot be made.
        """
        with _step(f"A Python environment with {RUNICORN} (made once)") as at:
            return await make_environment(
                self.folders.environment, {**os.environ, MARK: self._mark}, self.folders.log, at
            )

    def _with_programs(self, home: Path) -> dict[str, str]:
        path = f"{home / 'programs'}{os.pathsep}{self._remote_environment.get('PATH', os.defpath)}"
        return {**self._remote_environment, "PATH": path}

    async def _start_servers(self) -> None:
        """Start them, each with GPUs of its own: of the training, of others, and free ones."""
        training = self._training.pid if self._training is not None else None
        other = await asyncio.to_thread(pid_of_another_user)
        a100, a6000 = ("NVIDIA A100-SXM4-80GB", 81920), ("NVIDIA RTX A6000", 49140)
        gpus = {
            ALIAS: [
                DemoGpu(*a100),
                DemoGpu(*a100, used=33792, busy=43, pid=training),
                DemoGpu(*a100, used=79872, busy=85, pid=other),
                DemoGpu(*a100, used=12288, busy=20),
            ],
            OTHERS[0]: [
                DemoGpu(*a100, used=79872, busy=80, pid=other),
                DemoGpu(*a100, used=61440, pid=other),
            ],
            OTHERS[1]: [DemoGpu(*a6000), DemoGpu(*a6000)],
        }
        for alias, server in self._servers.items():
            write_nvidia_smi(server.home / "programs", gpus[alias])
            await server.start()
        first = self._servers[ALIAS]
        others = {alias: self._servers[alias].port for alias in OTHERS}
        self.folders.write_ssh_config(first.port, first.client_key, first.public_host_key, others)

    def _connect(self, base: str) -> None:
        """Connect to the servers, and have the training's viewer know its run."""
        client = RunicornRemoteClient(base, token=self._token)
        try:
            ids = [client.connect(alias, getpass.getuser())["connection_id"] for alias in self._servers]
            client.start_viewer(ids[0], "train", auto_open=False)
        except requests.RequestException as error:
            raise DemoError(f"The servers could not be connected: {error}") from None

    async def _train(self, python: Path) -> None:
        with self.folders.log.open("ab") as log:

            async def training(what: str) -> asyncio.subprocess.Process:
                return await asyncio.create_subprocess_exec(
                    str(python),
                    "training.py",
                    what,
                    cwd=self.folders.remote_home,
                    env=self._remote_environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

            if await (await training("finished")).wait() != 0:
                raise DemoError(f"The training script failed; what it printed is in {self.folders.log}.")
            self._training = await training("live")

    async def _start_jupyter(self) -> str:
        """Start it and return where it answers."""
        options = [
            "--no-browser",
            f"--ServerApp.root_dir={self.folders.notebooks}",
            "--ServerApp.ip=127.0.0.1",
        ]
        if self._port is not None:
            options += [f"--ServerApp.port={self._port}", "--ServerApp.port_retries=0"]
        if os.geteuid() == 0:
            options.append("--allow-root")
        self._jupyter = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jupyterlab",
            *options,
            cwd=self.folders.notebooks,
            env={
                **self._environment,
                "HOME": str(self.folders.home),
                "JUPYTER_TOKEN": self._token,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=2**20,  # bytes of a line
            start_new_session=True,
        )
        listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._log_task = asyncio.create_task(self._keep_log(self._jupyter, listening))
        try:
            base = await asyncio.wait_for(listening, START_SECONDS)
        except TimeoutError:
            raise DemoError(
                f"JupyterLab did not start within {START_SECONDS:.0f} s; see {self.folders.jupyter_log}."
            ) from None
        if not base or not await self._accepts(base):
            raise DemoError(f"JupyterLab did not start; why is in {self.folders.jupyter_log}.")
        self.url = f"{base}lab/tree/{NOTEBOOK}?token={self._token}"
        return base

    async def _accepts(self, base: str) -> bool:
        """Wait until JupyterLab accepts connections, which is a moment after it says so."""
        port = int(base.rsplit(":", 1)[1].rstrip("/"))
        while self._log_task is not None and not self._log_task.done():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.wait({self._log_task}, timeout=0.05)  # nothing tells when
            else:
                writer.close()
                return True
        return False

    async def _keep_log(self, jupyter: asyncio.subprocess.Process, listening: asyncio.Future[str]) -> None:
        """Write what JupyterLab prints to its log; tell where it listens, or "" if it has ended."""
        assert jupyter.stdout is not None
        with self.folders.jupyter_log.open("ab", buffering=0) as log:
            async for line in jupyter.stdout:
                log.write(line)
                if not listening.done() and (address := _ADDRESS.search(line)):
                    listening.set_result(address[0].decode())
        await jupyter.wait()
        if not listening.done():
            listening.set_result("")

    async def ended(self) -> None:
        """Return when JupyterLab has ended, by itself or by a click on Shut Down; without it, never."""
        await (self._log_task or asyncio.Event().wait())

    async def stop(self) -> None:
        """End everything, viewers and trainings too, and leave no process behind."""
        if self._jupyter is not None:
            await stop(self._jupyter)
        if self._training is not None:
            await stop(self._training)
        for server in self._servers.values():
            await server.stop()
        await end_marked(self._mark)


@contextlib.asynccontextmanager
async def running(folders: Folders, port: int | None = None, *, jupyter: bool = True) -> AsyncIterator[Demo]:
    """Run a demo as long as the block lasts.

    Parameters
    ----------
    folders
        Where everything lies.
    port
        JupyterLab's port; None takes 8888 or the next free one.
    jupyter
        Whether there is a JupyterLab, or the servers alone.
    """
    with _alone(folders):
        demo = Demo(folders, port, jupyter=jupyter)
        try:
            await demo.start()
            yield demo
        finally:
            await demo.stop()


async def _greet(demo: Demo, options: argparse.Namespace) -> None:
    """Say how to use the demo, and open JupyterLab in a browser where that is wanted."""
    end = "Ctrl-C here ends everything."
    if options.no_jupyter:
        line = f'Include "{demo.folders.ssh / "config"}"'
        _say(f"\nThis line at the top of your ~/.ssh/config names the servers:\n\n    {line}\n\n{end}")
        return
    _say(
        f"\nOpen this{'' if options.no_browser else ', if your browser has not'}:\n\n    {demo.url}\n\n"
        f"and run the notebook's cells (Shift+Enter). {end}"
    )
    if not options.no_browser:
        # By a file: the URL has JupyterLab's token, and others see the arguments of a browser.
        with contextlib.suppress(webbrowser.Error):  # there is none
            screen = Screen(webbrowser.get(), demo.folders.root, by_file=True)
            await asyncio.to_thread(screen.show, demo.url)


async def _run(options: argparse.Namespace) -> None:
    folders = Folders(options.dir or default_folder())
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def end() -> None:
        if not task.cancelling():  # once: ending is bounded in time, and has to be complete
            task.cancel()
            _say_at_the_end("\nEnding everything …")

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    if options.prepare:
        with _alone(folders):
            await Demo(folders).prepare()
        return
    _say(f"Starting the demo in {folders.root}")
    async with running(folders, options.port, jupyter=not options.no_jupyter) as demo:
        await _greet(demo, options)
        await demo.ended()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Parameters
    ----------
    arguments
        The command line after the program's name; default: the process's.
    """
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(options))
    except asyncio.CancelledError:
        pass  # Ctrl-C is how it is meant to end
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    _say_at_the_end("Nothing is left running.")
    return 0
