"""Maps the errors of paramiko and of the system to the API's: for all of ``ssh``, here and nowhere else."""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

import paramiko

from runicorn_jupyter.errors import ConnectionLost, ConnectionTimeout, RemoteError, SshUnavailable
from runicorn_jupyter.ssh.transport.proxy_command import CommandTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runicorn_jupyter.ssh.config.target import Target
    from runicorn_jupyter.ssh.transport.loop_bridge import LoopBridge

log = logging.getLogger(__name__)


def lost() -> ConnectionLost:
    """Make the error for an SSH connection that ended in the middle."""
    return ConnectionLost("The SSH connection was lost and is being re-established; try again in a moment.")


@contextlib.contextmanager
def established() -> Iterator[None]:
    """Map the loss of a connection that is in use."""
    try:
        yield
    except ConnectionResetError as error:
        raise lost() from error


def no_address(name: str) -> SshUnavailable:
    """Make the error for a host name that cannot be resolved."""
    return SshUnavailable(
        f'The host name "{name}" could not be resolved: check its spelling and the network.'
    )


def failed_here(error: OSError) -> SshUnavailable:
    """Make the error for an attempt that this machine, without descriptors or memory, could not make."""
    return SshUnavailable(f"Connecting failed here: {error.strerror}.")


def no_connection(error: OSError, target: Target) -> RemoteError:
    """Make the error for a TCP connection to a host that failed."""
    where = f"{target.hostname} port {target.port}"
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return ConnectionTimeout(f"{where} did not answer in time: check the network, or a VPN or firewall.")
    if error.errno == errno.ECONNREFUSED:
        return SshUnavailable(f"{where} refused the connection: no SSH server listens there.")
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return SshUnavailable(f"{where} cannot be reached from here: check the network or the VPN.")
    reason = error.strerror or "the system gave no reason"
    return SshUnavailable(f"The connection to {where} failed: {reason}.")


@contextlib.contextmanager
def handshake(bridge: LoopBridge, hop: Target) -> Iterator[None]:
    """Map errors of a key exchange or an authentication to `SshUnavailable`."""
    try:
        yield
    except RemoteError:
        raise
    except paramiko.ssh_exception.IncompatiblePeer as error:
        log.info("%s: %s", hop.asked, error)
        raise _no_algorithm(bridge, hop) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise _no_server(bridge, hop, error) from error


def _no_algorithm(bridge: LoopBridge, hop: Target) -> SshUnavailable:
    found = bridge.transport.not_agreed()
    if found is None:
        return SshUnavailable(f"{hop.asked} offers only SSH algorithms that are too old or unknown here.")
    kind, names = found
    hint = "its SSH server has to allow another"
    if any(name.startswith("sntrup761x25519-") for name in names):
        hint = "install runicorn-jupyter[sntrup] where Jupyter runs, and start it anew"
    return SshUnavailable(
        f"{hop.asked} offers only {kind} that are too old or unknown here ({', '.join(names)}); {hint}."
    )


def _no_server(bridge: LoopBridge, hop: Target, error: Exception) -> SshUnavailable:
    where = f"{hop.hostname} port {hop.port}"
    greeting = bridge.transport.greeting
    if isinstance(bridge.byte_transport, CommandTransport):
        words = bridge.byte_transport.last_words()
        said = f": {words}" if words else ""
        return SshUnavailable(f"The ProxyCommand for {hop.asked} gave no SSH connection{said}.")
    if any("MaxStartups" in line for line in greeting):
        return SshUnavailable(f"{where} is busy with too many new connections; try again in a moment.")
    if greeting and not bridge.transport.remote_version:
        return SshUnavailable(f"{where} does not answer as an SSH server.")
    if isinstance(error, paramiko.SSHException) and bridge.transport.remote_version:
        return SshUnavailable(f"{where} does not keep to the SSH protocol.")
    return SshUnavailable(
        f"{where} closed the connection: too many new connections, or this address is not let in."
    )
