"""Packages come as pip and uv are set up: by an index of somebody's own, through a proxy of theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runicorn_jupyter.errors import PackagesUnreachable
from runicorn_jupyter.remote.host_client import SshHost
from runicorn_jupyter.remote.setup.conversation import SetupParameters
from tests.integration.remote.test_setup import system_python
from tests.world.connections import Connect
from tests.world.environments import NEWEST, build
from tests.world.package_index import ADDRESS, HOST, ProxiedIndex
from tests.world.sshd import Sshd

PIP_CONF = f"[global]\nindex-url = {ADDRESS}\nextra-index-url = {ADDRESS}\ntrusted-host = {HOST}\n"
UV_TOML = f'[[index]]\nurl = "{ADDRESS}"\ndefault = true\n'


async def create(host: SshHost, wheels: str) -> dict[str, Any]:
    return await host.run_setup(SetupParameters("create", [system_python()], wheels=wheels), lambda *_: None)


@pytest.mark.parametrize("tool", ["pip", "uv"])
async def test_on_the_server(
    tool: str, make_sshd: Callable[..., Sshd], connect: Connect, proxied_index: ProxiedIndex
) -> None:
    """Its files say which index, and a start-up file of the login shell which proxy."""
    server = make_sshd()
    if tool == "uv":
        (server.home / ".local" / "bin").mkdir(parents=True)
        (server.home / ".local" / "bin" / "uv").symlink_to(build("uv") / "bin" / "uv")
    for name, text in (("pip/pip.conf", PIP_CONF), ("uv/uv.toml", UV_TOML)):
        file = server.home / ".config" / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    host = SshHost(await connect(server))
    await host.probe()
    with pytest.raises(PackagesUnreachable):
        await create(host, "remote")
    (server.home / ".profile").write_text(f"export http_proxy={proxied_index.url}\n")
    await host.probe(ask_shell=True)
    made = await create(host, "remote")
    (installer,) = Path(made["prefix"]).glob("lib/*/site-packages/runicorn-*.dist-info/INSTALLER")
    assert installer.read_text().strip() == tool
    assert any(wheel.startswith(f"runicorn-{NEWEST}-") for wheel in proxied_index.served)


async def test_on_this_side(
    tmp_path: Path,
    make_sshd: Callable[..., Sshd],
    connect: Connect,
    proxied_index: ProxiedIndex,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the wheels are sent from here, the settings of Jupyter's own user count."""
    (tmp_path / "pip.conf").write_text(PIP_CONF)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    host = SshHost(await connect(make_sshd()))
    with pytest.raises(PackagesUnreachable):
        await create(host, "local")
    monkeypatch.setenv("http_proxy", proxied_index.url)
    made = await create(host, "local")
    assert (made["packages_from"], made["runicorn_version"]) == ("local", NEWEST)
    assert any(wheel.startswith(f"runicorn-{NEWEST}-") for wheel in proxied_index.served)
