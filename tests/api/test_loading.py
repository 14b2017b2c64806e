"""What people who connect to nothing pay: a server or a kernel with us loads nothing of others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.world.loading import Loaded, load_magics, load_server

OURS = "runicorn_jupyter"
AT_START = {
    *("extension", "strict", "commandline", "on_demand", "credential_file", "private_files"),
    *("_version", "json_text"),
    *("api", "api.events", "api.own_user"),
    *("proxy", "proxy.csp", "proxy.log_masking"),
    *("service", "service.local_browser", "service.settings"),
    *("ssh", "ssh.settings", "ssh.config", "ssh.config.allowlist", "ssh.config.patterns"),
}
"""Of ours, what a server loads before anybody asks for anything."""


def added(load: Callable[..., Loaded], home: Path) -> tuple[set[str], set[str]]:
    """Return which modules of ours are loaded with us, and whose others are that come with them."""
    modules = load(home, with_us=True).modules - load(home, with_us=False).modules
    ours = {name.partition(".")[2] for name in modules if name.startswith(f"{OURS}.")}
    others = {name.partition(".")[0] for name in modules} - {OURS} - set(sys.stdlib_module_names)
    return ours, others


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_server_that_nobody_connects_from(tmp_path: Path) -> None:
    ours, others = added(load_server, tmp_path)
    assert others == set()
    assert ours == AT_START


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_kernel_whose_magics_nobody_uses(tmp_path: Path) -> None:
    ours, others = added(load_magics, tmp_path)
    assert others <= {"IPython"}  # a part of what is there anyway
    assert ours == {"_version", "notebook", "notebook.magics", "notebook.lazy_arguments"}
