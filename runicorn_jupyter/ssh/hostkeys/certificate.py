"""Host certificates (OpenSSH's PROTOCOL.certkeys): parsing and validation."""

from __future__ import annotations

import time
from dataclasses import dataclass

from runicorn_jupyter.ssh.config.patterns import matches
from runicorn_jupyter.ssh.hostkeys.signatures import is_signed
from runicorn_jupyter.ssh.wire_format import Reader, key_fields, plain_type

__all__ = ["HostCertificate"]

_HOST = 2  # SSH2_CERT_TYPE_HOST
MAX_PRINCIPALS = 256
"""As OpenSSH takes (``SSHKEY_CERT_MAX_PRINCIPALS``)."""


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """A parsed certificate, not yet validated.

    Attributes
    ----------
    plain
        The host's public key in wire form.
    authority
        The key that is named as the signer, in wire form.
    kind
        1 for a user's, 2 for a host's.
    principals
        Patterns of the host names that it is valid for.
    valid_after, valid_before
        Seconds since 1970; valid from the first on and before the second.
    critical_options
        Names of critical options; any is an error, as none is defined for hosts.
    """

    plain: bytes
    authority: bytes
    kind: int
    principals: tuple[str, ...]
    valid_after: int
    valid_before: int
    critical_options: tuple[bytes, ...]
    _signed: bytes
    _signature: bytes

    @classmethod
    def parse(cls, blob: bytes) -> HostCertificate:
        """Parse a certificate.

        Raises
        ------
        ValueError
            It is truncated, has trailing bytes, or is of an unknown type.
        """
        reader = Reader(blob)
        kind = plain_type(reader.string().decode("ascii", "replace"))
        reader.string()  # the nonce
        plain = key_fields(reader, kind)
        reader.uint64()  # the serial number
        certificate_kind = reader.uint32()
        reader.string()  # the key's name, for logs
        principals = reader.strings(MAX_PRINCIPALS)
        valid_after, valid_before = reader.uint64(), reader.uint64()
        critical = reader.strings(MAX_PRINCIPALS)
        reader.string()  # extensions: none matters for a host
        reader.string()  # reserved
        authority = reader.string()
        signed = reader.consumed
        signature = reader.string()
        if not reader.at_end:
            raise ValueError("something behind its end")
        return cls(
            plain,
            authority,
            certificate_kind,
            tuple(name.decode("utf-8", "surrogateescape") for name in principals),
            valid_after,
            valid_before,
            tuple(critical),
            signed,
            signature,
        )

    def why_not(self, host: str, now: float | None = None) -> str | None:
        """Return why the certificate is not valid for a host, if its authority is trusted.

        Parameters
        ----------
        host
            The host's name without a port, or its HostKeyAlias.
        now
            Seconds since 1970; None for the clock's.

        Returns
        -------
        str or None
            What is wrong, to follow "its certificate"; None if it is valid.
        """
        moment = time.time() if now is None else now
        for wrong, reason in (
            (self.kind != _HOST, "is not a host certificate"),
            (moment < self.valid_after, "is not valid yet"),
            (moment >= self.valid_before, "has expired"),
            (not self.principals, "names no host"),
            (not any(matches(host, name) for name in self.principals), "is for other hosts"),
            (bool(self.critical_options), "has critical options that are not known"),
        ):
            if wrong:
                return reason
        return None if self._signed_by_authority() else "is not signed by the authority that it names"

    def _signed_by_authority(self) -> bool:
        return is_signed(self.authority, self._signed, self._signature)
