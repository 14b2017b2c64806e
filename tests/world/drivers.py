"""Chromium, Firefox and WebKit under one driver, selenium, for ``make matrix``.

Debian has a WebDriver for Chromium and for WebKitGTK. It has none for Firefox: the protocol that
Mozilla's translates to, Marionette, is spoken here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webdriver import WebDriver

START_SECONDS = 120
SIZE = (1280, 1000)


@dataclass
class Driven:
    """A running browser.

    Attributes
    ----------
    driver
        What it is driven by.
    downloads
        The folder that it saves to.
    errors
        Gives what its console has had at the level of errors; None where it tells nobody.
    """

    name: str
    driver: WebDriver
    downloads: Path
    errors: Callable[[], list[str]] | None


class Marionette(RemoteConnection):
    """Firefox's own remote control, in the place of a driver's HTTP.

    Parameters
    ----------
    port
        Where Firefox listens, on this machine.
    """

    _NAMES: ClassVar = {
        "newSession": "WebDriver:NewSession",
        "get": "WebDriver:Navigate",
        "getCurrentUrl": "WebDriver:GetCurrentURL",
        "goBack": "WebDriver:Back",
        "refresh": "WebDriver:Refresh",
        "findElement": "WebDriver:FindElement",
        "findElements": "WebDriver:FindElements",
        "clickElement": "WebDriver:ElementClick",
        "clearElement": "WebDriver:ElementClear",
        "sendKeysToElement": "WebDriver:ElementSendKeys",
        "getElementText": "WebDriver:GetElementText",
        "getElementProperty": "WebDriver:GetElementProperty",
        "w3cExecuteScript": "WebDriver:ExecuteScript",
        "w3cExecuteScriptAsync": "WebDriver:ExecuteAsyncScript",
        "actions": "WebDriver:PerformActions",
        "clearActionState": "WebDriver:ReleaseActions",
        "setTimeouts": "WebDriver:SetTimeouts",
        "screenshot": "WebDriver:TakeScreenshot",
        "switchToFrame": "WebDriver:SwitchToFrame",
        "w3cGetCurrentWindowHandle": "WebDriver:GetWindowHandle",
        "w3cGetWindowHandles": "WebDriver:GetWindowHandles",
        "switchToWindow": "WebDriver:SwitchToWindow",
        "newWindow": "WebDriver:NewWindow",
        "close": "WebDriver:CloseWindow",
        "setWindowRect": "WebDriver:SetWindowRect",
        "quit": "WebDriver:DeleteSession",
    }
    _ERRORS: ClassVar = {
        "no such element": NoSuchElementException,
        "stale element reference": StaleElementReferenceException,
    }

    def __init__(self, port: int) -> None:
        super().__init__(client_config=ClientConfig(remote_server_addr=f"http://127.0.0.1:{port}"))
        self._socket = socket.create_connection(("127.0.0.1", port), START_SECONDS)
        self._file = self._socket.makefile("rwb")
        self._read()  # its greeting
        self._number = 0

    def execute(self, command: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a command; return its answer as a driver would give it."""
        self._number += 1
        wanted = {name: value for name, value in params.items() if name != "sessionId"}
        if command == "newSession":
            wanted = wanted["capabilities"]["alwaysMatch"]
        elif command == "switchToFrame":
            wanted = self._frame(wanted["id"])
        elif "id" in wanted and command != "findElement":
            wanted["id"] = wanted.pop("id")
        body = json.dumps([0, self._number, self._NAMES[command], wanted]).encode()
        self._file.write(b"%d:%s" % (len(body), body))
        self._file.flush()
        _, number, error, result = self._read()
        assert number == self._number
        if error:
            kind = self._ERRORS.get(error["error"], WebDriverException)
            raise kind(f"{error['error']}: {error['message']}")
        if command == "newSession":
            return {"status": 0, **result, "value": result}
        value = result.get("value", result) if isinstance(result, dict) else result
        return {"status": 0, "value": value}

    def close(self) -> None:
        """Let go of the browser."""
        self._file.close()
        self._socket.close()

    @staticmethod
    def _frame(which: Any) -> dict[str, Any]:
        if isinstance(which, dict):  # an element
            return {"element": next(iter(which.values()))}
        return {"id": which}

    def _read(self) -> Any:
        size = b""
        while (byte := self._file.read(1)) != b":":
            if not byte:
                raise WebDriverException("Firefox has gone")
            size += byte
        return json.loads(self._file.read(int(size)))


@contextmanager
def chromium(folder: Path) -> Iterator[Driven]:
    """Run Debian's Chromium."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # its own sandbox does not start for root
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Driven(
            "chromium", driver, folder, lambda: [each["message"] for each in driver.get_log("browser")]
        )
    finally:
        driver.quit()


FIREFOX_SETTINGS = {
    "marionette.port": 0,
    "browser.download.folderList": 2,
    "browser.download.useDownloadDir": True,
    "browser.helperApps.neverAsk.saveToDisk": "text/csv,application/zip,application/octet-stream",
}


@contextmanager
def firefox(folder: Path) -> Iterator[Driven]:
    """Run Debian's Firefox; its console is read by WebDriver BiDi, of the same session."""
    profile = folder / "profile"
    profile.mkdir()
    settings = {**FIREFOX_SETTINGS, "browser.download.dir": str(folder)}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items()]
    (profile / "user.js").write_text("".join(lines))
    program = shutil.which("firefox-esr") or "firefox"
    arguments = [
        program,
        "--headless",
        "--marionette",
        "--remote-debugging-port",
        "0",
        "--profile",
        str(profile),
    ]
    with ExitStack() as stack:
        process = subprocess.Popen(
            [*arguments, "about:blank"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        stack.callback(process.wait)
        port, reader = _announced(process, r"Listening on port (\d+)")
        stack.callback(reader.join)
        stack.callback(process.terminate)
        connection = stack.enter_context(closing(Marionette(port)))
        options = webdriver.FirefoxOptions()
        options.set_capability("webSocketUrl", True)
        driver = WebDriver(connection, options=options)
        stack.callback(driver.quit)
        errors: list[str] = []
        driver.script.add_javascript_error_handler(lambda entry: errors.append(str(entry.text)))
        driver.script.add_console_message_handler(
            lambda entry: errors.append(str(entry.text)) if entry.level == "error" else None
        )
        yield Driven("firefox", driver, folder, lambda: errors)


@contextmanager
def webkit(folder: Path) -> Iterator[Driven]:
    """Run WebKitGTK in its MiniBrowser, on an X server of its own; its console cannot be read."""
    (program,) = Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser")
    reading, writing = os.pipe()
    with ExitStack() as stack:
        screen = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", "{}x{}x24".format(*SIZE)],
            pass_fds=[writing], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        stack.callback(screen.wait)
        stack.callback(screen.terminate)
        os.close(writing)
        with os.fdopen(reading) as announced:
            display = f":{announced.readline().strip()}"
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(program)
        options.add_argument("--automation")
        # With the locale C a page's language is C, which is none.
        environment = {
            **os.environ, "DISPLAY": display, "GDK_BACKEND": "x11", "HOME": str(folder),
            "LC_ALL": "en_US.UTF-8", "XDG_DOWNLOAD_DIR": str(folder),
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        }  # fmt: skip
        service = webdriver.WebKitGTKService(shutil.which("WebKitWebDriver"), env=environment)
        stack.callback(service.stop)
        service.start()
        connection = RemoteConnection(client_config=ClientConfig(remote_server_addr=service.service_url))
        driver = WebDriver(connection, options=options)
        stack.callback(driver.quit)
        yield Driven("webkit", driver, folder, None)


def _announced(process: subprocess.Popen[str], pattern: str) -> tuple[int, threading.Thread]:
    """Wait for the port that a program prints; return it, and the thread that drops what else is printed."""
    output = process.stdout
    assert output is not None
    for line in output:
        if found := re.search(pattern, line):

            def drain() -> None:
                with output:
                    deque(output, maxlen=0)

            reader = threading.Thread(target=drain, daemon=True, name="firefox's output")
            reader.start()
            return int(found[1]), reader
    raise RuntimeError(f"{process.args} ended with {process.wait()}")


BROWSERS = {"chromium": chromium, "firefox": firefox, "webkit": webkit}
