"""The ``publickey`` method: offer keys one after another, ask for a passphrase only where it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runicorn_jupyter.errors import AuthenticationFailed
from runicorn_jupyter.ssh.auth.agent import AgentClient, AgentUnavailable
from runicorn_jupyter.ssh.auth.identities import Candidate
from runicorn_jupyter.ssh.auth.keyfile import KeyFile, KeyFileError, SigningKey, WrongPassphrase
from runicorn_jupyter.ssh.auth.userauth import Failure, MethodMessage, Reply, Success, UserAuth
from runicorn_jupyter.ssh.wire_format import blob_type, is_certificate

__all__ = ["PublicKey"]

Passphrase = Callable[[KeyFile], str | None]
"""Gives the passphrase of an encrypted key, asking the person if need be; None when there is none."""


class PublicKey:
    """The ``publickey`` method; tries each candidate once.

    Parameters
    ----------
    session
        The conversation with the server.
    candidates
        The keys, in order.
    agent
        The agent that signs with its own keys.
    passphrase
        Called at most once per encrypted key, and only after the server said that it would
        take that key (unless the file hides its public half).
    notes
        Collects sentences on keys that failed for a reason of their own.
    only_file
        The one key that the person chose: trouble with it is raised, not noted.
    """

    name = "publickey"

    def __init__(
        self,
        session: UserAuth,
        *,
        candidates: list[Candidate],
        agent: AgentClient | None,
        passphrase: Passphrase,
        notes: list[str],
        only_file: Path | None,
    ) -> None:
        self._session = session
        self._candidates = list(candidates)
        self._agent = agent
        self._passphrase = passphrase
        self._notes = notes
        self._only_file = only_file
        self._unlocked: dict[Path, SigningKey] = {}
        self._accepted: set[bytes] = set()
        self._next = 0
        self.refused: list[str] = []

    def restart(self) -> None:
        """Allow the keys again after a partial success, except those that led to it."""
        self._next = 0

    def attempt(self) -> Reply | None:
        """Try the next candidate.

        Returns
        -------
        Reply or None
            None when there is no other key.

        Raises
        ------
        AuthenticationFailed
            The chosen key cannot be opened.
        TransportClosed
            The connection ended.
        """
        while self._next < len(self._candidates):
            candidate = self._candidates[self._next]
            self._next += 1
            if candidate.blob is not None and candidate.blob in self._accepted:
                continue
            reply = self._offer(candidate)
            if reply is None:
                continue
            if isinstance(reply, Success) or (isinstance(reply, Failure) and reply.partial):
                self._accepted.add(candidate.blob or b"")
            else:
                self.refused.append(candidate.label)
            return reply
        return None

    def _offer(self, candidate: Candidate) -> Reply | None:
        key = self._ready_key(candidate)
        blob = candidate.blob or (key.blob if key else None)
        if key is None and blob is not None:
            reply = self._query(blob)
            if not isinstance(reply, MethodMessage):
                return reply
        try:
            if key is None and candidate.agent_blob is None:
                key = self._unlock(candidate)
                blob = blob or key.blob
            return self._sign(candidate, blob or b"", key)
        except (KeyFileError, AgentUnavailable) as exc:
            self._cannot_use(candidate, exc)
            return None

    def _ready_key(self, candidate: Candidate) -> SigningKey | None:
        """Return the key if it can sign without a prompt: a query would cost a round trip."""
        file = candidate.file
        if file is None or candidate.agent_blob is not None:
            return None
        if file.path in self._unlocked:
            return self._unlocked[file.path]
        if file.encrypted:
            return None
        try:
            return self._unlock(candidate)
        except KeyFileError:
            return None  # it is met again, and told, if the server wants this key

    def _unlock(self, candidate: Candidate) -> SigningKey:
        file = candidate.file
        if file is None:
            raise KeyFileError("its private half is missing")
        if file.path not in self._unlocked:
            secret = self._passphrase(file) if file.encrypted else None
            self._unlocked[file.path] = file.unlock(secret)
        return self._unlocked[file.path]

    def _query(self, blob: bytes) -> Reply:
        return self._session.request("publickey", False, self._algorithm(blob), blob)

    def _sign(self, candidate: Candidate, blob: bytes, key: SigningKey | None) -> Reply:
        algorithm = self._algorithm(blob)
        request = self._session.request_message("publickey", True, algorithm, blob)
        covered = self._session.signed_data(request)
        if key is not None:
            signature = key.sign(covered, algorithm)
        else:
            signature = self._sign_by_agent(candidate, covered, algorithm)
        return self._session.request("publickey", True, algorithm, blob, signature)

    def _sign_by_agent(self, candidate: Candidate, data: bytes, algorithm: str) -> bytes:
        if self._agent is None or candidate.agent_blob is None:
            raise KeyFileError("its private half is missing")
        try:
            return self._agent.sign(candidate.agent_blob, data, algorithm)
        except AgentUnavailable:
            if candidate.file is None or candidate.file.on_token:
                raise
            return self._unlock(candidate).sign(data, algorithm)

    def _algorithm(self, blob: bytes) -> str:
        """Return the signature algorithm; for RSA a SHA-2 one that the server accepts (RFC 8332)."""
        kind = blob_type(blob)
        if not kind.startswith("ssh-rsa"):
            return kind
        offered = self._session.server_signature_algorithms
        name = (
            "rsa-sha2-256" if "rsa-sha2-512" not in offered and "rsa-sha2-256" in offered else "rsa-sha2-512"
        )
        return f"{name}-cert-v01@openssh.com" if is_certificate(blob) else name

    def _cannot_use(self, candidate: Candidate, exc: KeyFileError | AgentUnavailable) -> None:
        if isinstance(exc, AgentUnavailable):
            self._notes.append(f"{candidate.label}: {exc}")
            return
        if isinstance(exc, WrongPassphrase):
            sentence = f"The private key {candidate.label} could not be opened: {exc}."
        else:
            sentence = f"The private key {candidate.label} cannot be used: {exc}."
        if self._only_file is not None:
            raise AuthenticationFailed(sentence) from exc
        self._notes.append(sentence)
