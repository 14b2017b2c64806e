"""A page that Jupyter shows is as dark as Jupyter is: the shim in Chromium, in a frame as Lab makes it."""

from __future__ import annotations

import asyncio
import base64
import json

from playwright.async_api import Frame, Page, expect

from tests.browser.conftest import serve
from tests.unit.proxy.world import OK, Asked, FakeViewer, Proxy, html_answer

FRAMED = """async ([source, scheme]) => {
  document.body.style.background = 'rgb(17, 17, 17)';
  const frame = document.createElement('iframe');
  frame.sandbox = 'allow-scripts';
  frame.name = JSON.stringify({ scheme });
  frame.style = `color-scheme: ${scheme}; border: 0; width: 300px; height: 300px`;
  const loaded = new Promise(done => window.addEventListener('message', done));
  frame.src = source;
  document.body.append(frame);
  await loaded;
}"""
SWITCHED = """scheme => {
  const frame = document.querySelector('iframe');
  frame.style.colorScheme = scheme;
  frame.contentWindow.postMessage({ type: 'runicorn:scheme', scheme }, '*');
}"""
BRIGHTEST = """async picture => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  return data.reduce((most, value, at) => (at % 4 === 3 ? most : Math.max(most, value)), 0);
}"""
IS_DARK = "matchMedia('(prefers-color-scheme: dark)').matches"


async def framed(page: Page, proxy: Proxy, scheme: str) -> Frame:
    """Show the viewer in a page around it, of the same host as JupyterLab's is; return its frame."""
    around = f"{proxy.origin}/around.html"
    await page.route(around, lambda route: route.fulfill(body="<body>", content_type="text/html"))
    await page.goto(around)
    await page.evaluate(FRAMED, [f"{proxy.origin}{proxy.path}/", scheme])
    return page.frames[1]


async def canvas(frame: Frame) -> str:
    """The colour scheme of the page itself."""
    scheme: str = await frame.evaluate("getComputedStyle(document.documentElement).colorScheme")
    return scheme


async def test_a_page_is_as_dark_as_jupyter_and_follows_it(
    shimmed: tuple[Proxy, FakeViewer], page: Page
) -> None:
    frame = await framed(page, shimmed[0], "dark")
    assert [await frame.evaluate(IS_DARK), await canvas(frame)] == [True, "dark"]
    await frame.evaluate(
        """() => {
          sessionStorage.tab = 'mine';
          const dark = matchMedia('(prefers-color-scheme: dark)');
          window.heard = new Promise(done =>
            dark.addEventListener('change', event => done(event.matches)));
        }"""
    )
    await page.evaluate(SWITCHED, "light")
    assert await frame.evaluate("window.heard") is False
    assert [await frame.evaluate(IS_DARK), await canvas(frame)] == [False, "light"]
    await frame.evaluate("void setTimeout(() => location.reload())")
    await expect(page.frame_locator("iframe").locator("html")).to_have_css("color-scheme", "light")
    assert await frame.evaluate("sessionStorage.tab") == "mine"
    assert await frame.evaluate("matchMedia('(max-width: 5px)').matches") is False


async def test_what_the_page_is_set_to_itself_stays(shimmed: tuple[Proxy, FakeViewer], page: Page) -> None:
    frame = await framed(page, shimmed[0], "dark")
    await frame.evaluate(
        "settings => { localStorage.ui_settings = settings }", json.dumps({"themeMode": "light"})
    )
    assert await canvas(frame) == "light"
    await frame.evaluate("localStorage.removeItem('ui_settings')")
    assert await canvas(frame) == "dark"


async def test_nothing_white_is_seen_before_the_page_draws(
    shimmed: tuple[Proxy, FakeViewer], page: Page
) -> None:
    proxy, upstream = shimmed
    asked_for, go_on = asyncio.Event(), asyncio.Event()

    async def answer(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.target == "/":
            writer.write(html_answer(b"<head><script src='/held.js'></script></head><body>drawn"))
        elif asked.target == "/held.js":
            asked_for.set()
            await go_on.wait()
            writer.write(OK + b"Content-Type: text/javascript\r\nContent-Length: 0\r\n\r\n")
        else:
            await serve(asked, reader, writer)

    upstream.answer = answer
    frame = await framed(page, proxy, "dark")
    await asked_for.wait()
    picture = await page.screenshot(clip={"x": 50, "y": 50, "width": 200, "height": 200})
    brightest = await page.evaluate(BRIGHTEST, base64.b64encode(picture).decode())
    go_on.set()
    assert brightest < 64
    await expect(page.frame_locator("iframe").get_by_text("drawn")).to_be_visible()
    assert await canvas(frame) == "dark"
