"""What is said of a file before it is sent."""

from __future__ import annotations

from pathlib import Path

from runicorn_jupyter.remote.setup.sent_file import SentFile


def test_a_file_has_its_size_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert SentFile.of(path) == SentFile(path, 3, digest)
