"""A viewer's page in Chromium: what it keeps, who may show it, and what it shows without a connection."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import serve
from tests.unit.proxy.world import Asked, FakeViewer, Proxy, html_answer
from tests.world.browser import Trouble


async def test_local_storage_behaves_like_one(shown: Page, trouble: Trouble) -> None:
    script = """() => {
      localStorage.setItem('a', 1);
      localStorage.b = 'two';
      localStorage['c d'] = null;
      const got = [localStorage.length, localStorage.a, localStorage.getItem('b'), localStorage['c d']];
      got.push('b' in localStorage);
      delete localStorage.b;
      got.push(localStorage.getItem('b'), localStorage.key(0), localStorage.key(9));
      got.push(Object.keys(localStorage));
      got.push(JSON.stringify(localStorage), localStorage instanceof Storage, typeof localStorage.nothing);
      localStorage.clear();
      return [...got, localStorage.length];
    }"""
    assert await shown.evaluate(script) == [
        3, "1", "two", "null", True, None, "a", None,
        ["a", "c d"], '{"a":"1","c d":"null"}', True, "undefined", 0,
    ]  # fmt: skip
    trouble.assert_none()


async def test_it_has_a_bound(shown: Page) -> None:
    script = """() => {
      try { localStorage.setItem('a', 'x'.repeat(2 ** 20)) } catch (error) { return error.name }
    }"""
    assert await shown.evaluate(script) == "QuotaExceededError"
    assert await shown.evaluate("localStorage.length") == 0


async def test_so_many_names_and_no_more(shown: Page) -> None:
    script = """() => {
      const set = name => { try { sessionStorage.setItem(name, 'x') } catch (error) { return error.name } };
      const refused = [...Array(1001).keys()].map(set).filter(Boolean);
      return [refused, set('0'), sessionStorage.length];
    }"""
    assert await shown.evaluate(script) == [["QuotaExceededError"], None, 1000]


async def test_local_storage_is_kept_and_session_storage_is_not(
    shimmed: tuple[Proxy, FakeViewer], shown: Page, context: BrowserContext, trouble: Trouble
) -> None:
    proxy = shimmed[0]
    async with shown.expect_response("**/__runicorn_jupyter__/storage"):
        await shown.evaluate(
            "localStorage.theme = '</script><b>'; localStorage.gone = '1'; sessionStorage.tab = 'mine'"
        )
    async with shown.expect_response("**/__runicorn_jupyter__/storage"):
        await shown.evaluate("localStorage.removeItem('gone')")
    assert proxy.endpoint.storage.items == {"theme": "</script><b>"}
    await shown.reload()
    assert await shown.evaluate("[localStorage.theme, sessionStorage.tab]") == ["</script><b>", "mine"]
    other = await context.new_page()
    await other.goto(shown.url)
    assert await other.evaluate("[localStorage.theme, sessionStorage.length]") == ["</script><b>", 0]
    trouble.assert_none()


async def test_what_was_just_set_is_kept_when_the_page_goes(
    shimmed: tuple[Proxy, FakeViewer], shown: Page
) -> None:
    async with shown.expect_navigation():  # a page in the middle of one is closed by Chromium at its leisure
        await shown.evaluate("localStorage.last = 'word'; void setTimeout(() => location.reload())")
    async with asyncio.timeout(60):
        while shimmed[0].endpoint.storage.items != {"last": "word"}:
            await asyncio.sleep(0.01)


# -- the page around


async def test_the_page_around_hears_that_it_runs_and_nothing_else(
    shimmed: tuple[Proxy, FakeViewer], page: Page
) -> None:
    proxy = shimmed[0]
    # A page of the same host, as JupyterLab is: only such a page may show a viewer.
    around = f"{proxy.origin}/around.html"
    await page.route(
        around, lambda route: route.fulfill(body="<title>around</title>", content_type="text/html")
    )
    await page.goto(around)
    heard = await page.evaluate(
        """(source) => new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.sandbox = 'allow-scripts allow-forms allow-popups allow-downloads allow-modals';
          window.addEventListener('message', ({ data, origin, source }) =>
            done([data, origin, source === frame.contentWindow]));
          frame.src = source;
          document.body.append(frame);
        })""",
        f"{proxy.origin}{proxy.path}/",
    )
    assert heard == [{"type": "runicorn:loaded"}, "null", True]


async def test_no_other_site_shows_a_viewer(
    shimmed: tuple[Proxy, FakeViewer], page: Page, trouble: Trouble
) -> None:
    proxy, upstream = shimmed
    body = f'<title>around</title><iframe src="{proxy.origin}{proxy.path}/"></iframe>'.encode()

    async def answer(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.target == "/around":
            writer.write(html_answer(body))
        else:
            await serve(asked, reader, writer)

    upstream.answer = answer
    await page.goto(f"http://127.0.0.1:{upstream.port}/around")  # another port, and so another origin
    await expect(page).to_have_title("around")
    assert any("frame-ancestors" in error for error in trouble.console_errors)
    assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]


# -- without a connection


async def test_a_page_without_a_connection_comes_by_itself(
    shimmed: tuple[Proxy, FakeViewer], page: Page
) -> None:
    proxy = shimmed[0]
    proxy.connected.clear()
    await page.goto(f"{proxy.origin}{proxy.path}/#!/runs/1")
    await expect(page.get_by_role("status")).to_have_text("Reconnecting…")
    folder = Path(__file__).parents[2] / "test-results"
    folder.mkdir(exist_ok=True)
    await page.screenshot(path=folder / "reconnecting.png")
    proxy.connected.set()
    await expect(page).to_have_title("page")
    assert page.url.endswith("/#!/runs/1")


async def test_a_viewer_that_was_stopped_says_so(shimmed: tuple[Proxy, FakeViewer], page: Page) -> None:
    proxy = shimmed[0]
    proxy.connected.clear()
    await page.goto(f"{proxy.origin}{proxy.path}/")
    await expect(page.get_by_role("status")).to_have_text("Reconnecting…")
    proxy.capabilities.revoke(proxy.capability)
    await expect(page.get_by_role("status")).to_have_text("This viewer was stopped")
    await page.reload()
    await expect(page.get_by_role("status")).to_have_text("This viewer is not there any more; open it again.")


async def test_a_jupyter_that_was_started_anew_is_told(shimmed: tuple[Proxy, FakeViewer], page: Page) -> None:
    """It knows no capability of before, and lets no page read its answers."""
    proxy = shimmed[0]
    proxy.connected.clear()
    await page.goto(f"{proxy.origin}{proxy.path}/")
    await expect(page.get_by_role("status")).to_have_text("Reconnecting…")
    viewers = dict(proxy.capabilities._upstreams)
    proxy.capabilities._upstreams.clear()
    await expect(page.get_by_role("status")).to_have_text("This viewer cannot be found", timeout=60000)
    proxy.capabilities._upstreams.update(viewers)
