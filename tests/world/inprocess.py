"""A Jupyter server in the test's own process and event loop, by pytest-jupyter: up in a tenth of a second.

For what needs no process of its own. pytest-jupyter's plugin as a whole would run all coroutine tests itself
and clean up after every test, so its fixtures are taken by name; pytest-asyncio runs the tests.
"""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
import pytest_asyncio
from jupyter_server.serverapp import ServerApp
from pytest_jupyter.jupyter_core import (
    echo_kernel_spec,
    jp_config_dir,
    jp_data_dir,
    jp_env_config_path,
    jp_env_jupyter_path,
    jp_environ,
    jp_home_dir,
    jp_kernel_dir,
    jp_runtime_dir,
    jp_system_config_path,
    jp_system_jupyter_path,
)
from pytest_jupyter.jupyter_server import (
    jp_argv,
    jp_auth_header,
    jp_base_url,
    jp_configurable_serverapp,
    jp_fetch,
    jp_http_port,
    jp_logging_stream,
    jp_nbconvert_templates,
    jp_root_dir,
    jp_serverapp,
    jp_web_app,
)
from pytest_jupyter.pytest_tornasync import (
    AsyncHTTPServerClient,
    http_server,
    http_server_client,
    http_server_port,
)
from tornado.httpclient import HTTPResponse
from traitlets.config import Config

from runicorn_jupyter.service.metrics import _shown

__all__ = [
    "Inside",
    "echo_kernel_spec",
    "http_server",
    "http_server_client",
    "http_server_port",
    "inside",
    "jp_argv",
    "jp_asyncio_loop",
    "jp_auth_header",
    "jp_base_url",
    "jp_config_dir",
    "jp_configurable_serverapp",
    "jp_data_dir",
    "jp_env_config_path",
    "jp_env_jupyter_path",
    "jp_environ",
    "jp_fetch",
    "jp_home_dir",
    "jp_http_port",
    "jp_kernel_dir",
    "jp_logging_stream",
    "jp_nbconvert_templates",
    "jp_root_dir",
    "jp_runtime_dir",
    "jp_server_config",
    "jp_serverapp",
    "jp_system_config_path",
    "jp_system_jupyter_path",
    "jp_web_app",
    "no_metrics",
]

REQUEST_SECONDS = 60


@pytest_asyncio.fixture
async def jp_asyncio_loop() -> AsyncIterator[asyncio.AbstractEventLoop]:
    """The loop that pytest-asyncio runs the test in; the server lives in it, and ends with the test."""
    yield asyncio.get_running_loop()
    server = ServerApp.instance()
    await server._cleanup()
    server.kernel_manager.context.destroy()
    ServerApp.clear_instance()


@pytest.fixture
def jp_server_config() -> Config:
    """A server that loads this extension and no other."""
    extensions = {"runicorn_jupyter": True, "jupyter_server_terminals": False}
    return Config({"ServerApp": {"jpserver_extensions": extensions}})


@pytest.fixture
def no_metrics() -> None:
    """Metrics of no service: one that a test of this process has not closed shows its own no more."""
    for metrics in list(_shown):
        metrics.close()


@dataclass
class Inside:
    """The server in this process, and ways to ask it.

    Attributes
    ----------
    app
        The server itself.
    url
        Of its base URL, with a slash at the end.
    """

    app: ServerApp
    url: str
    _client: AsyncHTTPServerClient

    @property
    def token(self) -> str:
        """What lets a program in."""
        return str(self.app.identity_provider.token)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
        token: bool = True,
    ) -> HTTPResponse:
        """Ask for a path below the base URL, and follow no redirect.

        Parameters
        ----------
        method, path, headers, body
            Of the request.
        json
            A body as a value.
        token
            Whether to send the server's token.
        """
        all_headers = {"Authorization": f"token {self.token}"} if token else {}
        if json is not None:
            body = json_module.dumps(json).encode()
            all_headers["Content-Type"] = "application/json"
        return await self._client.fetch(
            f"{self.app.base_url}{path}",
            method=method,
            headers={**all_headers, **(headers or {})},
            body=body,
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
            request_timeout=REQUEST_SECONDS,
        )

    async def get(self, path: str) -> HTTPResponse:
        """GET ``/api/remote/<path>``, with the token."""
        return await self.ask("GET", f"api/remote/{path}")

    async def post(self, path: str, **fields: Any) -> HTTPResponse:
        """POST a JSON body to ``/api/remote/<path>``, with the token."""
        return await self.ask("POST", f"api/remote/{path}", json=fields)

    async def log_in(self) -> dict[str, str]:
        """Give the cookies that a browser has after the link with the token was opened."""
        cookies: dict[str, str] = {}
        for path in (f"?token={self.token}", ""):
            sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
            answer = await self.ask("GET", path, headers={"Cookie": sent}, token=False)
            for line in answer.headers.get_list("Set-Cookie"):
                cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        return cookies


@pytest.fixture
def inside(jp_serverapp: ServerApp, http_server_client: AsyncHTTPServerClient) -> Inside:
    """A server of this test's own, at another base URL than ``/``."""
    return Inside(jp_serverapp, http_server_client.get_url(jp_serverapp.base_url), http_server_client)
