"""The viewer's process: imports runicorn, serves it behind the guard, ends by its lease. Python >= 3.8."""

import asyncio
import contextlib
import faulthandler
import gc
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Dict, Optional

from runicorn_jupyter.payload.attendance import Attendance, let_sampler_sleep
from runicorn_jupyter.payload.guard import Guard
from runicorn_jupyter.payload.gzip_middleware import Compressor
from runicorn_jupyter.payload.lease import MAX_TICK_SECONDS, Lease
from runicorn_jupyter.payload.self_probe import SelfProbe
from runicorn_jupyter.payload.state_files import Folder, start_time
from runicorn_jupyter.payload.threads import started_threads
from runicorn_jupyter.payload.versions import STATE_VERSION, installed_version

__all__ = ["ViewerServer"]

TICK_SECONDS = 1.0
UNCLAIMED_SECONDS = 60.0
"""How long it waits for its first holder: who wanted it may have gone away meanwhile."""
HUNG_GRACE_SECONDS = 30.0
"""How long beyond its lease, but no longer than that, a viewer that hangs is left."""
THREADS = 8
"""Of the event loop's own executor."""
CLOSE_SECONDS = 2
"""What an orderly end waits for answers on their way."""
MAX_LOG_BYTES, KEPT_LOG_BYTES = 2 * 2**20, 2**19


class ViewerServer:
    """The viewer's process.

    Parameters
    ----------
    config
        As ``main`` has it.
    root
        The storage root, or None.
    folder, key
        Where its state is put down.
    """

    def __init__(self, config: Dict[str, Any], root: Optional[str], folder: Folder, key: str) -> None:
        self._root = root
        self._folder = folder
        self._key = key
        self._cleanup = False
        self._secret = secrets.token_urlsafe(32)
        self._lease = Lease(min(config["lease_seconds"], UNCLAIMED_SECONDS))
        self._version = installed_version()
        self._loop_lag = 0.0
        self._loop_turns = 0
        self._loop_seconds = config["loop_seconds"]
        self._spare_logs: Optional[str] = None
        self._attendance = Attendance()

    def prepare(self) -> Optional[Dict[str, Any]]:
        """Import runicorn and make its application; return one of the contract's errors if that fails."""
        os.environ["PATH"] = os.pathsep.join(
            [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
        )
        gc.disable()  # of the imports' many objects none is garbage; a tenth of their time
        code, sentence = "runicorn_not_installed", "This environment cannot import runicorn"
        try:
            import uvicorn  # noqa: F401
            from runicorn.viewer import create_app

            code, sentence = "viewer_start_failed", "runicorn's viewer does not come up"
            self._spare_logs = _log_elsewhere()
            let_sampler_sleep(self._attendance)
            self._app = create_app(self._root)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer says it
            traceback.print_exc()
            self._remove_spare_logs()
            return {"error": code, "message": f"{sentence} ({type(error).__name__}: {str(error)[:300]})."}
        gc.freeze()
        gc.enable()
        # It counts every client as 127.0.0.1; the way here is private and already bounded.
        middleware = getattr(self._app, "user_middleware", [])
        middleware[:] = [
            one for one in middleware if getattr(one.cls, "__name__", "") != "RateLimitMiddleware"
        ]
        return None

    def serve(self, ready: Any) -> None:
        """Serve until the viewer is to end; ``ready`` gets its state when it accepts connections."""
        import uvicorn

        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        state = self._state(port)
        viewer = self

        class Server(uvicorn.Server):  # type: ignore[misc]
            async def startup(self, sockets: Any = None) -> None:
                await super().startup(sockets=sockets)
                if self.started:
                    asyncio.get_event_loop().set_default_executor(
                        started_threads(THREADS, "runicorn-jupyter-work")
                    )
                    viewer._folder.write(viewer._key, state)
                    viewer._watch(self, SelfProbe(port))
                    ready(state)

        self._guard = Guard(
            Compressor(self._app),
            secret=self._secret,
            port=port,
            lease=self._lease,
            facts=lambda: {
                **self._facts(),
                "pid": os.getpid(),
                "port": port,
                "started_at": state["started_at"],
            },
            end=self._end,
            taking_up=self._takes_up,
            attendance=self._attendance,
        )
        options: Dict[str, Any] = {
            "log_config": _log_config(),
            "access_log": False,
            "proxy_headers": False,
            "server_header": False,
            "lifespan": "on",
            "timeout_keep_alive": 75,
            "timeout_graceful_shutdown": CLOSE_SECONDS,
        }
        self._server = Server(uvicorn.Config(self._guard, **options))
        # uvicorn raises the signal again when it is done; then this process is about to end anyway.
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            self._server.run(sockets=[listener])
        finally:
            self._folder.forget(self._key, os.getpid(), self._cleanup)
            self._remove_spare_logs()

    def _remove_spare_logs(self) -> None:
        if self._spare_logs is not None:
            shutil.rmtree(self._spare_logs, ignore_errors=True)

    def _facts(self) -> Dict[str, Any]:
        root = getattr(getattr(self._app, "state", None), "storage_root", None) or self._root
        return {"root": None if root is None else str(root), "runicorn_version": self._version}

    def _takes_up(self) -> bool:
        """Tell whether runicorn still reads the storage root: 0.7 fills its database from it on a thread."""
        thread = getattr(getattr(self._app, "state", None), "sync_thread", None)
        return thread is not None and bool(thread.is_alive())

    def _state(self, port: int) -> Dict[str, Any]:
        machine = self._folder.machine
        return {
            **self._facts(),
            "version": STATE_VERSION,
            "host": machine.host,
            "boot": machine.boot,
            "uid": machine.uid,
            "pid": os.getpid(),
            "start_time": start_time(os.getpid()),
            "port": port,
            "secret": self._secret,
            "started_at": time.time(),
            "prefix": sys.prefix,
            "python": sys.executable,
            "python_version": sys.version.split()[0],
            "asked_root": self._root,
            "folder": self._folder.path,
            "key": self._key,
        }

    def _end(self, cleanup: bool) -> None:
        """End orderly; on the event loop."""
        self._cleanup = cleanup
        # First of all, so that nobody adopts what is about to go.
        self._folder.forget(self._key, os.getpid(), cleanup=False)
        self._server.should_exit = True
        self._guard.close()

    def _watch(self, server: Any, probe: SelfProbe) -> None:
        """Count the lease on the event loop; watch from a thread that it turns and the viewer answers."""

        async def count() -> None:
            before = time.monotonic()
            while not server.should_exit:
                await asyncio.sleep(TICK_SECONDS)
                now = time.monotonic()
                self._loop_lag = 0.0
                self._loop_turns += 1
                if self._lease.tick(now - before):
                    _say("Nobody has renewed this viewer's lease: it ends.")
                    self._end(True)
                before = now
            self._guard.close()

        self._counting = asyncio.ensure_future(count())
        threading.Thread(
            target=self._watch_loop, args=(probe,), name="runicorn-jupyter-watch", daemon=True
        ).start()

    def _watch_loop(self, probe: SelfProbe) -> None:
        """End the process when its event loop stands still, it answers nothing, or its end does not come.

        Time is counted in turns of this thread and of the loop: what was stopped, or slept, has not stood
        still meanwhile.
        """
        ending = 0.0
        grace = min(HUNG_GRACE_SECONDS, self._lease.remaining)
        while True:
            time.sleep(TICK_SECONDS)
            # Nothing here may end this thread: where memory is short, the next turn does better.
            with contextlib.suppress(OSError, MemoryError):
                self._loop_lag += min(TICK_SECONDS, MAX_TICK_SECONDS)
                longest = min(self._loop_seconds, self._lease.remaining + grace)
                if self._server.should_exit:
                    ending += TICK_SECONDS
                    silent = 0.0
                else:
                    silent = TICK_SECONDS * probe.silent_turns(self._loop_turns)
                if self._loop_lag > longest or ending > CLOSE_SECONDS + grace:
                    self._give_up("The viewer stands still and is ended.")
                if silent > longest:
                    self._give_up("The viewer answers nothing and is ended.")
                _bound_log()

    def _give_up(self, why: str) -> None:
        """End the process, whatever else fails."""
        try:
            _say(why)
            faulthandler.dump_traceback(sys.stderr)
            self._folder.forget(self._key, os.getpid(), self._cleanup)
        finally:
            os._exit(1)


def _say(text: str) -> None:
    """Write a line to the log, if its disk takes one: what follows must not depend on that."""
    with contextlib.suppress(OSError, MemoryError):
        print(text, file=sys.stderr, flush=True)


def _log_elsewhere() -> Optional[str]:
    """Give runicorn (0.7) another place for its own logs, and return it, if it can have none in the home.

    Without one its viewer does not come up; the older ones do without.
    """
    try:
        os.makedirs(os.path.expanduser("~/.runicorn/logs"), exist_ok=True)
        return None
    except OSError:
        place = tempfile.mkdtemp(prefix="runicorn-logs-")
    with contextlib.suppress(ImportError):
        from runicorn.viewer.utils import diagnostics

        diagnostics.LOCAL_LOG_ROOT = Path(place)
        diagnostics.LOCAL_SESSION_LOG_DIR = Path(place, "sessions")
    return place


def _log_config() -> Dict[str, Any]:
    """Send uvicorn's messages to stderr, which is the log."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "loggers": {"uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
    }


def _bound_log() -> None:
    """Keep the end of a log that has become too long; writers append, so they need not be told."""
    size = os.fstat(2).st_size
    if size > MAX_LOG_BYTES:
        tail = os.pread(2, KEPT_LOG_BYTES, size - KEPT_LOG_BYTES).partition(b"\n")[2]
        os.ftruncate(2, 0)
        os.write(2, tail)
