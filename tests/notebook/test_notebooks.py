"""The notebooks that users open first: each runs from top to bottom, and keeps nothing secret."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from tests.api.conftest import World

SWEEP = Path(__file__).parents[2] / "scripts" / "sweep.py"
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_some() -> None:
    assert len(NOTEBOOKS) >= 5


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert "widgets" not in notebook.metadata


@pytest.mark.timeout(300)
def test_they_run_in_a_kernel_without_a_server_and_save_no_secret(
    world: World, finished_runs: Callable[..., Path], runicorn_env: Callable[..., Path], tmp_path: Path
) -> None:
    roots = {"04": finished_runs(), "05": finished_runs(), "06": tmp_path / "sweep"}
    sweep = [runicorn_env() / "bin" / "python", "-I", SWEEP, roots["06"], "12"]
    subprocess.run(sweep, env={"HOME": str(tmp_path), "PATH": ""}, check=True, timeout=120)
    if "Host gpu2\n" not in world.home.config.read_text():
        world.home.host("gpu2", world.sshd)
    # One after the other in one kernel, which takes longer to start than any of them takes to run.
    notebook = nbformat.v4.new_notebook()
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            # The last ones need runs, which this remote keeps elsewhere than its environments think.
            if path.stem[:2] in roots and cell.cell_type == "code":
                root = roots[path.stem[:2]]
                cell.source = re.sub("(%runicorn_viewer .*)", rf"\1 --root {root}", cell.source)
            notebook.cells.append(cell)
        notebook.cells.append(nbformat.v4.new_code_cell("%reset -f", id=f"after-{path.stem[:2]}"))
    client = NotebookClient(
        notebook, timeout=90, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=world.jupyter.env)
    saved = nbformat.writes(notebook)
    assert "the best learning rate: 0.001" in saved
    viewers = saved.count("application/vnd.runicorn.viewer+json")
    assert viewers >= 4
    assert saved.count("application/vnd.vegalite.v5+json") == 1
    # As a page, where nothing of ours runs, each viewer says how to open it again, and nothing is fetched.
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    assert page.count("</code> and <code>%runicorn_connect gpu") == viewers
    assert not re.search(r"<(script|iframe|img|link)\b|runicorn/v/", page)
    assert not re.search(r"runicorn/v/|token|\b[0-9a-f]{32}\b|\b[0-9a-f]{48,}\b", saved), saved
