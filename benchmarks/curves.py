"""Curves that live: how soon a step is seen, how soon forty long runs are drawn, and what looking on costs.

Ours are those of JupyterLab's tab of runs, and of ``%runicorn_runs --compare … --live``. Beside them: Vega,
as ``%runicorn_runs --compare`` draws what is there once, and the pages of TensorBoard and trackio, which read
files of this machine.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.dashboards import TENSORBOARD, TRACKIO, tensorboard, trackio
from benchmarks.harness import OURS, Answer, interleave, stopwatch, until
from benchmarks.world import ALIAS, MIB, RUNICORN, World
from tests.world.browser import start_chromium, stop_chromium
from tests.world.environments import Trainer, build
from tests.world.jupyter import JupyterServer

RUNS, STEPS = 40, 100_000
NOISE = 0.85, 1.15
"""A loss lies between, in times of a smooth one: lines that go up and down are the slow ones to draw."""
FAR_ALIAS, RTT_MS = "gpu-50-ms", 50
STEPS_SEEN = 20
"""Steps of a round whose way to the screen is measured."""
LIVE_STEPS = 500
"""What the live runs have when looking on begins."""
WATCHES, WATCH_SECONDS = 4, 8.0
"""So often, and so long, what looking on costs is counted: work of before comes to its end meanwhile."""
FRAMES_SECONDS = 3.0
VEGA = "Vega, once"
NAMES = " ".join(f"run-{number}" for number in range(RUNS))
CELLS = (
    "%load_ext runicorn_jupyter",
    f"%runicorn_runs --compare {NAMES} --metrics loss",
    f"%runicorn_runs --compare {NAMES} --metrics loss --live",
)

WATCH_CANVASES = """
window.bench = { drawn: 0, at: 0, painted: 0, changed: 0, seen: '', isCompared: false };
const { clearRect } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.clearRect = function (...area) {
  clearRect.apply(this, area);
  bench.drawn += 1;
  requestAnimationFrame(() => {
    if (bench.isCompared) {
      const now = this.canvas.toDataURL();
      bench.changed = now === bench.seen ? bench.changed : Date.now();
      bench.seen = now;
    }
    // What the frame was for is on the screen when the next task runs.
    setTimeout(() => { bench.painted = performance.now(); });
  });
};
bench.quiet = async () => {
  while (!bench.painted || performance.now() - bench.painted < 500) {
    await new Promise(requestAnimationFrame);
  }
  return bench.painted;
};
"""
"""Both uPlot and Vega, trackio's too, begin a drawing by clearing their canvas."""
COMPARE = """async () => {
  const button = [...document.querySelectorAll('.rj-Runs button')].find(
    each => each.textContent.startsWith('Compare '));
  performance.clearResourceTimings();
  bench.painted = 0;
  const began = performance.now();
  button.click();
  const painted = await bench.quiet();
  const answers = performance.getEntriesByType('resource').filter(each => /runs.curves/.test(each.name));
  return [painted - began, painted - Math.max(...answers.map(each => each.responseEnd))];
}"""
RUN_CELL = """async number => {
  const { commands, shell } = window.jupyterapp;
  shell.currentWidget.content.activeCellIndex = number;
  bench.painted = 0;
  const began = performance.now();
  await commands.execute('notebook:run-cell');
  return number === 0 ? 0 : await bench.quiet() - began;
}"""
COUNT_FRAMES = """() => {
  const state = { frames: 0, before: bench.drawn, began: performance.now() };
  window.frames_ = state;
  const count = () => {
    state.frames += bench.drawn > state.before;
    state.before = bench.drawn;
    state.next = requestAnimationFrame(count);
  };
  count();
}"""
FRAMES = """() => {
  cancelAnimationFrame(frames_.next);
  return frames_.frames / (performance.now() - frames_.began) * 1000;
}"""
MOVE_BY_KEYS = """async milliseconds => {
  const chart = document.querySelector('.rj-Curves-chart');
  const end = performance.now() + milliseconds;
  for (let turn = 0; performance.now() < end; turn += 1) {
    chart.dispatchEvent(new KeyboardEvent('keydown', { key: turn % 8 < 4 ? '+' : '-', bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
}"""


@dataclass
class _Lab:
    """JupyterLab in a browser."""

    server: JupyterServer
    page: Page
    browser_pid: int

    def open(self, path: str = "lab") -> None:
        """Load it anew."""
        self.page.goto(f"{self.server.url}{path}?reset&token={self.server.token}")
        self.page.wait_for_function("() => window.jupyterapp?.restored", polling=100)
        self.page.evaluate("() => window.jupyterapp.restored")

    def tick(self, count: int) -> None:
        """Open the tab of runs and tick its first ones."""
        self.open()
        self.page.evaluate("() => window.jupyterapp.commands.execute('runicorn:show-runs')")
        self.page.locator(f".rj-Runs-table[aria-rowcount='{count + 1}']").focus(timeout=120_000)
        self.page.keyboard.press("Home")
        for _ in range(count):
            self.page.keyboard.press("Space")
            self.page.keyboard.press("ArrowDown")
        self.page.get_by_role("button", name=f"Compare {count}").wait_for()
        self.page.wait_for_load_state("networkidle")

    def compare(self) -> tuple[float, float]:
        """Press Compare; return the milliseconds until all is drawn, and from the answer on."""
        taken, drawing = self.page.evaluate(COMPARE)
        return taken, drawing

    def close_comparison(self) -> None:
        """Take the charts away."""
        self.page.get_by_role("button", name="Close the comparison").click()

    def open_notebook(self) -> None:
        """Open a notebook with `CELLS`, and run the first."""
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        (self.server.home / "work" / "curves.ipynb").write_text(nbformat.writes(made))
        self.open("lab/tree/curves.ipynb")
        self.page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext")
        self.page.evaluate(
            "async () => (await window.jupyterapp.shell.currentWidget.sessionContext.ready,"
            " window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.info)"
        )
        self.run_cell(0)

    def run_cell(self, number: int) -> float:
        """Run one of `CELLS`; return the milliseconds until it is drawn."""
        taken: float = self.page.evaluate(RUN_CELL, number)
        return taken


@contextmanager
def _lab(world: World) -> Iterator[_Lab]:
    server = world.start_jupyter("--LabApp.expose_app_in_browser=True", command="lab")
    with tempfile.TemporaryDirectory(prefix="runicorn-bench-browser-", ignore_cleanup_errors=True) as profile:
        chromium = start_chromium(Path(profile))
        try:
            with sync_playwright() as playwright:
                context = playwright.chromium.connect_over_cdp(chromium.endpoint).contexts[0]
                context.set_default_timeout(120_000)
                context.add_init_script(WATCH_CANVASES)
                page = context.pages[0]
                page.set_viewport_size({"width": 1280, "height": 900})
                yield _Lab(server, page, chromium.process.pid)
        finally:
            stop_chromium(chromium)
            server.stop()


def run(world: World, rounds: int = 2) -> list[Answer]:
    """Answer the questions of this module."""
    with _lab(world) as lab:
        near = _seen(world, lab, ALIAS, rounds)
        with world.far_away(FAR_ALIAS, RTT_MS):
            far = _seen(world, lab, FAR_ALIAS, rounds)
        answers = [
            Answer("a step that is logged is drawn, p95", {OURS: near}, "ms", bound=1500),
            Answer(f"the same at {RTT_MS} ms, p95", {OURS: far}, "ms", bound=1700),
            *_long(world, lab, rounds),
        ]
    # In the same browser the collection of what the peers' pages left would be counted.
    with _lab(world) as lab:
        return [*answers, *_live(world, lab)]


# ---- from the step to the screen ----
def _seen(world: World, lab: _Lab, alias: str, rounds: int) -> list[float]:
    """Let a real run log, step by step; return each round's 95th percentile in milliseconds."""
    with _folder(world) as folder:
        trainer = Trainer(folder)
        training = trainer.live(build(f"runicorn=={RUNICORN}"), folder / "root", steps=20)
        connection_id = world.connect(lab.server, alias)
        world.start_viewer(connection_id, lab.server, root=folder / "root")
        try:
            lab.tick(1)
            lab.compare()
            lab.page.evaluate("() => { bench.isCompared = true; }")
            pause, chance = threading.Event(), random.Random(1)
            percentiles = []
            for _ in range(rounds):
                taken = []
                for _ in range(STEPS_SEEN):
                    pause.wait(chance.random())  # at any moment between two looks at the file
                    began = 1000 * time.time()
                    training.log_metrics(loss=chance.random())
                    lab.page.wait_for_function("began => bench.changed > began", arg=began)
                    taken.append(lab.page.evaluate("() => bench.changed") - began)
                percentiles.append(statistics.quantiles(taken, n=20, method="inclusive")[-1])
            return percentiles
        finally:
            trainer.close()
            world.disconnect(connection_id, lab.server)


# ---- forty long runs ----
def _long(world: World, lab: _Lab, rounds: int) -> list[Answer]:
    with _folder(world) as folder, tensorboard(folder, RUNS, STEPS) as load_tensorboard:
        _write_long_runs(folder)
        connection_id = world.connect(lab.server)
        viewer = world.start_viewer(connection_id, lab.server, root=folder / "root")
        servers = [psutil.Process(pid) for pid in (lab.server.process.pid, viewer["pid"])]
        keys = _keys(world, lab)
        before = [process.memory_info().rss for process in servers]
        first = _read(world, lab, keys)
        lab.tick(RUNS)
        lab.compare()
        now = [process.memory_info().rss for process in servers]
        jupyter_grew, viewer_grew = ((grown - was) / MIB for grown, was in zip(now, before, strict=True))
        drawing = []

        def ours() -> float:
            lab.close_comparison()
            taken, drawn = lab.compare()
            drawing.append(drawn)
            return taken

        again = [ours() for _ in range(rounds)]
        frames = [_frames(lab, lambda: lab.page.evaluate(MOVE_BY_KEYS, 1000 * FRAMES_SECONDS))]
        lab.open_notebook()
        load_trackio, context = trackio(folder, RUNS, STEPS), lab.page.context
        others = interleave(
            {
                VEGA: lambda: lab.run_cell(1),
                TENSORBOARD: lambda: load_tensorboard(context),
                TRACKIO: lambda: load_trackio(context),
            },
            rounds,
        )
        lab.open_notebook()
        lab.run_cell(1)
        vega_frames = [_frames(lab, lambda: _drag(lab.page))]
        world.disconnect(connection_id, lab.server)
    what = f"{RUNS} runs × {STEPS:,} steps"
    return [
        Answer(f"{what} drawn after the click", {OURS: again, **others}, "ms", bound=400),
        Answer("of it, from the answer on", {OURS: drawing}, "ms", bound=150),
        Answer("their files read the first time in a viewer", {OURS: [first]}, "ms"),
        Answer(
            f"another part of {RUNS} lines in sight", {OURS: frames, VEGA: vega_frames}, "frames/s",
            better="higher", bound=55,
        ),
        Answer(f"Jupyter's memory for {what}", {OURS: [jupyter_grew], "viewer": [viewer_grew]}, "MiB"),
    ]  # fmt: skip


def _write_long_runs(folder: Path) -> None:
    """Write real runs, and put long files of the same form in the place of theirs."""
    Trainer(folder).runs(build(f"runicorn=={RUNICORN}"), folder / "root", count=RUNS, steps=1)
    for number, events in enumerate(sorted((folder / "root").rglob("events.jsonl"))):
        (events.parent / "assets.json").unlink()  # of many with one the viewer takes long to start
        chance = random.Random(number)
        with events.open("w") as file:
            for step in range(STEPS):
                loss = math.exp(-step / STEPS * (1 + number / 10)) * chance.uniform(*NOISE)
                at = 1767225600 + step
                file.write(
                    f'{{"ts": {at}.5, "type": "metrics", "data": {{"loss": {loss!r}, '
                    f'"global_step": {step}, "time": {at}.5}}}}\n'
                )


def _keys(world: World, lab: _Lab) -> list[dict[str, str]]:
    """Wait until the viewer has taken up all runs; return what names them."""
    runs: list[dict[str, str]] = []

    def has_all() -> bool:
        runs[:] = world.api("GET", "runs", lab.server)["runs"]
        return len(runs) == RUNS

    until(has_all, "the viewer's runs", seconds=120, tick=0.5)
    return [{name: run[name] for name in ("connection_id", "run_id")} for run in runs]


def _read(world: World, lab: _Lab, keys: list[dict[str, str]]) -> float:
    """Ask for all curves by one request; return the milliseconds."""
    with stopwatch() as elapsed:
        curves = world.api("POST", "runs/curves", lab.server, runs=keys, names=["loss"], points=1000)
    assert [run["error"] for run in curves["runs"]] == [None] * RUNS
    return elapsed()


def _frames(lab: _Lab, move: Callable[[], object]) -> float:
    """Count the frames a second in which something was drawn while ``move()`` goes on."""
    lab.page.evaluate(COUNT_FRAMES)
    move()
    frames: float = lab.page.evaluate(FRAMES)
    return frames


def _drag(page: Page) -> None:
    """Drag a chart of Vega's to and fro."""
    box = page.locator(".jp-RenderedVegaCommon5 canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 3, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    end, turn = time.monotonic() + FRAMES_SECONDS, 0
    while time.monotonic() < end:
        turn += 1
        page.mouse.move(x + 60 * math.sin(turn / 20), y)
    page.mouse.up()


# ---- forty live runs ----
def _live(world: World, lab: _Lab) -> list[Answer]:
    """Look on for a while; return what the tab and Jupyter take of a core."""
    with _folder(world) as folder:
        python = build(f"runicorn=={RUNICORN}") / "bin" / "python"
        with subprocess.Popen(
            [python, Path(__file__).with_name("live_runs.py"), folder / "root", str(RUNS), str(LIVE_STEPS)],
            env={**os.environ, "HOME": str(folder)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            connection_id = world.connect(lab.server)
            world.start_viewer(connection_id, lab.server, root=folder / "root")
            lab.open_notebook()
            lab.run_cell(2)
            alone, jupyter = _cpu(lab)
            lab.tick(RUNS)
            lab.compare()
            with_table, _ = _cpu(lab)
            world.disconnect(connection_id, lab.server)
            process.stdin.close()
    samples = {OURS: alone, "in the tab of runs": with_table}
    return [
        Answer(f"CPU of the browser's tab, {RUNS} live runs", samples, "% of a core", bound=5),
        Answer("CPU of Jupyter meanwhile", {OURS: jupyter}, "% of a core"),
    ]


def _cpu(lab: _Lab) -> tuple[list[float], list[float]]:
    """Return what the browser's pages and Jupyter take, in per cent of a core, of each time."""
    browser = psutil.Process(lab.browser_pid)
    pages = [child for child in browser.children(recursive=True) if "--type=renderer" in child.cmdline()]
    watched = pages, [psutil.Process(lab.server.process.pid)]
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(WATCHES):
        drawn = lab.page.evaluate("() => bench.drawn")
        before = [_seconds(each) for each in watched]
        began = time.monotonic()
        lab.page.wait_for_timeout(1000 * WATCH_SECONDS)
        took = time.monotonic() - began
        for each, was, shares in zip(watched, before, taken, strict=True):
            shares.append(100 * (_seconds(each) - was) / took)
        grown = lab.page.evaluate("() => bench.drawn")
        assert grown > drawn + WATCH_SECONDS / 2, "the curves do not grow"
    return taken


def _seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@contextmanager
def _folder(world: World) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=world.folder) as folder:
        yield Path(folder)
