"""Check what a registry will show of a release, without building it whole: description, links, addresses.

``make dist-check`` runs it. With ``--tag v1.2.3`` also that this is what the tag says: versions, changelog.
"""

from __future__ import annotations

import argparse
import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)|\ssrc(?:set)?=\"([^\"]+)\"")
DATED = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?$", re.MULTILINE)


def build_sdist(folder: Path) -> Path:
    """Build the sdist without npm's part."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder],
        cwd=ROOT,
        env={**os.environ, "SKIP_JUPYTER_BUILDER": "1"},
        check=True,
        capture_output=True,
    )
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def read_metadata(sdist: Path) -> Message:
    """Read the metadata that the registry reads."""
    with tarfile.open(sdist) as archive:
        name = next(
            name for name in archive.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")
        )
        file = archive.extractfile(name)
        if file is None:
            raise FileNotFoundError(name)
        return email.message_from_bytes(file.read())


def addresses(metadata: Message) -> dict[str, str]:
    """Return the project's addresses by their names."""
    return dict(each.split(", ", 1) for each in metadata.get_all("Project-URL", []))


def wrong_links(description: str, repository: str, version: str) -> list[str]:
    """Return what is wrong with a description's links, which a registry's page shows, at a tag's files."""
    raw = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")
    ours = (f"{raw}/v{version}/", f"{repository}/blob/v{version}/")
    wrong = []
    for link in map("".join, LINK.findall(description)):
        path = next((link.removeprefix(begin) for begin in ours if link.startswith(begin)), None)
        if path is None and not link.startswith("https://"):
            wrong.append(f"{link} is no whole address")
        elif path is not None and not (ROOT / path.partition("#")[0]).exists():
            wrong.append(f"{link} is no file here")
        elif path is None and "/runicorn-jupyter/" in link:
            wrong.append(f"{link} is of another repository or tag than {ours[1]}")
    return wrong


def wrong_tag(tag: str, version: str) -> list[str]:
    """Return why a tag cannot be released from this checkout."""
    package = json.loads((ROOT / "labextension" / "package.json").read_text(encoding="utf-8"))
    headings = DATED.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    wrong = []
    if tag != f"v{version}":
        wrong.append(f"the tag is {tag}, runicorn_jupyter/_version.py says {version}")
    if package["version"] != version:
        wrong.append(f"labextension/package.json says {package['version']}")
    if not headings or headings[0][0] != version or not headings[0][1]:
        wrong.append(f"CHANGELOG.md does not begin with '## [{version}] - DATE'")
    return wrong


def check(metadata: Message, tag: str | None, repository: str | None) -> list[str]:
    """Return all that is wrong.

    Parameters
    ----------
    metadata
        Of the sdist.
    tag
        What is to be released; None where nothing is.
    repository
        The address that this runs for, as the forge says it; None elsewhere.
    """
    ours, version = addresses(metadata), str(metadata["Version"])
    home = ours.get("Repository", "")
    wrong = wrong_links(str(metadata.get_payload()), home, version)
    wrong += [
        f"{name}: {address} is not below {home}"
        for name, address in ours.items()
        if not address.startswith(home)
    ]
    if repository is not None and repository != home:
        wrong.append(f"[project.urls] Repository is {home}, this is {repository}")
    return wrong + (wrong_tag(tag, version) if tag is not None else [])


def main() -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="what is to be released, such as v1.2.3")
    options = parser.parse_args()
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    with tempfile.TemporaryDirectory() as folder:
        sdist = build_sdist(Path(folder))
        done = subprocess.run(
            [sys.executable, "-m", "twine", "--no-color", "check", "--strict", sdist],
            capture_output=True,
            text=True,
            check=False,
        )
        wrong = [] if done.returncode == 0 else [f"{done.stdout}{done.stderr}"]
        repository = f"{server}/{name}" if server and name and options.tag else None
        wrong += check(read_metadata(sdist), options.tag, repository)
    for each in wrong:
        print(each, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
