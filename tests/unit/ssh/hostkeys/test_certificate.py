"""Host certificates as ssh-keygen makes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runicorn_jupyter.ssh.hostkeys.certificate import HostCertificate
from tests.unit.ssh.hostkey_files import blob, certify


@pytest.mark.parametrize("ca", ["ca", "rsa_ca", "ecdsa_ca"])
@pytest.mark.parametrize("name", ["ed25519", "rsa", "ecdsa"])
def test_certificates_of_all_kinds(keys: Path, ca: str, name: str) -> None:
    certificate = HostCertificate.parse(certify(keys, name, ca, "-n", "gpu.example,*.cluster"))
    assert certificate.plain == blob(keys, name)
    assert certificate.authority == blob(keys, ca)
    assert certificate.why_not("gpu.example") is None
    assert certificate.why_not("n1.cluster") is None
    assert certificate.why_not("gpu.elsewhere") == "is for other hosts"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-n", "gpu", "-V", "20200101:20200201"], "has expired"),
        (["-n", "gpu", "-V", "+1d:+2d"], "is not valid yet"),
        ([], "names no host"),
        (["-n", "gpu", "-O", "critical:x=y"], "has critical options that are not known"),
    ],
)
def test_certificates_that_are_not_good(keys: Path, options: list[str], reason: str) -> None:
    assert HostCertificate.parse(certify(keys, "ed25519", "ca", *options)).why_not("gpu") == reason


def test_a_users_certificate_is_none_for_a_host(keys: Path) -> None:
    certificate = HostCertificate.parse(certify(keys, "ed25519", "ca", "-n", "gpu", host=False))
    assert certificate.why_not("gpu") == "is not a host certificate"


def test_sha1_signatures_are_not_believed(keys: Path) -> None:
    made = certify(keys, "ed25519", "rsa_ca", "-n", "gpu", "-t", "ssh-rsa")
    assert HostCertificate.parse(made).why_not("gpu") == "is not signed by the authority that it names"


def test_no_changed_byte_goes_unnoticed(keys: Path) -> None:
    good = certify(keys, "ed25519", "ca", "-n", "gpu")
    authority = blob(keys, "ca")
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        try:
            certificate = HostCertificate.parse(bytes(bad))
        except ValueError:
            continue
        assert certificate.authority != authority or certificate.why_not("gpu") is not None, position
