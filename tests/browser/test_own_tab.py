"""What a viewer in a tab of its own can do by sending that tab to Jupyter, and what stops it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.async_api import BrowserContext

from tests.world.jupyter import JupyterServer, start_jupyter
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome

STRICT = "--IdentityProvider.cookie_options=SameSite=Strict"


def workspace(jupyter: JupyterServer, content: dict[str, Any] | None = None) -> str:
    """Save what JupyterLab has open, or read it."""
    url = f"{jupyter.url}lab/api/workspaces/default"
    headers = {"Authorization": f"token {jupyter.token}"}
    if content is not None:
        body = json.dumps({"data": content, "metadata": {"id": "default"}})
        assert requests.put(url, data=body, headers=headers, timeout=60).ok
    return requests.get(url, headers=headers, timeout=60).text


@pytest.mark.parametrize("strict", [True, False])
async def test_strict_cookies_keep_jupyterlabs_layout(
    make_sshd: Callable[..., Sshd],
    runicorn_env: Any,
    tmp_path_factory: pytest.TempPathFactory,
    context: BrowserContext,
    strict: bool,
) -> None:
    sshd = make_sshd()
    home = SshHome(tmp_path_factory.mktemp("home"))
    home.trust(sshd)
    home.host("gpu1", sshd)
    add_environments(sshd.home, torch=runicorn_env())
    jupyter = start_jupyter(Path(home.path), *[STRICT] * strict, command="lab")
    try:
        page = await context.new_page()
        await page.goto(f"{jupyter.url}lab?token={jupyter.token}")
        await page.goto("about:blank")
        workspace(jupyter, {"ours:kept": {"data": "precious"}})
        connection_id = jupyter.post("connect", host="gpu1").json()["connection_id"]
        started = jupyter.post("viewer/start", connection_id=connection_id, env_name="torch")
        assert started.status_code == 200, started.text
        await page.goto(started.json()["viewer"]["url"])
        # What a script of the viewer's does.
        await page.evaluate("url => { location.href = url }", f"{jupyter.url}lab?reset")
        if strict:
            await page.wait_for_url("**/login?**")
            assert "precious" in workspace(jupyter)
        else:
            await page.wait_for_url(re.compile(r"/lab[^?]*$"))  # Lab drops the word once it has done it
            assert "precious" not in workspace(jupyter)
    finally:
        jupyter.stop()
