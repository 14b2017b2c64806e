"""OpenSSH's own sshd, one process an instance, on loopback, as the current user.

Each instance has its own configuration, host key, client key, remote home and log. What an
sshd takes from the system's user database (home, shell, password) is replaced where this
process may make a mount namespace (root): the sshd and all that it starts have an ``/etc`` of
their own, with a private ``passwd`` and ``shadow``, so that ``~``, ``$HOME``, the working directory and the
login shell are really those of the instance. Elsewhere ``SetEnv HOME=…`` is the nearest
thing (the working directory of a command then stays the real home); ``Sshd.relocated`` tells
which, and tests that need a private shell or password skip without it.

All that a session starts carries ``RUNICORN_TEST_SSHD=<id>`` in its environment, so
``processes()`` counts even what has detached itself, and teardown ends it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import processes
from tests.world.ssh_home import SshHome  # both ends of a connection come from here

MARK = "RUNICORN_TEST_SSHD"
START_SECONDS = 60.0
ACCOUNT_ID = 54321
"""User and group of an account without rights; no other on this machine has it."""
Option = str | int | list[str]

# Read by sh, not formatted: paths come as arguments. A file that is mounted over /etc/passwd itself would be
# gone as soon as useradd replaces that of the machine, so all of /etc is another: links into the real one.
ENTER_ETC = """
set -e
mount --bind /etc "$1"
mount -t tmpfs -o mode=755 tmpfs /etc
ln -s "$1"/.[!.]* "$1"/* /etc/
cp --remove-destination -p "$2" /etc/passwd
cp --remove-destination -p "$3" /etc/shadow
shift 3
exec "$@"
"""
NAME_MACHINE = """
echo "$1" >/proc/sys/kernel/hostname
shift
exec "$@"
"""


def sshd_program() -> str | None:
    """Return the path of the machine's sshd, or None."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def can_relocate() -> bool:
    """Tell whether this process may give an sshd a user database of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def make_key(path: Path, *arguments: str, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Make a key pair with ssh-keygen at ``path`` and ``path.pub``; return ``path``."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path), *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


class Sshd:
    """One sshd.

    Parameters
    ----------
    root
        An empty folder of its own.
    home
        The remote user's home; default: ``root/home``.
    shell
        The remote user's login shell (needs ``relocated``).
    account
        The name of an account without any rights that the remote user is instead (needs ``relocated``); its
        home is where it may go.
    password
        Lets this password in too (needs ``relocated``); ``password_expired`` makes it one
        that has to be changed.
    address
        The loopback address to listen on.
    network
        The network namespace to live in; ``address`` is one of its own then.
    hostname
        What its sessions hold for the machine's name, as another node of a cluster (needs ``relocated``).
    match
        Text put at the end of the configuration (``Match`` blocks).
    options
        Lines of sshd_config; a list gives several lines; they win over the defaults.
    """

    def __init__(
        self,
        root: Path,
        *,
        home: Path | None = None,
        shell: str | None = None,
        account: str = "",
        password: str | None = None,
        password_expired: bool = False,
        address: str = "127.0.0.1",
        network: str | None = None,
        hostname: str = "",
        match: str = "",
        **options: Option,
    ) -> None:
        self.root = root
        self.id = uuid.uuid4().hex
        self.host = address
        self.network = network
        self.hostname = hostname
        self.port = 0
        self.user = account or getpass.getuser()
        self.relocated = can_relocate()
        self._visible = root
        if account and self.relocated:  # pytest's folders are for their owner alone
            self._visible = Path(tempfile.mkdtemp(prefix="runicorn-sshd-"))
            self._visible.chmod(0o755)
        self.home = home or self._visible / "home"
        self.home.mkdir(exist_ok=True, mode=0o700)
        self.key_path = make_key(root / "client_key")
        self.host_key_path = make_key(root / "host_key")
        self.authorized_keys = self._visible / "authorized_keys"
        self.authorized_keys.write_text((root / "client_key.pub").read_text())
        self.options = options
        self.match = match
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._news = threading.Condition()
        if self.relocated:
            self._write_user_database(shell, password, password_expired)
        elif shell or account or password or hostname:
            pytest.skip("a private shell, account, password or hostname needs root and mount namespaces")

    def _write_user_database(self, shell: str | None, password: str | None, expired: bool) -> None:
        entries = [line.split(":") for line in Path("/etc/passwd").read_text().splitlines() if line]
        if self._visible != self.root:
            entries.append([self.user, "x", str(ACCOUNT_ID), str(ACCOUNT_ID), "", "", ""])
            os.chown(self.home, ACCOUNT_ID, ACCOUNT_ID)
        for entry in entries:
            if entry[0] == self.user:
                entry[5] = str(self.home)
                entry[6] = shell or "/bin/bash"
        (self.root / "passwd").write_text("".join(":".join(entry) + "\n" for entry in entries))
        hashed = "*"
        if password is not None:
            command = ["openssl", "passwd", "-6", "-stdin"]
            made = subprocess.run(command, input=password, capture_output=True, text=True, check=True)
            hashed = made.stdout.strip()
        changed = "0" if expired else "19000"
        lines = [f"{e[0]}:{hashed if e[0] == self.user else '*'}:{changed}:0:99999:7:::" for e in entries]
        shadow = self.root / "shadow"
        shadow.write_text("\n".join(lines) + "\n")
        shadow.chmod(0o600)

    @property
    def host_key(self) -> str:
        """The host's public key as ``TYPE BASE64``."""
        return " ".join((self.root / "host_key.pub").read_text().split()[:2])

    @property
    def known_hosts_line(self) -> str:
        """The line for a known_hosts file, with its newline."""
        name = self.host if self.port == 22 else f"[{self.host}]:{self.port}"
        return f"{name} {self.host_key}\n"

    @property
    def pid(self) -> int:
        """The listener's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the listener runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All that sshd has printed so far."""
        with self._news:
            return "".join(self._lines)

    def wait_log(self, text: str, *, after: int = 0, timeout: float = START_SECONDS) -> None:
        """Wait until a line that holds ``text`` has come (after the first ``after`` lines).

        Raises
        ------
        TimeoutError
            With the log, if it does not come within ``timeout`` seconds.
        """
        with self._news:
            if not self._news.wait_for(lambda: any(text in line for line in self._lines[after:]), timeout):
                raise TimeoutError(f"sshd did not print {text!r}:\n{''.join(self._lines[-50:])}")

    def config(self, **options: Option) -> Path:
        """Write sshd_config (with ``options`` added to the instance's) and return its path."""
        self.options = {**self.options, **options}
        environment = [f"{MARK}={self.id}"]
        if not self.relocated:
            environment.append(f"HOME={self.home}")
        values: dict[str, Option] = {
            "ListenAddress": f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}",
            "HostKey": str(self.host_key_path),
            "AuthorizedKeysFile": str(self.authorized_keys),
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "yes" if (self.root / "shadow").exists() else "no",
            "KbdInteractiveAuthentication": "no",
            "LogLevel": "VERBOSE",
            "MaxSessions": 100,
            "MaxStartups": "200:30:400",
            "Subsystem": "sftp internal-sftp",
            "UseDNS": "no",
        }
        values.update(self.options)
        lines = []
        for name, value in values.items():
            for one in value if isinstance(value, list) else [value]:
                lines.append(f"{name} {one}")
        # sshd heeds the first SetEnv line only.
        extra = self.options.get("SetEnv", [])
        environment += [str(one) for one in (extra if isinstance(extra, list) else [extra])]
        lines = [line for line in lines if not line.startswith("SetEnv ")]
        lines.append("SetEnv " + " ".join(environment))
        path = self.root / "sshd_config"
        path.write_text("\n".join(lines) + "\n" + self.match)
        return path

    def _command(self) -> list[str]:
        program = sshd_program()
        assert program is not None
        command = [program, "-D", "-e", "-f", str(self.config())]
        if self.relocated:
            own = self._visible / "etc"  # where the machine's own stays to be seen
            own.mkdir(exist_ok=True)
            paths = [str(own), str(self.root / "passwd"), str(self.root / "shadow")]
            command = ["unshare", "--mount", "sh", "-c", ENTER_ETC, "sh", *paths, *command]
        if self.hostname:
            command = ["unshare", "--uts", "sh", "-c", NAME_MACHINE, "sh", self.hostname, *command]
        if self.network:
            command = ["nsenter", f"--net=/run/netns/{self.network}", *command]
        return command

    def start(self, **options: Option) -> Sshd:
        """Start it (on the same port as before) and return when it listens."""
        self.options = {**self.options, **options}
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        first = self.port == 0
        for _ in range(20):
            if first:
                self.port = self._free_port()
            if self._start_once():
                return self
        raise RuntimeError(f"sshd does not start:\n{self.log}")

    def _free_port(self) -> int:
        if self.network:
            return 2222  # all of its ports are free
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.create_server((self.host, 0), family=family) as probe:
            return int(probe.getsockname()[1])

    def _start_once(self) -> bool:
        seen = len(self._lines)
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        process = self._process
        threading.Thread(target=self._collect, args=(process,), name="sshd-log", daemon=True).start()

        def listening() -> bool:
            return any("Server listening on" in line for line in self._lines[seen:]) or (
                process.poll() is not None
            )

        with self._news:
            if not self._news.wait_for(listening, START_SECONDS):
                process.kill()
            else:
                listens = process.poll() is None
                if listens:
                    return True
        process.wait()
        return False

    def _collect(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        process.wait()
        with self._news:
            self._news.notify_all()

    def session_pids(self) -> list[int]:
        """Process ids of the sshd processes that serve a client (listener left out)."""
        return [] if self._process is None else processes.descendants(self.pid, "sshd")

    def processes(self) -> list[int]:
        """Process ids of all that this sshd's sessions started, detached or not."""
        return processes.with_variable(MARK, self.id)

    def left(self) -> list[str]:
        """Return what still runs after the time that a busy machine takes to end it.

        What ends may start another to clean up, so what there is is asked for until there is nothing.
        """
        deadline = time.monotonic() + START_SECONDS
        while (found := self.processes()) and time.monotonic() < deadline:
            for pid in found:
                processes.ends(pid, deadline - time.monotonic())
        return [processes.describe(pid) for pid in found]

    def drop_sessions(self) -> None:
        """Kill the processes that serve clients, as a crash would; the listener stays."""
        for pid in self.session_pids():
            processes.kill_group(pid)

    def pause(self) -> None:
        """Stop listener and sessions (SIGSTOP): TCP stays up, nothing answers."""
        self._paused = [self.pid, *self.session_pids()]
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        for pid in self.__dict__.pop("_paused", []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self, *, sessions: bool = True) -> None:
        """Stop listening, and end the sessions unless ``sessions`` is false."""
        self.resume()
        if self._process is None:
            return
        serving = self.session_pids() if sessions else []
        self._process.terminate()
        self._process.wait()
        for pid in serving:
            processes.kill_group(pid)
        self._process = None

    def restart(self, **options: Option) -> None:
        """Stop, then start on the same port (with ``options`` added)."""
        self.stop()
        self.start(**options)

    def new_host_key(self) -> None:
        """Give it another host key (heeded at the next start)."""
        self.host_key_path.unlink()
        Path(f"{self.host_key_path}.pub").unlink()
        make_key(self.host_key_path)

    def close(self) -> None:
        """Stop it and end whatever its sessions left running."""
        self.stop()
        for pid in self.processes():
            processes.kill(pid, START_SECONDS)
        if self._visible != self.root:
            shutil.rmtree(self.home)
            self.authorized_keys.unlink()
            (self._visible / "etc").rmdir()
            self._visible.rmdir()


@pytest.fixture(scope="session")
def _sshd_program() -> str:
    program = sshd_program()
    if program is None:
        pytest.fail("these tests need OpenSSH's sshd: apt-get install openssh-server")
    return program


@pytest.fixture(scope="session")
def sshd(_sshd_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One ordinary sshd for the whole run; do not stop it or change its home's basics."""
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def make_sshd(_sshd_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sshd]]:
    """Start sshd's of the test's own: ``make_sshd(MaxSessions=1, home=…, shell=…, password=…)``."""
    made: list[Sshd] = []

    def make(**options: Any) -> Sshd:
        server = Sshd(tmp_path_factory.mktemp("sshd"), **options)
        made.append(server)
        return server.start()

    try:
        yield make
    finally:
        for server in made:
            server.close()


@pytest.fixture
def ssh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshHome:
    """A fresh home for the client side: ``$HOME`` points to it and no agent is known."""
    monkeypatch.setenv("HOME", str(tmp_path / "client-home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return SshHome(tmp_path / "client-home")
