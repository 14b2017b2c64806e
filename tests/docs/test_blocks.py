"""Every code block of the pages does what it says, and none is in a language that nobody checks."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml
from traitlets.config import Config, PyFileConfigLoader

from runicorn_jupyter.extension import RunicornJupyter
from tests.api.conftest import World

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
FENCE = re.compile(r"^```(\{?[\w-]*\}?)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHECKED = {"python", "ipython", "javascript", "json", "sh", "sshconfig", "yaml"}
SHOWN = {"text", "", "{toctree}", "{include}"}  # pictures made of letters, excerpts, and what Sphinx reads
SECONDS = 120

# Commands that change nothing, and need nothing that is not there.
HARMLESS = "curl "


@dataclass(frozen=True)
class Block:
    """A code block and where it stands."""

    page: Path
    language: str
    text: str
    line: int

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Give the blocks of all pages in these languages, or of all."""
    return [block for block in _all_blocks() if not languages or block.language in languages]


def _all_blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            yield Block(page, found[1], found[2], text.count("\n", 0, found.start()) + 1)


def by_page(language: str) -> dict[str, list[Block]]:
    """Give the blocks of a language, page by page as a reader runs them, and each page but once."""
    pages: dict[str, list[Block]] = {}
    for block in blocks(language):
        if not block.text.startswith("c."):
            pages.setdefault(str(block.page.relative_to(ROOT)), []).append(block)
    seen: set[str] = set()
    once: dict[str, list[Block]] = {}
    for page in sorted(pages, key=lambda page: (-len(pages[page]), page)):
        texts = {block.text for block in pages[page]}
        if not texts <= seen:
            once[page] = pages[page]
        seen |= texts
    return once


def run(world: World, *command: str, stdin: str = "", **env: str) -> str:
    """Run a program as the reader, to its end, and give what it printed."""
    url = world.jupyter.url.rstrip("/")
    done = subprocess.run(
        command,
        input=stdin,
        env={
            **world.jupyter.env,
            "PYTHONWARNINGS": "",
            "JUPYTER_URL": url,
            "JUPYTER_TOKEN": world.jupyter.token,
            **env,
        },
        cwd=world.jupyter.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_no_block_is_in_a_language_that_nobody_checks() -> None:
    assert [(b.name, b.language) for b in blocks() if b.language not in CHECKED | SHOWN] == []
    assert {b.language for b in blocks()} >= CHECKED


@pytest.mark.parametrize("block", blocks("json"), ids=Block.name.fget)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("yaml"), ids=Block.name.fget)
def test_yaml_is_yaml(block: Block) -> None:
    values = yaml.safe_load(block.text)
    files = values["singleuser"].get("extraFiles", {}).values()
    for settings in (file["data"]["RunicornJupyter"] for file in files if "data" in file):
        _takes(Config(RunicornJupyter=settings))


@pytest.mark.parametrize("block", blocks("sshconfig"), ids=Block.name.fget)
def test_ssh_takes_the_config(block: Block, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(block.text)
    for pattern in re.findall(r"^Host (\S+)", block.text, re.MULTILINE):
        host = pattern.replace("*", "7")
        done = subprocess.run(
            ["ssh", "-G", "-F", str(config), host], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        option, value = re.findall(
            r"^  (\w+) (\S+)", block.text.partition(f"Host {pattern}\n")[2], re.MULTILINE
        )[0]
        assert f"{option.lower()} " in done.stdout, (option, value)


@pytest.mark.parametrize(
    "block", [b for b in blocks("python") if b.text.startswith("c.")], ids=Block.name.fget
)
def test_the_server_takes_the_configuration(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "jupyter_server_config.py"
    file.write_text(f"c = get_config()\n{block.text}")
    config = PyFileConfigLoader(file.name, str(tmp_path)).load_config()
    if "JupyterHub" in config:  # the hub's own, which has nothing of ours
        assert set(config) <= {"JupyterHub", "Spawner", "DockerSpawner", "SlurmSpawner"}
        return
    assert set(config) == {"RunicornJupyter"}
    _takes(config)


def _takes(config: Config) -> None:
    """Fail where the extension does not have a setting, or not with that value."""
    known = RunicornJupyter.class_traits(config=True)
    app = RunicornJupyter(config=config)
    for name, value in config.RunicornJupyter.items():
        assert name in known
        assert getattr(app, name) == value


@pytest.mark.parametrize(
    ("page", "page_blocks"),
    by_page("python").items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_python(reader: World, page: str, page_blocks: list[Block]) -> None:
    lines = [f"scope = {{'__name__': '__main__', '__file__': {page!r}}}"]
    lines += [f"exec(compile({block.text!r}, {block.name!r}, 'exec'), scope)" for block in page_blocks]
    printed = run(reader, sys.executable, "-c", "\n".join(lines))
    assert "Traceback" not in printed
    if "start_viewer" in "".join(block.text for block in page_blocks):
        assert re.search(r"http://\S+/runicorn/v/[0-9a-f]{32}/", printed), printed
    assert reader.jupyter.get("connections").json()["total"] == 0


@pytest.mark.parametrize(
    ("page", "page_blocks"),
    by_page("ipython").items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_magics(reader: World, page: str, page_blocks: list[Block], tmp_path: Path) -> None:
    script = tmp_path / "cells.ipy"
    script.write_text(
        "\n".join(block.text for block in page_blocks) + "\nprint('to the end')\n", encoding="utf-8"
    )
    printed = run(reader, sys.executable, "-m", "IPython", "--colors=NoColor", "--no-banner", str(script))
    assert "UsageError" not in printed, (page, printed)
    assert printed.rstrip().endswith("to the end"), (page, printed)


@pytest.mark.parametrize(
    "block", list({block.text: block for block in blocks("javascript")}.values()), ids=Block.name.fget
)
def test_javascript(reader: World, block: Block, tmp_path: Path) -> None:
    """In node, which imports no module by HTTP: it gets the server's as a file."""
    client = tmp_path / "client.mjs"
    headers = {"Authorization": f"token {reader.jupyter.token}"}
    answer = requests.get(f"{reader.jupyter.url}runicorn/client.js", headers=headers, timeout=30)
    client.write_text(answer.text, encoding="utf-8")
    assert "'/runicorn/client.js'" in block.text
    script = tmp_path / "page.mjs"
    script.write_text(block.text.replace("'/runicorn/client.js'", repr(client.as_uri())), encoding="utf-8")
    printed = run(reader, "node", str(script), PATH=_path())
    if "startViewer" in block.text:
        assert re.search(r"http://\S+/runicorn/v/[0-9a-f]{32}/", printed), printed
    assert reader.jupyter.get("connections").json()["total"] == 0


def _path() -> str:
    node = shutil.which("node")
    assert node, "these tests need node: `make test` says how to get it"
    return str(Path(node).parent)


@pytest.mark.parametrize("block", blocks("sh"), ids=Block.name.fget)
def test_the_shell_reads_it(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0] == "make":
            _is_target(words[1])


def harmless() -> list[str]:
    """Give the commands that a reader may run at once, each once."""
    lines = [line for block in blocks("sh") for line in block.text.splitlines()]
    return sorted({line for line in lines if line.startswith(HARMLESS)})


@pytest.mark.parametrize("line", harmless())
def test_what_is_harmless_runs(reader: World, line: str) -> None:
    printed = run(reader, "bash", "-c", f"set -o pipefail; {line}")
    assert '"success":true' in printed or '"openapi"' in printed, printed


def _is_target(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE), f"make {name} is no target"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_program_says_fits_the_pages(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every code has its advice, in each language; every mark is one that is filled."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    parts = importlib.import_module("generated").PARTS
    folder = ROOT / "docs" / ("zh" if language == "zh" else "")
    marks = {
        mark
        for page in folder.glob("*.md")
        for mark in re.findall(r"<!-- generated: (.+?) -->", page.read_text(encoding="utf-8"))
    }
    assert marks >= {"errors", "traitlets", "magics", "other pages"}
    for mark in marks:
        text = parts[mark](language, folder)
        assert text.count("|") > 30 or mark == "other pages", mark


def test_no_page_names_a_file_that_is_not_there() -> None:
    missing = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists() and target != "openapi.json":
                missing.append((page.name, target))
    assert missing == []
