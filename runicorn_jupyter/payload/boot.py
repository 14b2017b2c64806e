"""Starts the viewer on the remote, or finds the one that runs already. Runs there, Python >= 3.8.

The loader of ``bundle.py`` runs ``main`` with a configuration that came on stdin. What happens is answered
by one line on stdout, a marker and JSON, exactly when it is so: the viewer accepts connections, or it does
not and why. The viewer itself is then a process of its own session that writes to its private log only.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
from typing import Any, Dict, NoReturn, Optional

from runicorn_jupyter.payload.environment_lock import hold_environment
from runicorn_jupyter.payload.state_files import Folder, Machine, open_folder
from runicorn_jupyter.payload.versions import STATE_VERSION, installed_version

__all__ = ["configured_root", "main", "viewer_key"]

TAIL_BYTES, TAIL_LINES = 16384, 50
CLEANUPS = 4
"""How often the folder is opened again where viewers that end have removed it."""
# Each would change what the viewer is: end it when idle, serve another front end, log elsewhere, or (remote
# mode) delete the siblings of its log folder.
_UNSET = (
    "RUNICORN_CORS_",
    "RUNICORN_IDLE_TIMEOUT",
    "RUNICORN_LOG_FILE",
    "RUNICORN_REMOTE_MODE",
    "RUNICORN_VIEWER_",
)
_UNSET_ENDINGS = ("_FRONTEND", "_FRONTEND_DIST")


def main(config: Dict[str, Any]) -> None:
    """Answer with the state of the viewer that is asked for; see the module.

    Parameters
    ----------
    config
        ``marker``: printed before the answer. ``root``: storage root, or None for runicorn's own choice.
        ``lease_seconds``: of a viewer that is started. ``start_seconds``: how long it may take to come up.
        ``loop_seconds``: how long its event loop may stand still.
        ``lock_seconds``: how long to wait for somebody else's start of the same viewer. ``ignored``: ids of
        processes that do not answer, and are not adopted.
    """
    try:
        answer = _find_or_start(config)
    except TimeoutError:
        message = "Another start of this viewer has not come to an end; try again."
        answer = {"error": "viewer_start_failed", "message": message}
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = (
            f"The remote has no folder for the viewer's state: {where}{error.strerror}. "
            "XDG_STATE_HOME can name another, on a disk of that machine."
        )
        answer = {"error": "viewer_start_failed", "message": message}
    sys.stdout.write(f"\n{config['marker']} {json.dumps(answer)}\n")
    sys.stdout.flush()


def _find_or_start(config: Dict[str, Any]) -> Dict[str, Any]:
    for name in list(os.environ):
        if name.startswith(_UNSET) or (name.startswith("RUNICORN_") and name.endswith(_UNSET_ENDINGS)):
            del os.environ[name]
    home = os.path.expanduser("~")
    os.chdir(home if os.path.isdir(home) else "/")
    root = None if config["root"] is None else os.path.expanduser(config["root"])
    reason = None if root is None else _unusable(root)
    if reason is not None:
        return {"error": "invalid_parameters", "field": "remote_root", "message": reason}
    machine = Machine.here()
    prefix = os.path.realpath(sys.prefix)
    key = viewer_key(prefix, os.path.realpath(root or configured_root(dict(os.environ))))
    for _ in range(CLEANUPS):
        # The viewer before may remove the folder between its opening and the claim.
        with contextlib.suppress(FileNotFoundError):
            return _find_or_start_in(open_folder(dict(os.environ), machine), config, root, key)
    return _find_or_start_in(open_folder(dict(os.environ), machine), config, root, key)


def _find_or_start_in(
    folder: Folder, config: Dict[str, Any], root: Optional[str], key: str
) -> Dict[str, Any]:
    """Return the state of the viewer of a key.

    Raises
    ------
    FileNotFoundError
        If what is in the folder was cleaned up before it could be claimed.
    """
    lock = folder.lock(key, config["lock_seconds"])
    try:
        state = folder.running(key)
        # One that was started before an upgrade, of runicorn or of this, is still what it was then.
        versions = (STATE_VERSION, installed_version())
        current = state is not None and (state.get("version"), state.get("runicorn_version")) == versions
        if state is not None and current and state["pid"] not in config["ignored"]:
            return {**state, "adopted": True}
        folder.claim(key, lock)
        folder.prune()
        return _start(config, root, folder, key, lock)
    finally:
        os.close(lock)


def viewer_key(prefix: str, root: str) -> str:
    """Return the name under which the viewer of an environment and a storage root (real paths) is kept."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return hashlib.sha256(json.dumps([prefix, version, root]).encode()).hexdigest()[:24]


def _unusable(root: str) -> Optional[str]:
    """Return why a folder cannot be a storage root, or None if it can."""
    if not os.path.isabs(root):
        return "must be absolute, or begin with ~/"
    if not os.path.isdir(root):
        return "is not a directory on the remote"
    if not os.access(root, os.R_OK | os.X_OK):
        return "may not be read by you on the remote"
    return None


def configured_root(environ: Dict[str, str]) -> str:
    """Return the storage root that runicorn would choose by itself (0.5 to 0.7: ``sdk.py``)."""
    chosen: Any = environ.get("RUNICORN_DIR")
    if not chosen:
        base = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
        if sys.platform == "darwin":
            base = os.path.join(os.path.expanduser("~"), "Library", "Application Support")
        name = "Runicorn" if sys.platform == "darwin" else "runicorn"
        try:
            with open(os.path.join(base, name, "config.json"), encoding="utf-8") as file:
                chosen = json.load(file).get("user_root_dir")
        except (OSError, ValueError, AttributeError, RecursionError):
            chosen = None
    if not isinstance(chosen, str) or not chosen:
        chosen = ".runicorn"
    return str(os.path.abspath(os.path.expanduser(chosen)))


def _start(
    config: Dict[str, Any], root: Optional[str], folder: Folder, key: str, lock: int
) -> Dict[str, Any]:
    """Start the viewer in a session of its own and return its state, once it accepts connections."""
    log = folder.open_log(key)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        _become_viewer(config, root, folder, key, (log, writing, lock))
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as file:
        line = file.read()
    tail = os.pread(log, TAIL_BYTES, max(0, os.fstat(log).st_size - TAIL_BYTES)).decode("utf-8", "replace")
    os.close(log)
    answer: Dict[str, Any] = {
        "error": "viewer_start_failed",
        "message": "The viewer ended before it listened.",
    }
    if line:
        answer = json.loads(line.decode("utf-8"))
    if "error" in answer:
        folder.forget(key, os.getpid(), cleanup=True)
        answer["log"] = tail.splitlines()[-TAIL_LINES:]
        if answer["error"] == "viewer_start_failed":
            from runicorn_jupyter.payload.full_disk import without_room  # a start that succeeds is without it

            places = [root or configured_root(dict(os.environ)), os.path.expanduser("~")]
            answer["message"] = without_room(places) or answer["message"]
    return answer


def _become_viewer(
    config: Dict[str, Any], root: Optional[str], folder: Folder, key: str, kept: Any
) -> NoReturn:
    """Let go of the session that started this process, run the viewer, and end."""
    log, writing, lock = kept
    status = 1
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        _close_all_but(0, 1, 2, writing, lock, folder.descriptor, folder.parent)
        hold_environment()
        # An import that never ends would hold the lock, and no lease counts yet.
        signal.alarm(int(config["start_seconds"]))
        # Only here, for who finds a viewer that runs has no need of it.
        from runicorn_jupyter.payload.server import ViewerServer

        with open(writing, "wb") as pipe:
            viewer = ViewerServer(config, root, folder, key)
            problem = viewer.prepare()
            if problem is None:
                viewer.serve(lambda state: _ready(pipe, lock, state))
                status = 0
            else:
                pipe.write(json.dumps(problem).encode())
    except BaseException:  # noqa: BLE001
        # All that can still be told goes to the log, which is what stderr is by now.
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):  # a full disk must not keep it from ending
            sys.stdout.flush()
            sys.stderr.flush()
        # Not by sys.exit: nobody waits for what other threads still want to do.
        os._exit(status)


def _close_all_but(*kept: int) -> None:
    """Close what the session's shell left open: csh has copies of its stdio, which would hold the channel."""
    try:
        descriptors = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        descriptors = list(range(min(os.sysconf("SC_OPEN_MAX"), 4096)))
    for descriptor in descriptors:
        if descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _ready(pipe: Any, lock: int, state: Dict[str, Any]) -> None:
    pipe.write(json.dumps({**state, "adopted": False}).encode())
    pipe.close()
    os.close(lock)
    signal.alarm(0)
