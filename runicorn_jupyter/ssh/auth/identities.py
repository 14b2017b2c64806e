"""Which keys to offer, in the order in which OpenSSH's client offers them (``pubkey_prepare``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from runicorn_jupyter.ssh.auth.agent import AgentClient, AgentUnavailable
from runicorn_jupyter.ssh.auth.keyfile import KeyFile, KeyFileError, read_public_file, shown
from runicorn_jupyter.ssh.wire_format import is_certificate, plain_blob

__all__ = ["Candidate", "Identities", "collect"]


class _Wanted(Protocol):
    """The fields of a target that select the keys to offer."""

    @property
    def identity_files(self) -> tuple[Path, ...]: ...
    @property
    def certificate_files(self) -> tuple[Path, ...]: ...
    @property
    def identities_only(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """One key to offer to the server.

    Attributes
    ----------
    label
        How to name it to a person.
    blob
        The public key or certificate to offer; None where an encrypted file hides it.
    file
        Where its private half is, if in a file.
    agent_blob
        The agent's name for its private half, if in the agent.
    """

    label: str
    blob: bytes | None
    file: KeyFile | None = None
    agent_blob: bytes | None = None


@dataclass(slots=True)
class Identities:
    """The result of `collect`.

    Attributes
    ----------
    candidates
        In the order to offer them.
    notes
        Sentences on keys that were left out, for the error should nothing work.
    """

    candidates: list[Candidate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(
    target: _Wanted, agent: AgentClient | None, only_file: Path | None, agent_only: bool
) -> Identities:
    """Find the keys to offer to a host.

    Parameters
    ----------
    target
        Its identity files, certificate files and ``IdentitiesOnly``.
    agent
        The agent to ask, if there is one.
    only_file
        The one private key that the person chose; nothing else is offered then.
    agent_only
        Offer what the agent holds and no file.

    Returns
    -------
    Identities
        Never raises: what cannot be read is noted and left out.
    """
    found = Identities()
    files = _file_candidates([only_file] if only_file else target.identity_files, target, found, only_file)
    certificates = _certificate_candidates(target.certificate_files, files, only_file is not None)
    agent_keys = _agent_keys(agent, found)
    matching, rest = _split_agent(agent_keys, files)
    if agent_only:
        wanted = matching if target.identities_only else agent_keys
        found.candidates = _with_signers(certificates, wanted, agent_keys, [])
        return found
    in_agent = {candidate.blob for candidate in matching}
    remaining = [candidate for candidate in files if candidate.blob is None or candidate.blob not in in_agent]
    others = [] if target.identities_only or only_file else rest
    found.candidates = _with_signers(certificates, [*matching, *others, *remaining], agent_keys, found.notes)
    return found


def _file_candidates(
    paths: Iterable[Path], target: _Wanted, found: Identities, only_file: Path | None
) -> list[Candidate]:
    candidates: list[Candidate] = []
    for path in paths:
        try:
            key: KeyFile | None = KeyFile.read(path)
        except KeyFileError as exc:
            key = None
            if path.exists() and read_public_file(path) is None:
                found.notes.append(f"{shown(path)} was left out: {exc}.")
        # A public key alone names a key of the agent, as with IdentitiesOnly and a token.
        public = key.public_blob if key else read_public_file(path) or read_public_file(_beside(path, ".pub"))
        if key is None and public is None:
            continue
        candidates.append(Candidate(shown(path), public, key))
        certificate = read_public_file(_beside(path, "-cert.pub"))
        if certificate and is_certificate(certificate) and not target.certificate_files:
            candidates.append(Candidate(f"{shown(path)}-cert.pub", certificate, key))
    return candidates


def _certificate_candidates(
    paths: Iterable[Path], files: Sequence[Candidate], only_matching: bool
) -> list[Candidate]:
    """List candidates from CertificateFile; with a chosen key only its own."""
    candidates = []
    for path in paths:
        blob = read_public_file(path)
        if blob is None or not is_certificate(blob):
            continue
        key = next((c for c in files if c.file and c.blob and c.blob == plain_blob(blob)), None)
        if key is not None or not only_matching:
            candidates.append(Candidate(shown(path), blob, key.file if key else None))
    return candidates


def _agent_keys(agent: AgentClient | None, found: Identities) -> list[Candidate]:
    if agent is None:
        return []
    try:
        identities = agent.identities()
    except AgentUnavailable as exc:
        found.notes.append(str(exc))
        return []
    return [
        Candidate(f"the agent's key {identity.comment!r}", identity.blob, agent_blob=identity.blob)
        for identity in identities
    ]


def _split_agent(
    agent_keys: Sequence[Candidate], files: Sequence[Candidate]
) -> tuple[list[Candidate], list[Candidate]]:
    """Split the agent's keys: those also in the config's files, labelled with the file, and the rest."""
    by_blob = {candidate.blob: candidate for candidate in files if candidate.blob}
    matching, rest = [], []
    for key in agent_keys:
        file = by_blob.get(key.blob or b"")
        if file is None:
            rest.append(key)
        else:
            matching.append(Candidate(file.label, key.blob, file.file, key.agent_blob))
    return matching, rest


def _with_signers(
    certificates: Sequence[Candidate],
    keys: Sequence[Candidate],
    agent_keys: Sequence[Candidate],
    notes: list[str],
) -> list[Candidate]:
    """Drop candidates without a private key, after searching it for each certificate."""
    result: list[Candidate] = []
    seen: set[bytes] = set()
    for candidate in [*certificates, *keys]:
        if candidate.blob is not None:
            if candidate.blob in seen:
                continue
            seen.add(candidate.blob)
        signer = _find_signer(candidate, agent_keys)
        if signer is not None:
            result.append(signer)
        elif candidate.file is not None and candidate.file.on_token:
            notes.append(
                f"{candidate.label} is on a FIDO token, which only an SSH agent can use: "
                "ssh-add it and start Jupyter with that agent."
            )
    return result


def _find_signer(candidate: Candidate, agent_keys: Sequence[Candidate]) -> Candidate | None:
    if candidate.agent_blob is not None:
        return candidate
    if candidate.blob is not None:
        plain = plain_blob(candidate.blob)
        for key in agent_keys:
            if key.blob in (candidate.blob, plain):
                return Candidate(candidate.label, candidate.blob, candidate.file, key.agent_blob)
    if candidate.file is None or candidate.file.on_token:
        return None
    return candidate


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
