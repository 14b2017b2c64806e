"""A viewer is opened on the screen without its URL standing where other users of the machine read it."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import stat
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from runicorn_jupyter.service.local_browser import Screen

URL = "http://127.0.0.1:8888/user/a&b/runicorn/v/00112233445566778899aabbccddeeff/?a=1&b=%22"
BROWSER = """
import json, sys, urllib.parse, urllib.request
from pathlib import Path
url = sys.argv[2]
page = urllib.request.urlopen(url).read().decode() if url.startswith("file:") else ""
path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
mode = Path(path).stat().st_mode if page else 0
said = {"arguments": Path("/proc/self/cmdline").read_text(), "page": page, "mode": mode}
Path(sys.argv[1]).write_text(json.dumps(said))
"""


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("by_file", [True, False])
def test_no_command_line_shows_the_url(tmp_path: Path, by_file: bool) -> None:
    program, report = tmp_path / "browser.py", tmp_path / "report.json"
    program.write_text(BROWSER)
    command = [sys.executable, str(program), str(report)]
    browser = webbrowser.get(f"{shlex.join(command)} %s")
    screen = Screen(browser, tmp_path / "run time", by_file=by_file)
    screen.show(URL)
    said = json.loads(report.read_text())
    assert ("00112233" in said["arguments"]) is not by_file
    if by_file:
        assert stat.S_IMODE(said["mode"]) == 0o600
        assert stat.S_IMODE((tmp_path / "run time").stat().st_mode) == 0o700
        links = re.findall(r'(?:url=|href=")([^"]*)"', said["page"])
        assert [html.unescape(link) for link in links] == [URL, URL]
    screen.close()
    screen.close()
    assert not list(tmp_path.glob("run time/*"))


def test_a_file_that_cannot_be_written_opens_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    report = tmp_path / "report"
    screen = Screen(webbrowser.get(f"touch {report} %s"), tmp_path / "file", by_file=True)
    screen.show(URL)
    assert not report.exists()
    assert "is not opened in a browser" in caplog.text
    assert "00112233" not in caplog.text
