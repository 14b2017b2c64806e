"""One certificate is good, whatever name it is for, and no other; a Unix socket is as good as a port."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import UnixStreamServer

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from runicorn_jupyter.client.transport import PinnedAdapter, UnixAdapter, pinned_context


class Hello(BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self) -> None:
        """Say hello."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's own word
        """Print nothing."""

    def address_string(self) -> str:
        """Name no address: a Unix socket's client has none."""
        return "somebody"


def make_certificate(folder: Path, name: str) -> Path:
    """Write a key and a certificate that it signs itself, for a name that no test asks for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gpu.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + cert.public_bytes(Encoding.PEM)
    )
    return path


def public_part(path: Path) -> str:
    """Return the certificate without its key, as the extension writes it."""
    text = path.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Run a server with a certificate of its own; gives its port and the certificate."""
    path = make_certificate(tmp_path, "its")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = HTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1], public_part(path)
    server.shutdown()
    thread.join()
    server.server_close()


def get(url: str, certificate: str) -> requests.Response:
    """Ask with one certificate pinned."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount(url, PinnedAdapter(certificate))
        return session.get(url, timeout=60)


def test_the_certificate_itself_is_good_whatever_name_it_is_for(https: tuple[int, str]) -> None:
    port, certificate = https
    assert get(f"https://127.0.0.1:{port}/", certificate).text == "hello"


def test_no_other_certificate_is_good(https: tuple[int, str], tmp_path: Path) -> None:
    other = public_part(make_certificate(tmp_path, "other"))
    with pytest.raises(requests.exceptions.SSLError):
        get(f"https://127.0.0.1:{https[0]}/", other)


async def _handshake(port: int, certificate: str) -> None:
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=pinned_context(certificate), server_hostname="127.0.0.1"
    )
    writer.close()
    await writer.wait_closed()


async def test_a_web_socket_is_as_strict(https: tuple[int, str], tmp_path: Path) -> None:
    port, certificate = https
    await _handshake(port, certificate)
    with pytest.raises(ssl.SSLCertVerificationError):
        await _handshake(port, public_part(make_certificate(tmp_path, "other")))


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_a_unix_socket_is_asked_in_place_of_localhost(tmp_path: Path) -> None:
    with UnixStreamServer(str(tmp_path / "s"), Hello) as server, requests.Session() as session:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        session.mount("http://localhost", UnixAdapter(str(tmp_path / "s")))
        assert session.get("http://localhost/x", timeout=60).text == "hello"
        server.shutdown()
        thread.join()
        (tmp_path / "s").unlink()
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get("http://localhost/x", timeout=60)
