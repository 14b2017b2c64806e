"""The resolved host, as `resolver.resolve` returns it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runicorn_jupyter.ssh.hostkeys.known_hosts_command import KnownHostsCommand

__all__ = ["DEFAULT_PORT", "KerberosOptions", "Target"]

DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class KerberosOptions:
    """What the ssh config says of Kerberos.

    Attributes
    ----------
    delegate
        Whether the server gets a ticket to go on with (``GSSAPIDelegateCredentials``).
    server_identity
        The host name of the server's principal where it is another one (``GSSAPIServerIdentity``, Debian's).
    """

    delegate: bool = False
    server_identity: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved host: all settings that connecting needs.

    Attributes
    ----------
    asked
        The host as the request said it.
    hostname, port, username
        Where to connect, and as whom.
    identity_files, certificate_files
        Private keys and certificates, in the order of the config; they need not exist.
    identities_only
        Offer only keys of ``identity_files``, even if the agent has more.
    identity_agent
        Path of the agent's socket; ``none`` for no agent; None for the environment's.
    proxy_jump
        The jump hosts, first hop first, each resolved by its own config and without jumps.
    proxy_command
        A command for the user's shell whose stdio is the connection; its tokens are expanded.
    user_known_hosts, global_known_hosts
        Host key files; new keys go to the first of the user's.
    host_key_alias
        The name under which the host's key is kept, if not its own.
    connect_timeout
        Seconds, if the config has one.
    address_family
        ``socket.AF_UNSPEC``, ``AF_INET`` or ``AF_INET6``.
    preferred_authentications
        Methods in order, if the config has them.
    strict_host_key_checking
        The config's own word: ``yes``, ``accept-new``, ``no`` or ``ask``.
    hash_known_hosts
        Whether names are hashed in new entries.
    revoked_host_keys
        Files of keys that are never accepted.
    server_alive_interval
        Seconds between keepalives, 0 if the config has none.
    server_alive_count_max
        How many may stay unanswered.
    number_of_password_prompts
        How often a person may get a password wrong.
    bind_address
        Local address to connect from, if the config has one.
    known_hosts_command
        A program to ask for host keys too; None if there is none, or none may run.
    check_host_ip
        Whether the key must also be the one on record for the address.
    no_host_authentication_for_localhost
        Whether any host key is accepted from a loopback address.
    update_host_keys
        Whether a known host's further keys are learned from it, and its old ones forgotten.
    pkcs11_provider
        The library of a token with keys, which only an agent can use here.
    kerberos
        How to use the user's Kerberos tickets; None where the config does not want them used.
    control_path
        The socket of a master of the user's own ssh, expanded; None where none is to be used.
    environment
        Variables that each command is sent with (``SendEnv``, ``SetEnv``); the server takes what it accepts.
    notes
        Sentences on what of the config is not honoured, for people.
    """

    asked: str
    hostname: str
    port: int
    username: str
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    certificate_files: tuple[Path, ...] = ()
    proxy_jump: tuple[Target, ...] = ()
    proxy_command: str | None = None
    user_known_hosts: tuple[Path, ...] = ()
    global_known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    connect_timeout: float | None = None
    address_family: int = socket.AF_UNSPEC
    preferred_authentications: tuple[str, ...] | None = None
    strict_host_key_checking: str = "ask"
    hash_known_hosts: bool = False
    revoked_host_keys: tuple[Path, ...] = ()
    server_alive_interval: float = 0
    server_alive_count_max: int = 3
    number_of_password_prompts: int = 3
    bind_address: str | None = None
    known_hosts_command: KnownHostsCommand | None = None
    check_host_ip: bool = False
    no_host_authentication_for_localhost: bool = False
    update_host_keys: bool = False
    pkcs11_provider: str | None = None
    kerberos: KerberosOptions | None = None
    control_path: str | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    @property
    def known_hosts_name(self) -> str:
        """The name under which known_hosts files keep this host: ``host`` or ``[host]:port``."""
        if self.host_key_alias is not None:
            return self.host_key_alias.lower()
        if self.port == DEFAULT_PORT:
            return self.hostname.lower()
        return f"[{self.hostname.lower()}]:{self.port}"
