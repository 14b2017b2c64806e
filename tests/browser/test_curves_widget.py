"""The live curves in a page that is no front end of Jupyter's, as VS Code's renderer loads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.lab import findings

STATIC = Path(__file__).parents[2] / "runicorn_jupyter" / "static"
RUN = {
    "connection_id": "conn_1", "run_id": "a", "name": "base", "host": "gpu1", "env_name": "torch",
    "status": "running", "change": 0,
}  # fmt: skip
PAGE = """<!doctype html><html lang="LANGUAGE"><head><meta charset="utf-8"><title>page</title>
<link rel="stylesheet" href="/curves.css">
<style>body { background: BACK; color: TEXT }</style></head><body><main id="main"></main>
<script type="module">
import widget from '/curves.js';
const traits = { runs: [RUN], metrics: ['loss'], offered: ['acc', 'loss'], problems: [] };
const listeners = {};
window.sent = [];
window.model = {
  get: name => traits[name],
  on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
  off: (event, listener) => listeners[event].delete(listener),
  send: content => {
    window.sent.push(content);
    if (content.kind === 'read') {
      const runs = content.runs.map(({ connection_id, run_id, since_step }) => {
        const since = since_step ?? 0;
        const steps = (window.steps?.[run_id] ?? [1, 2, 3, 4]).map(step => since + step);
        const bad = since ? [] : steps.slice(2, 3);
        return {
          connection_id, run_id, steps, times: steps.map(step => 1e9 + step),
          metrics: { loss: steps.map(step => bad.includes(step) ? null : 1 / step) },
          not_finite: { loss: bad }, total: 4, version: 'v-1', reset: false, error: null,
        };
      });
      queueMicrotask(() => window.tell('msg:custom', {
        kind: 'answer', id: content.id, answer: { success: true, runs },
      }));
    }
  },
};
window.tell = (event, content) => listeners[event]?.forEach(listener => listener(content));
window.set = (name, value) => { traits[name] = value; window.tell(`change:${name}`); };
window.end = widget.render({ model: window.model, el: document.getElementById('main') });
</script></body></html>"""

COUNT_DRAWINGS = """() => {
  window.drawings = 0;
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    window.drawings += 1;
    clearRect.apply(this, area);
  };
}"""
"""Each drawing begins with an empty canvas."""
KEEP_WIDTHS = """() => {
  window.widths = [];
  const { stroke } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.stroke = function (...path) {
    if (path.length) {
      window.widths.push(this.lineWidth);
    }
    stroke.apply(this, path);
  };
}"""
"""Of the lines, and of the points of short ones, which are thinner."""

COLOURED = """() => {
  const canvas = document.querySelector('canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const columns = new Set();
  for (let at = 0; at < data.length; at += 4) {
    const parts = data.slice(at, at + 3);
    if (data[at + 3] > 100 && Math.max(...parts) - Math.min(...parts) > 60) {
      columns.add((at / 4) % canvas.width);
    }
  }
  return columns.size / document.querySelector('.u-over').clientWidth;
}"""
"""How much of a chart's width has a line, or a mark."""


@pytest_asyncio.fixture(loop_scope="session")
async def widget_page(page: Page) -> Page:
    """A tab for such a page, which asks nobody else for anything."""

    async def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2].partition("?")[0]
        if name.startswith("page-"):
            _, language, back, text = name.split("-")
            body = PAGE.replace("LANGUAGE", language).replace("BACK", back).replace("TEXT", text)
            await route.fulfill(body=body.replace("RUN", json.dumps(RUN)), content_type="text/html")
        else:
            await route.fulfill(path=STATIC / name)

    await page.route("**/*", serve)
    return page


async def sent(page: Page, kind: str) -> list[dict[str, Any]]:
    """What the widget sent to its kernel."""
    everything: list[dict[str, Any]] = await page.evaluate("() => window.sent")
    return [each for each in everything if each["kind"] == kind]


async def test_it_draws_in_any_page_and_only_while_it_is_seen(widget_page: Page) -> None:
    """It asks once, asks for what is new of what changed, says what it cannot have, and leaves nothing."""
    page = widget_page
    await page.goto("http://widget.test/page-en-white-black")
    await page.get_by_text("loss as a table").click()
    steps = page.locator(".rj-Curves-values tbody td").nth(0)
    await expect(steps).to_have_text("3")  # with a value, of 4
    assert [each["seen"] for each in await sent(page, "look")] == [True]
    before = await page.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    await page.evaluate(COUNT_DRAWINGS)
    await page.evaluate("run => window.set('runs', [{ ...run, change: 1 }])", RUN)
    await expect(steps).to_have_text("7")
    assert await page.evaluate("() => window.drawings") == 1
    assert (await sent(page, "read"))[1]["runs"][0]["since_step"] == 4
    assert await page.locator("canvas").evaluate("canvas => canvas.toDataURL()") != before
    assert await findings(page, ".rj-Widget") == []

    await page.evaluate("() => { document.getElementById('main').style.marginTop = '3000px'; }")
    await expect(page.locator("canvas")).not_to_be_in_viewport()
    await page.wait_for_function("() => window.sent.at(-1).seen === false")
    for change in (2, 3):
        await page.evaluate("([run, change]) => window.set('runs', [{ ...run, change }])", [RUN, change])
    asked = len(await sent(page, "read"))
    await page.locator("canvas").scroll_into_view_if_needed()
    await expect(steps).to_have_text("11")
    assert len(await sent(page, "read")) == asked + 1

    lost = {
        "connection": "conn_1",
        "host": "gpu1",
        "code": "connection_lost",
        "as_of": "2026-11-27T12:03:00Z",
    }
    await page.evaluate("problem => window.set('problems', [problem])", lost)
    await expect(page.get_by_role("status").first).to_contain_text("its runs are those of")
    ended = {**RUN, "status": "finished"}
    await page.evaluate("run => window.set('runs', [{ ...run, change: 4 }])", ended)
    await expect(page.get_by_role("list", name="Compared runs")).to_contain_text("Finished")
    await page.evaluate("() => window.end()")
    await expect(page.locator(".rj-Widget")).to_have_count(0)
    assert (await sent(page, "look"))[-1]["seen"] is False


async def test_it_takes_the_pages_language_and_colours(widget_page: Page) -> None:
    """A dark page in Chinese."""
    page = widget_page
    await page.goto("http://widget.test/page-zh-black-white")
    await expect(page.get_by_label("平滑")).to_be_visible()
    await expect(page.locator(".rj-Widget")).to_have_attribute("data-scheme", "dark")
    await page.get_by_text("loss 的数据表").click()
    assert await findings(page, ".rj-Widget") == []


async def test_many_lines_are_thin(widget_page: Page) -> None:
    """A few are easily seen; many, a pixel wide, are drawn in a tenth of the time."""
    page = widget_page
    await page.goto("http://widget.test/page-en-white-black")
    chart = page.locator(".rj-Curves-chart")
    await expect(chart).to_have_attribute("data-lines", "1")
    await page.evaluate(KEEP_WIDTHS)
    for count, width in ((10, 1.6), (11, 1)):
        runs = [{**RUN, "run_id": f"{number}", "name": f"run-{number}"} for number in range(count)]
        await page.evaluate("runs => { widths.length = 0; set('runs', runs); }", runs)
        await page.wait_for_function("count => widths.length >= count", arg=count)
        assert await page.evaluate("() => Math.max(...widths)") == pytest.approx(width)


async def test_a_gap_is_as_wide_as_its_own_line_says(widget_page: Page) -> None:
    """From the value before to the value after, whatever steps the other lines have there."""
    page = widget_page
    await page.add_init_script("window.steps = { a: [1, 5, 20, 35, 40], b: [...Array(41).keys()].slice(1) };")
    await page.goto("http://widget.test/page-en-white-black")
    runs = [RUN, {**RUN, "run_id": "b", "name": "other"}]
    await page.evaluate("runs => set('runs', runs)", runs)
    chart = page.locator(".rj-Curves-chart")
    await expect(chart).to_have_attribute("data-lines", "2")
    assert await page.evaluate(COLOURED) > 0.9
    other = page.get_by_role("list", name="Compared runs").get_by_role("button", name="other")
    await other.click()
    await expect(chart).to_have_attribute("data-lines", "1")
    await page.mouse.move(0, 0)
    await other.blur()
    await expect(chart).not_to_have_attribute("data-raised", "other")  # which lets others shine through
    # Of 39 steps it is drawn from the first to the fifth, from the 35th to the last, and as a mark.
    assert 0.15 < await page.evaluate(COLOURED) < 0.4


async def test_a_chart_is_drawn_once_at_first(widget_page: Page) -> None:
    """Not again for the size that it has already."""
    page = widget_page
    await page.add_init_script(f"({COUNT_DRAWINGS})()")
    await page.goto("http://widget.test/page-en-white-black")
    await expect(page.locator(".rj-Curves-chart")).to_have_attribute("data-lines", "1")
    # Sizes are told before the frame is drawn, and this is the second one after.
    await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert await page.evaluate("() => window.drawings") == 1
