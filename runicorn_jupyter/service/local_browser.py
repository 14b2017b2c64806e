"""Opening a viewer in the browser of the machine that Jupyter runs on."""

from __future__ import annotations

import html
import logging
import os
from typing import TYPE_CHECKING

from runicorn_jupyter.private_files import make_folders, write_own

if TYPE_CHECKING:
    import webbrowser
    from pathlib import Path

__all__ = ["Screen"]

log = logging.getLogger(__name__)


class Screen:
    """A browser that is given a file to open, as Jupyter gives it one for its token.

    A viewer's URL is its own authorisation, and every user of a machine sees the arguments of every process.
    The file is the user's alone, has one name for each server, and leads on to the URL.

    Parameters
    ----------
    browser
        The user's.
    folder
        Jupyter's runtime folder.
    by_file
        Jupyter's ``use_redirect_file``: False where the browser cannot read such files (WSL, some packages of
        browsers); it is then given the URL itself.
    """

    def __init__(self, browser: webbrowser.BaseBrowser, folder: Path, *, by_file: bool) -> None:
        self._browser = browser
        self._file = folder / f"runicorn-{os.getpid()}-open.html"
        self._by_file = by_file

    def show(self, url: str) -> None:
        """Open a URL; blocks for as long as the browser's starter does: use a thread."""
        if not self._by_file:
            self._browser.open(url)
            return
        text = html.escape(url)
        page = (
            '<!DOCTYPE html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0;url={text}"><a href="{text}">Open the viewer</a>\n'
        )
        try:
            make_folders(self._file.parent)
            write_own(self._file, page.encode())
        except OSError as exc:
            log.warning(
                "The viewer is not opened in a browser: %s cannot be written: %s", self._file.name, exc
            )
            return
        self._browser.open(self._file.as_uri())

    def close(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)
