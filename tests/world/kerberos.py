"""A Kerberos realm of the tests' own: Debian's ``krb5-kdc`` on loopback, without root's files and ports."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import processes
from tests.world.environments import built_once, run

REALM = "RUNICORN.TEST"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
PROGRAMS = ("krb5kdc", "kadmin.local", "kinit", "krb5-config", "gcc")


def require_kerberos() -> None:
    """Skip where Debian's packages of Kerberos are not installed."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        missing.append("Python.h")
    if missing:
        pytest.skip(
            f"needs {', '.join(missing)}: apt-get install krb5-admin-server krb5-kdc krb5-user libkrb5-dev"
        )


def gssapi_packages() -> Path:
    """Return a folder that holds the extra ``gssapi`` for this Python, built once."""

    def install(folder: Path) -> None:
        # There are no wheels of it for Linux: compiled without optimising, in a third of the time.
        options = ("--no-input", "--quiet", "--target", folder)
        run(sys.executable, "-m", "pip", "install", *options, "gssapi", CFLAGS="-O0")

    return built_once(["gssapi", sys.version, sys.executable], install)


class Realm:
    """A realm with this account as its only user, and hosts by name.

    Parameters
    ----------
    folder
        An empty folder of its own.
    hosts
        Names of hosts whose keys are in the keytab.
    """

    def __init__(self, folder: Path, hosts: tuple[str, ...] = ("127.0.0.1",)) -> None:
        self._folder = folder
        self._password = "a-password-of-the-tests"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            " rdns = false\n dns_canonicalize_hostname = false\n forwardable = true\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n"
        )
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n"
            f"  key_stash_file = {folder}/stash\n  acl_file = {folder}/acl\n }}\n"
            f"[logging]\n kdc = FILE:{folder}/kdc.log\n"
        )
        self.environment = {
            "KRB5_CONFIG": f"{folder}/krb5.conf",
            "KRB5_KDC_PROFILE": f"{folder}/kdc.conf",
            "KRB5_KTNAME": f"{folder}/keytab",
            "KRB5CCNAME": f"FILE:{folder}/tickets",
        }
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        self._admin(f"addprinc -pw {self._password} {getpass.getuser()}")
        for host in hosts:
            self._admin(f"addprinc -randkey host/{host}")
            self._admin(f"ktadd -k {folder}/keytab host/{host}")
        self._kdc = subprocess.Popen(
            ["krb5kdc", "-n"],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._kdc.stdout is not None
        for line in self._kdc.stdout:
            if "starting" in line:
                break
        else:
            pytest.fail(f"krb5kdc does not start: {(folder / 'kdc.log').read_text()}")

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "PATH": PATH}

    def _run(self, *command: str, text: str = "") -> str:
        done = subprocess.run(
            command, env=self._env, input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def _admin(self, command: str) -> None:
        self._run("kadmin.local", "-r", REALM, "-q", command)

    def kinit(self) -> None:
        """Get a ticket, which can be forwarded."""
        self._run("kinit", "-f", getpass.getuser(), text=f"{self._password}\n")

    def kdestroy(self) -> None:
        """Forget all tickets."""
        with contextlib.suppress(FileNotFoundError):
            (self._folder / "tickets").unlink()

    def close(self) -> None:
        """Stop the KDC."""
        processes.kill(self._kdc.pid, 30)
        self._kdc.wait()
        assert self._kdc.stdout is not None
        self._kdc.stdout.close()


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A realm, and this process in it: its sshds and its tickets are the realm's."""
    require_kerberos()
    packages = gssapi_packages()
    made = Realm(tmp_path_factory.mktemp("kerberos"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "path", [*sys.path, str(packages)])
        try:
            yield made
        finally:
            made.close()
