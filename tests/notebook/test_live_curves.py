"""Curves that grow in notebooks: of the page itself, and of the widget, with a real run in a real browser."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from playwright.async_api import Locator, Page, WebSocket, expect

from tests.browser.lab import LabPage, LabWorld, findings
from tests.browser.test_lab_curves import logged
from tests.notebook.test_in_browser import SECRETS, open_notebook, run_cell, save, write_notebook
from tests.world.environments import Trainer, Training

pytestmark = pytest.mark.timeout(300)
CELLS = (
    "%load_ext runicorn_jupyter\nplot = %runicorn_runs --compare run-0 --metrics loss --live\nplot",
    "plot.widget",
    "print('\\n' * 120 + 'the end')",
)
OF_TWO = (
    "%load_ext runicorn_jupyter\nplot = %runicorn_runs --compare run-0 run-1 --metrics loss --live\nplot",
    "runs = %runicorn_runs\nruns.plot('loss', live=True).widget",
)
READ = re.compile(rb'"kind": ?"read"')
STILL_BYTES = 200_000


class Drawn:
    """Curves in an output."""

    def __init__(self, root: Locator, run: str = "run-0") -> None:
        self.root = root
        self.steps = root.locator(".rj-Curves-values tbody tr").filter(has_text=run).locator("td").nth(0)

    async def unfold(self) -> None:
        """Show the values as a table."""
        await self.root.scroll_into_view_if_needed()
        await self.root.get_by_text("loss as a table").click()

    async def pixels(self) -> str:
        """What the canvas shows."""
        found: str = await self.root.locator("canvas").evaluate("canvas => canvas.toDataURL()")
        return found

    async def values(self) -> list[tuple[int, float | None]]:
        """Step and value of all that is drawn, as it is copied."""
        await self.root.get_by_role("button", name="Copy all values").click()
        text = await self.root.page.evaluate("() => navigator.clipboard.readText()")
        _, *rows = csv.reader(io.StringIO(text))
        return [(int(step), float(value) if value else None) for _, step, _, value in rows]


class Asked:
    """What a page asks for: by itself, and through its kernel."""

    def __init__(self, page: Page) -> None:
        self.page_count = self.kernel_count = 0
        page.on("request", lambda request: self._page(request.url))
        page.on("websocket", self._socket)

    @property
    def counts(self) -> tuple[int, int]:
        """How often the page asked, and how often through the kernel."""
        return self.page_count, self.kernel_count

    def _page(self, url: str) -> None:
        self.page_count += "runs/curves" in url

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framesent", self._frame)

    def _frame(self, frame: str | bytes) -> None:
        self.kernel_count += len(READ.findall(frame.encode() if isinstance(frame, str) else frame))


def viewer_of(lab: LabWorld, root: Path, environment: str = "torch") -> str:
    """Open the viewer of a root over the line that can be cut; return its address."""
    connection = lab.jupyter.post("connect", host="line").json()["connection_id"]
    at = {"connection_id": connection, "env_name": environment, "remote_root": str(root), "auto_open": False}
    started = lab.jupyter.post("viewer/start", **at)
    assert started.ok, started.text
    return str(started.json()["viewer"]["url"])


async def log(training: Training, *losses: float) -> None:
    """Log some steps of the real run."""
    for loss in losses:
        await asyncio.to_thread(training.log_metrics, loss=loss)


def assert_saved(saved: str, lab: LabWorld, url: str) -> None:
    """The file has a still and nothing secret, and is a page with that picture by nbconvert."""
    notebook = nbformat.reads(saved, as_version=4)
    (data,) = [output["data"] for output in notebook.cells[0].outputs if "data" in output]
    assert set(data) == {
        "application/vnd.runicorn.curves+json",
        "application/vnd.vegalite.v5+json",
        "image/png",
        "text/plain",
    }
    still = json.dumps(data["application/vnd.vegalite.v5+json"]) + data["image/png"]
    assert len(still) <= STILL_BYTES
    for secret in (lab.jupyter.token, url, url.rsplit("/", 2)[-2], lab.connections()[0]["connection_id"]):
        assert secret not in saved
    assert not SECRETS.search(re.sub(r'"model_id": "[0-9a-f]{32}"', "", saved.replace(data["image/png"], "")))
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert data["image/png"].strip()[:60] in page.replace("\n", "")


async def out_of_sight(lab: LabWorld, training: Training, direct: Drawn, widget: Drawn, asked: Asked) -> None:
    """While both are scrolled away nothing is asked; one question catches up."""
    page = widget.root.page
    await run_cell(page, 2)
    await page.get_by_text("the end", exact=True).last.scroll_into_view_if_needed()
    await expect(widget.root.locator("canvas")).not_to_be_in_viewport()
    await expect(direct.root.locator("canvas")).not_to_be_in_viewport()
    counts = asked.counts
    await log(training, 1.5, 1.25)
    await asyncio.to_thread(lab.wait_step, 11)
    assert asked.counts == counts
    await widget.root.scroll_into_view_if_needed()
    await expect(widget.steps).to_have_text("10")
    await direct.root.scroll_into_view_if_needed()
    await expect(direct.steps).to_have_text("10")
    assert asked.kernel_count == counts[1] + 1


async def through_a_cut(lab: LabWorld, training: Training, *drawings: Drawn) -> None:
    """The line is cut: what was drawn stays, says since when, and goes on."""
    lab.relay.cut()
    await log(training, 0.5)
    for drawn in drawings:
        await drawn.root.scroll_into_view_if_needed()
        await expect(drawn.root.get_by_role("status").first).to_contain_text("its runs are those of")
        await expect(drawn.steps).to_have_text("10")
    lab.relay.mend()
    for drawn in drawings:
        await drawn.root.scroll_into_view_if_needed()
        await expect(drawn.steps).to_have_text("11")


async def test_curves_of_a_notebook_grow(
    lab_tab: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    runicorn_env: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """In JupyterLab: through a cut of the line, nothing asked while out of sight, and a still in the file."""
    root = tmp_path / "root"
    training = trainer.live(runicorn_env(), root, count=1, steps=5)
    url = viewer_of(lab, root)
    path = write_notebook(lab, "live.ipynb", *CELLS)
    asked = Asked(lab_tab.page)
    page = await open_notebook(lab_tab, "lab", path.name)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    direct, widget = Drawn(page.locator(".rj-CurvesOutput")), Drawn(page.locator(".rj-Widget"))
    await run_cell(page, 0)
    await direct.unfold()
    await expect(direct.steps).to_have_text("5")
    before = await direct.pixels()
    await log(training, 3, float("nan"), 2)
    await expect(direct.steps).to_have_text("7")  # with a value, of 8
    assert await direct.pixels() != before
    assert await direct.values() == logged(root)
    await run_cell(page, 1)
    await widget.unfold()
    await expect(widget.steps).to_have_text("7")
    assert await widget.values() == logged(root)
    before = await widget.pixels()
    await log(training, 1.75)
    await expect(widget.steps).to_have_text("8")
    assert await widget.pixels() != before
    assert await findings(page, ".rj-Widget") == []
    await lab_tab.picture("live-curves", readme=True)

    await out_of_sight(lab, training, direct, widget, asked)
    await through_a_cut(lab, training, direct, widget)
    assert await direct.values() == await widget.values() == logged(root)
    await asyncio.to_thread(training.finish)
    for drawn in (direct, widget):
        await drawn.root.scroll_into_view_if_needed()
        await expect(drawn.root.get_by_role("list", name="Compared runs")).to_contain_text("Finished")

    saved = await save(page, path)
    assert_saved(saved, lab, url)
    lab.clean()
    await page.reload()
    await expect(page.locator(".rj-CurvesOutput img")).to_be_visible()


async def test_curves_of_notebook_7_grow(
    lab_tab: LabPage,
    lab: LabWorld,
    trainer: Trainer,
    each_runicorn: tuple[str, Path],
    *,
    environment: str,
    tmp_path: Path,
) -> None:
    """In Notebook 7, with each runicorn: what the page draws itself of two runs, and a table's widget."""
    root = tmp_path / "root"
    training = trainer.live(each_runicorn[1], root, count=2, steps=5)
    viewer_of(lab, root, environment)
    path = write_notebook(lab, "live-7.ipynb", *OF_TWO)
    page = await open_notebook(lab_tab, "notebook", path.name)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    for number, place in enumerate((".rj-CurvesOutput", ".rj-Widget")):
        drawn = Drawn(page.locator(place), "run-1")
        await run_cell(page, number)
        await drawn.unfold()
        await expect(drawn.steps).to_have_text(str(5 + number))
        before = await drawn.pixels()
        await log(training, float("nan"), 3 + number)
        await expect(drawn.steps).to_have_text(str(6 + number))  # with a value
        assert await drawn.pixels() != before
        assert Counter(await drawn.values()) == Counter(logged(root))
    await asyncio.to_thread(training.finish)
    await expect(drawn.root.get_by_role("list", name="Compared runs").get_by_text("Finished")).to_have_count(
        2
    )
