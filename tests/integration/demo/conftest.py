"""A demo as at its second start."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from runicorn_jupyter.demo.environment import stamp_of
from runicorn_jupyter.demo.folders import Folders


@pytest.fixture
def second_start(runicorn_env: Callable[..., Path]) -> Callable[[Path], Folders]:
    """Return what makes a demo's folders with its environment, the tests' own, made by venv and pip too."""

    def make(root: Path) -> Folders:
        folders = Folders(root)
        shutil.copytree(runicorn_env("0.7.2"), folders.environment, symlinks=True)
        stamp_of(folders.environment).touch()
        return folders

    return make
