"""The main job in each browser that ``RUNICORN_BROWSERS`` names, as `make matrix` does."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import QUIET_SETTINGS
from tests.world.environments import Trainer, Training
from tests.world.jupyter import JupyterServer, start_jupyter
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome

WANTED = os.environ.get("RUNICORN_BROWSERS", "").split()
if not WANTED:
    pytest.skip("`make matrix` tries each browser", allow_module_level=True)

from selenium.common.exceptions import (  # noqa: E402
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchFrameException,
    NoSuchWindowException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

from tests.world.drivers import BROWSERS, SIZE, Driven  # noqa: E402

PATIENCE_SECONDS = 90
NOT_YET = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchFrameException,
    NoSuchWindowException,
    StaleElementReferenceException,
)
"""What is pressed moves still, or has something above it, or is being replaced."""
RESULTS = Path(__file__).parents[2] / "test-results"


@dataclass
class World:
    """A JupyterLab, a remote that it reaches as ``gpu1``, and a run that is going on there."""

    jupyter: JupyterServer
    live: Training

    def at(self, host: str, path: str = "lab?reset") -> str:
        """Give the address of a page, under a name of this machine."""
        separator = "&" if "?" in path else "?"
        url = self.jupyter.url.replace("127.0.0.1", host)
        return f"{url}{path}{separator}token={self.jupyter.token}"


@pytest.fixture(scope="module")
def world(
    sshd: Sshd, runicorn_env: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One for all browsers."""
    folder = tmp_path_factory.mktemp("browsers")
    home = SshHome(folder / "home")
    home.trust(sshd)
    home.host("gpu1", sshd)
    add_environments(sshd.home, torch=runicorn_env())
    for name, values in QUIET_SETTINGS.items():
        file = home.path / f".jupyter/lab/user-settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(str(values).replace("'", '"'))
    (folder / "trainer").mkdir()
    trainer = Trainer(folder / "trainer")
    live = trainer.live(runicorn_env(), sshd.home / ".runicorn", count=3, project="live")
    jupyter = start_jupyter(home.path, "--LabApp.expose_app_in_browser=True", command="lab", ip="")
    yield World(jupyter, live)
    jupyter.stop()
    trainer.close()


class Person:
    """Somebody at a browser, who sees what is shown and presses it."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.driver = driven.driver
        self.driver.set_script_timeout(PATIENCE_SECONDS)

    def until(self, what: Callable[[], Any]) -> Any:
        """Wait until this gives something that counts as true; return it."""
        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, 0.2, NOT_YET)
        errors = self.driven.errors() if self.driven.errors is not None else "no console"
        return waiting.until(lambda _: what(), f"{what.__doc__ or what} {errors}")

    def see(self, css: str, text: str = "") -> WebElement:
        """Wait for an element that has this text."""
        script = """
          const [css, text] = arguments;
          const labelOf = each => each.textContent + each.getAttribute('aria-label') + each.title;
          return [...document.querySelectorAll(css)].find(each =>
            each.checkVisibility() && labelOf(each).includes(text));
        """
        return self.until(lambda: self.driver.execute_script(script, css, text))

    def reads(self, text: str) -> None:
        """Wait for a text anywhere on the page."""
        self.until(lambda: text in self.driver.execute_script("return document.body.textContent"))

    def sees_none(self, css: str) -> None:
        """Wait until nothing of the kind is there."""
        self.until(lambda: not self.driver.find_elements(By.CSS_SELECTOR, css))

    def press(self, css: str, text: str = "") -> None:
        """Press an element that has this text."""
        self.until(lambda: self._pressed(self.see(css, text)))

    def _pressed(self, element: WebElement) -> bool:
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        return True

    def _entered(self, frame: WebElement) -> bool:
        self.driver.switch_to.frame(frame)
        return True

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script, and wait for what it promises."""
        body = f"""
          const given = [...arguments], done = given.pop();
          (async function () {{ {script} }}).apply(null, given).then(done, error => done(String(error)));
        """
        return self.driver.execute_async_script(body, *arguments)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Look into the viewer's frame."""
        self.until(lambda: self._entered(self.see(".rj-Frame iframe")))
        yield
        self.driver.switch_to.default_content()

    def picture(self, name: str) -> None:
        """Keep a picture of the page."""
        RESULTS.mkdir(exist_ok=True)
        self.driver.save_screenshot(str(RESULTS / f"{self.driven.name}-{name}.png"))


@pytest.fixture(params=WANTED)
def person(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Person]:
    """Somebody at each browser that is wanted."""
    with BROWSERS[request.param](tmp_path) as driven:
        driven.driver.set_window_size(*SIZE)
        yield Person(driven)


PAINTED = """
  return [...document.querySelectorAll('canvas')].some(canvas => {
    if (!canvas.width || !canvas.height) return false;
    const pixels = new Uint32Array(
      canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return pixels.some(pixel => pixel !== pixels[0]);
  });
"""


SCROLLED_TO_A_CHART = f"""
  const painted = (() => {{ {PAINTED} }})();
  if (!painted) {{
    for (const each of document.querySelectorAll('*')) {{
      if (each.scrollHeight > each.clientHeight + 50) each.scrollTop += 100;
    }}
  }}
  return painted;
"""
LAYOUT_HAS = """
  const { workspaces } = window.jupyterapp.serviceManager;
  while (!JSON.stringify((await workspaces.fetch('default')).data).includes(arguments[0])) {
    await new Promise(resolve => setTimeout(resolve, 300));
  }
"""


def open_lab(person: Person, url: str) -> None:
    """Open JupyterLab and its panel."""
    person.driver.get(url)
    person.until(lambda: person.driver.execute_script("return !!window.jupyterapp"))
    person.run("await window.jupyterapp.restored")
    person.sees_none("#jupyterlab-splash")
    # It takes that out of its address; WebKit's driver loses the window where something is pressed then.
    person.until(lambda: "reset" not in person.driver.current_url)
    (panel,) = person.until(lambda: person.driver.find_elements(By.ID, "runicorn-panel"))
    if not panel.is_displayed():
        person.press('li[data-id="runicorn-panel"]')


def connect(person: Person) -> None:
    """Connect to the remote by the form, unless somebody has."""
    if not person.driver.find_elements(By.CSS_SELECTOR, '.rj-Card[data-status="connected"]'):
        person.see("#runicorn-panel input").send_keys("gpu1")
        person.press("#runicorn-panel .rj-Form button", "Connect")
    person.see('.rj-Card[data-status="connected"]')


def open_viewer(person: Person, row: str) -> None:
    """Open the viewer in a tab, and wait until its list has this row."""
    person.press(".rj-Card button:not([disabled])", "Open viewer")
    person.see('.rj-Frame[data-page="loaded"]')
    person.sees_none(".rj-Frame .rj-Overlay")
    with person.inside():
        person.see(row)


def show_charts(person: Person) -> None:
    """Scroll a run's page until a chart is painted: charts are made when they come into sight."""
    person.see("[role=tab]", "Live Logs")
    person.until(lambda: person.driver.execute_script(SCROLLED_TO_A_CHART))


def keep_settings(person: Person) -> None:
    """Set something as a page does, and wait until the proxy has it."""
    person.run(
        """
        const began = performance.now();
        const isOurs = each =>
          each.startTime >= began && each.name.endsWith('/__runicorn_jupyter__/storage');
        const sent = new Promise(resolve =>
          new PerformanceObserver((list, self) => {
            if (list.getEntries().some(isOurs)) {
              self.disconnect();
              resolve();
            }
          }).observe({ type: 'resource' }));
        localStorage.setItem('kept', 'for all');
        sessionStorage.setItem('kept', 'for this tab');
        await sent;
        """
    )


GIVEN_UP = re.compile(
    r"(can’t establish a connection to the server at|connection to) ws://\S+/logs/ws"
    r"(\.| was interrupted while the page was loading\.)$"
)
"""What Firefox says of a socket that the page itself has closed while it was opened, or that ends with it."""
KEPT = "return [localStorage.getItem('kept'), sessionStorage.getItem('kept')]"


def copy_and_paste(person: Person, button: tuple[str, str], field: str) -> str:
    """Press a button that copies, and paste into a field; return what that has."""
    person.press(*button)
    pasted = person.see(field)
    pasted.click()
    pasted.send_keys(Keys.CONTROL, "v")
    person.until(lambda: pasted.get_property("value"))
    text = str(pasted.get_property("value"))
    pasted.send_keys(Keys.CONTROL, "a")
    pasted.send_keys(Keys.BACKSPACE)
    return text


def copies(person: Person, world: World, host: str, *, is_secure: bool) -> None:
    """Copy in JupyterLab and in the viewer's page, at this name of the machine."""
    row = f'tr[data-row-key="{world.live.run_id}"]'
    open_lab(person, world.at(host))
    assert person.driver.execute_script("return isSecureContext") is is_secure
    person.press(".rj-Card button", "Logs")
    person.press("#runicorn-panel button", "New connection")
    copied = copy_and_paste(person, ("button", "Copy the log"), "#runicorn-panel .rj-Form input")
    assert "uvicorn" in copied
    open_viewer(person, row)
    with person.inside():
        copied = copy_and_paste(person, (f"{row} .ant-btn-text.ant-btn-sm", ""), ".ant-input")
    assert copied == world.live.run_id


@pytest.mark.timeout(600)
def test_the_main_job(world: World, person: Person) -> None:
    driver, run_id = person.driver, world.live.run_id
    row = f'tr[data-row-key="{run_id}"]'
    open_lab(person, world.at("127.0.0.1"))
    connect(person)
    open_viewer(person, row)
    person.picture("list")

    # What a page sets is there after a reload: its own, and that of its tab.
    with person.inside():
        keep_settings(person)
        driver.execute_script("location.reload()")
    with person.inside():
        person.see(row)
        assert driver.execute_script(KEPT) == ["for all", "for this tab"]

        # A run's charts; its log arrives as it is written.
        person.press(f"{row} .ant-btn-link:not(.ant-btn-dangerous)")
        show_charts(person)
        person.picture("run")
        person.press("button", "Export CSV")
        person.until(lambda: list(person.driven.downloads.glob("*.csv")))
        person.press("[role=tab]", "Live Logs")
        for number in range(3):
            line = f"line {number} in {person.driven.name}"
            world.live.log(line)
            person.reads(line)
        person.picture("log")

    # JupyterLab comes back with the run's page; back leads to the list.
    person.run(LAYOUT_HAS, "#!/runs/")
    driver.refresh()
    with person.inside():
        person.see("[role=tab]", "Live Logs")
    open_lab(person, world.at("127.0.0.1"))
    open_viewer(person, row)
    with person.inside():
        person.press(f"{row} .ant-btn-link:not(.ant-btn-dangerous)")
        person.see("[role=tab]", "Live Logs")
        driver.execute_script("history.back()")  # as the button does, also for what a frame has gone through
        person.see(row)

    # WebKitGTK's driver presses and pastes too unlike a person: now and then nothing is copied.
    if person.driven.name != "webkit":
        copies(person, world, "127.0.0.1", is_secure=True)
        # Browsers have no clipboard on a page without HTTPS.
        copies(person, world, socket.gethostname(), is_secure=False)

    # A tab of its own, by a deep link.
    (connection,) = world.jupyter.get("connections").json()["connections"]
    driver.get(f"{connection['viewer']['url']}#!/runs/{run_id}")
    show_charts(person)
    driver.execute_script("sessionStorage.setItem('kept', 'for this tab')")
    driver.refresh()
    show_charts(person)
    assert driver.execute_script(KEPT) == ["for all", "for this tab"]
    if person.driven.errors is not None:
        assert [error for error in person.driven.errors() if not GIVEN_UP.search(error)] == []
