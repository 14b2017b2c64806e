"""The shim in Chromium: absolute addresses, storage and paths of a page work below a prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect
from websockets.asyncio.server import serve as serve_websockets
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tests.unit.proxy.test_websocket import echo
from tests.unit.proxy.world import FakeViewer, Proxy, running_proxy
from tests.world.browser import Trouble


async def test_the_page_is_whole_in_an_origin_of_its_own(shown: Page, trouble: Trouble) -> None:
    assert await shown.evaluate("[origin, window.classic, document.cookie]") == ["null", True, ""]
    assert await shown.evaluate("getComputedStyle(document.body).color") == "rgb(1, 2, 3)"
    assert await shown.evaluate("document.getElementById('first').naturalWidth") == 1
    trouble.assert_none()


NETWORK = {
    "fetch": "(await fetch('/api/data')).json()",
    "fetch of a URL": "(await fetch(new URL('/api/data', location.href))).json()",
    "fetch with credentials": """(await fetch('/api/data', {
        credentials: 'include', mode: 'same-origin'
    })).json()""",
    "fetch of a whole address": "(await fetch(`${location.origin}/api/data`)).json()",
    "fetch without a scheme": "(await fetch('//' + location.host + '/api/data')).json()",
    "fetch of a Request": """(await fetch(
        new Request('/api/data', { credentials: 'include' })
    )).json()""",
    "fetch of a relative address": "(await fetch('api/data')).json()",
    "a request": """new Promise((done) => {
        const request = new XMLHttpRequest();
        request.open('GET', '/api/data');
        request.withCredentials = true;
        request.responseType = 'json';
        request.onload = () => done(request.response);
        request.send();
    })""",
    "events": """new Promise((done) => {
        const source = new EventSource('/events', { withCredentials: true });
        source.onmessage = (event) => { source.close(); done(event.data === 'an event' && 'data'); };
    })""",
    # Imports are syntax, which nothing can map: Vite's own are relative.
    "a module": "((await import(`${location.href}module.js`)).y === 2) && 'data'",
    "an image": """new Promise((done, failed) => {
        const image = new Image();
        image.onload = () => done('data');
        image.onerror = failed;
        image.src = '/pixel.svg';
    })""",
    "an image set by attribute": """new Promise((done, failed) => {
        const image = document.createElement('img');
        image.onload = () => done('data');
        image.onerror = failed;
        image.setAttribute('srcset', '/pixel.svg 1x, /pixel.svg?2 2x');
    })""",
    "markup": """new Promise((done, failed) => {
        window.markedUp = () => done('data');
        document.body.insertAdjacentHTML('beforeend', '<img src="/pixel.svg?3" onload="markedUp()">');
    })""",
    "inner markup": """new Promise((done, failed) => {
        window.inner = () => done('data');
        const box = document.createElement('div');
        box.innerHTML = '<img src="/pixel.svg?4" onload="inner()">';
    })""",
    "a script": """new Promise((done, failed) => {
        const script = document.createElement('script');
        script.onload = () => done('data');
        script.onerror = failed;
        script.src = '/classic.js?2';
        document.head.append(script);
    })""",
    "a link that Vite looks for": """new Promise((done, failed) => {
        const link = document.createElement('link');
        link.rel = 'stylesheet';
        link.onload = () => done(document.querySelector('link[href="/style.css?2"]') === link && 'data');
        link.onerror = failed;
        link.href = '/style.css?2';
        document.head.append(link);
    })""",
    "a worker": """new Promise((done, failed) => {
        const worker = new Worker('/worker.js');
        worker.onmessage = (event) => done(event.data === 'asked+imported+"data"' ? 'data' : event.data);
        worker.onerror = (event) => failed(new Error(event.message));
        worker.postMessage('asked');
    })""",
    "a worker of modules": """new Promise((done, failed) => {
        const worker = new Worker('module-worker.js', { type: 'module' });
        worker.onmessage = (event) => done(event.data === 'asked1"data"' ? 'data' : event.data);
        worker.onerror = (event) => failed(new Error(event.message));
        worker.postMessage('asked');
    })""",
}


async def test_absolute_addresses_are_the_viewers(shown: Page, trouble: Trouble) -> None:
    got = {
        name: await shown.evaluate(f"async () => {{ return await ({script}); }}")
        for name, script in NETWORK.items()
    }
    assert got == dict.fromkeys(NETWORK, "data")
    trouble.assert_none()


async def test_bodies_and_methods_arrive(shown: Page, trouble: Trouble) -> None:
    script = """async () => (await fetch('/echo', {
      method: 'PUT', body: JSON.stringify({ a: 1 }), headers: { 'Content-Type': 'application/json' }
    })).json()"""
    method, headers, body = await shown.evaluate(script)
    assert (method, body) == ("PUT", '{"a":1}')
    assert headers["content-type"] == "application/json"
    assert not {"cookie", "origin", "referer", "user-agent"} & set(headers)
    trouble.assert_none()


async def test_a_websocket_opens(browser_page: Page, trouble: Trouble) -> None:
    script = """(address) => new Promise((done, failed) => {
      const socket = new WebSocket(address);
      const got = [];
      socket.onmessage = (event) => {
        got.push(event.data);
        got.length === 1 ? socket.send('hello') : done([got[1], socket instanceof WebSocket, WebSocket.OPEN]);
      };
      socket.onerror = failed;
    })"""
    for address in ("/api/ws", f"ws://{browser_page.url.split('/')[2]}/api/ws"):
        assert await browser_page.evaluate(script, address) == ["hello", True, 1]
    trouble.assert_none()


@pytest_asyncio.fixture(loop_scope="session")
async def browser_page(page: Page) -> AsyncIterator[Page]:
    """A page of a server that also speaks WebSocket."""

    def answer(_: object, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return Response(200, "OK", Headers({"Content-Type": "text/html", "Content-Length": "6"}), b"<head>")

    async with (
        serve_websockets(echo, "127.0.0.1", 0, process_request=answer) as server,  # type: ignore[arg-type]
        running_proxy(server.sockets[0].getsockname()[1]) as proxy,
    ):
        await page.goto(f"{proxy.origin}{proxy.path}/")
        yield page


# -- the path


async def test_routes_live_in_the_fragment(shown: Page, trouble: Trouble) -> None:
    view = "document.defaultView.location"
    assert await shown.evaluate(f"[{view}.pathname, {view}.search, {view}.hash]") == ["/", "", ""]
    await shown.evaluate("history.pushState({ a: 1 }, '', '/runs/1?tab=logs#end')")
    assert shown.url.endswith("/#!/runs/1?tab=logs#end")
    assert await shown.evaluate(f"[{view}.pathname, {view}.search, {view}.hash]") == [
        "/runs/1",
        "?tab=logs",
        "#end",
    ]
    await shown.evaluate("history.pushState(null, '', '?tab=metrics')")
    assert await shown.evaluate(f"{view}.pathname + {view}.search") == "/runs/1?tab=metrics"
    await shown.reload()
    assert await shown.evaluate(f"{view}.pathname + {view}.search") == "/runs/1?tab=metrics"
    await shown.go_back()
    assert await shown.evaluate(f"[{view}.href.split('/').slice(3).join('/'), history.state]") == [
        "runs/1?tab=logs#end",
        {"a": 1},
    ]
    trouble.assert_none()


@pytest.mark.parametrize(
    "action", ["location = '/runs/2'", "location.href = '/runs/2'", "location.pathname = 'runs/2'"]
)
async def test_assigning_the_location_goes_there(shown: Page, trouble: Trouble, action: str) -> None:
    await shown.evaluate(f"void setTimeout(() => {{ window.before = true; document.defaultView.{action} }})")
    await shown.wait_for_function("() => location.hash === '#!/runs/2' && !window.before", polling=100)
    assert await shown.evaluate("document.defaultView.location.pathname") == "/runs/2"
    trouble.assert_none()


async def test_another_origin_is_no_route(shown: Page) -> None:
    script = """() => {
      try { history.pushState(null, '', 'https://evil.example/') } catch (error) { return error.name }
    }"""
    assert await shown.evaluate(script) == "SecurityError"


async def test_a_place_on_the_page_keeps_the_route(shown: Page, trouble: Trouble) -> None:
    await shown.evaluate("history.pushState(null, '', '/runs/1')")
    await shown.click("#near")
    assert shown.url.endswith("/#!/runs/1#place")
    assert await shown.evaluate("scrollY") > 1000
    trouble.assert_none()


async def test_a_link_leads_below_the_prefix(
    shimmed: tuple[Proxy, FakeViewer], shown: Page, context: BrowserContext
) -> None:
    # Made in a way that the shim does not see.
    await shown.evaluate("""() => {
      const href = document.createAttribute('href');
      href.value = '/runs/1';
      document.getElementById('link').attributes.setNamedItem(href);
    }""")
    async with context.expect_page() as opened:
        await shown.click("#link", modifiers=["Control"])
    assert (await opened.value).url == f"{shimmed[0].origin}{shimmed[0].path}/runs/1"
    await shown.click("#link")
    await expect(shown).to_have_url(f"{shimmed[0].origin}{shimmed[0].path}/runs/1")
    assert await shown.evaluate("document.defaultView.location.pathname") == "/runs/1"


async def test_a_page_without_https_can_copy(
    shimmed: tuple[Proxy, FakeViewer], page: Page, trouble: Trouble
) -> None:
    # As browsers have it at http://NAME.
    await page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })"
    )
    await page.goto(f"{shimmed[0].origin}{shimmed[0].path}/")
    await page.evaluate(
        """() => {
          document.body.innerHTML = '<button>copy</button><input>';
          const copied = () => { document.title = 'copied'; };
          const button = document.querySelector('button');
          button.onclick = () => navigator.clipboard.writeText('a run’s id').then(copied);
        }"""
    )
    await page.locator("button").click()
    await expect(page).to_have_title("copied")
    await expect(page.locator("button")).to_be_focused()
    await page.locator("input").press("Control+V")
    await expect(page.locator("input")).to_have_value("a run’s id")
    await expect(page.locator("textarea")).to_have_count(0)
    trouble.assert_none()
