"""The private server of a kernel without one: nobody else gets in, and it ends with the kernel."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.api.conftest import World
from tests.notebook.kernels import Kernel, lone_kernel, server_kernel
from tests.world import processes
from tests.world.sshd import Sshd

SECONDS = 60
FIND = "from runicorn_jupyter.notebook.server import current_server; _s = current_server()"


def wait_gone(*pids: int) -> None:
    """Wait until these processes have ended."""
    for pid in pids:
        assert processes.ends(pid, SECONDS), f"process {pid} is still there"


@pytest.fixture
def quiet_home(world: World, tmp_path: Path) -> dict[str, str]:
    """The world's home with a folder for temporary files of its own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return {**world.jupyter.env, "TMPDIR": str(folder)}


def test_a_kernel_of_a_server_uses_that_one(kernel: Kernel, world: World) -> None:
    kernel.good(FIND)
    assert kernel.value("[_s.url + '/', _s.token, _s.source]") == [
        world.jupyter.url,
        world.jupyter.token,
        "runtime file",
    ]


def test_a_kernel_alone_gets_one_on_loopback_with_a_token_of_its_own(
    kernel_alone: Kernel, world: World
) -> None:
    kernel_alone.good(FIND)
    url, token, source, pid = kernel_alone.value("[_s.url, _s.token, _s.source, _s.pid]")
    assert source == "private"
    assert url != world.jupyter.url.rstrip("/")
    assert url.startswith("http://127.0.0.1:")
    headers = {"Authorization": f"token {token}"}
    assert requests.get(f"{url}/api/remote/connections", timeout=60).status_code == 403
    answer = requests.get(f"{url}/api/remote/connections", headers=headers, timeout=60)
    assert answer.json()["connections"] == []
    assert requests.get(f"{url}/api/terminals", headers=headers, timeout=60).status_code == 404
    assert kernel_alone.value("_s == current_server()")  # one for the whole kernel
    client = "__import__('runicorn_remote_client').RunicornRemoteClient()"
    assert kernel_alone.value(f"{client}.base_url") == url
    # Neither token nor runtime file is where others look.
    for name in ("cmdline", "environ"):
        assert token.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert not (world.jupyter.info_file.parent / f"jpserver-{pid}.json").exists()


def test_one_that_was_ended_by_someone_is_started_again_or_says_why_not(kernel_alone: Kernel) -> None:
    kernel_alone.good(FIND)
    pid = kernel_alone.value("_s.pid")
    os.kill(pid, signal.SIGKILL)
    kernel_alone.good("import runicorn_jupyter.notebook.server as _m; _m._private.wait()")
    kernel_alone.good("import sys; _python, sys.executable = sys.executable, '/bin/false'")
    cell = kernel_alone.run("%runicorn_connections")
    assert cell.status == "error"
    assert "The private Jupyter server did not start" in cell.text
    kernel_alone.good("sys.executable = _python")
    kernel_alone.good(FIND)
    assert kernel_alone.value("_s.pid") != pid


def test_a_closed_panel_starts_none_and_an_open_one_does(
    kernel_alone: Kernel, world: World, make_sshd: Callable[..., Sshd]
) -> None:
    kernel, unknown = kernel_alone, make_sshd()
    kernel.good(
        "import threading\nimport runicorn_jupyter.notebook.server as _m\n"
        "from runicorn_jupyter.notebook import RunicornPanel\n"
        "def until(widget, condition):\n"
        "    seen = threading.Event()\n"
        "    widget.observe(lambda _: condition() and seen.set())\n"
        f"    assert condition() or seen.wait({SECONDS})\n"
        f"{FIND}\np = RunicornPanel(); q = RunicornPanel()\n"
        f"p.form.host.value, p.form.port.value = {unknown.host!r}, {unknown.port}\n"
        "p.form.connect_button.click()\nuntil(p.question, lambda: p.question.children)\n"
        "_no = p.question.children[-1].children[0]"
    )
    # Its thread waits for an answer, and goes on when panel and server are gone.
    kernel.good("p.close(); _m._private.kill(); _m._private.wait()")
    kernel.good("_no.click()\nfor _t in threading.enumerate(): _t.name == 'runicorn-panel' and _t.join()")
    assert kernel.value("_m._private.pid == _s.pid")
    kernel.good("q.form.host.value = 'gpu1'; q.form.connect_button.click()")
    assert kernel.value("_m._private.pid != _s.pid")
    kernel.good("until(q.status, lambda: 'gpu1: connected' in q.status.value)\nq.close()")


def test_a_killed_kernel_takes_its_server_and_its_viewers_along(
    quiet_home: dict[str, str], world: World, tmp_path: Path
) -> None:
    with lone_kernel(quiet_home, tmp_path) as kernel:
        kernel.good("%load_ext runicorn_jupyter\n%runicorn_connect gpu1 --env rc072")
        kernel.good(FIND)
        server = kernel.value("_s.pid")
        assert world.sshd.processes() != []
        os.kill(kernel.pid, signal.SIGKILL)
        wait_gone(server)
    left = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in world.sshd.processes()}
    assert left == {}
    assert list(Path(quiet_home["TMPDIR"]).iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd_open")
def test_it_ends_with_the_kernel_though_a_fork_of_that_lives_on(
    quiet_home: dict[str, str], tmp_path: Path
) -> None:
    with lone_kernel(quiet_home, tmp_path) as kernel:
        kernel.good(FIND)
        server = kernel.value("_s.pid")
        # A worker that a kernel forked holds all of its pipes open.
        kernel.good("import os, signal\n_child = os.fork()\nif _child == 0: signal.pause(); os._exit(0)")
        child = kernel.value("_child")
        try:
            os.kill(kernel.pid, signal.SIGTERM)
            wait_gone(server)
        finally:
            os.kill(child, signal.SIGKILL)
    assert list(Path(quiet_home["TMPDIR"]).iterdir()) == []


def test_a_killed_kernel_of_a_server_leaves_its_connection(world: World) -> None:
    with server_kernel(world.jupyter) as kernel:
        kernel.good("%load_ext runicorn_jupyter\n%runicorn_connect gpu1")
        os.kill(kernel.pid, signal.SIGKILL)
        wait_gone(kernel.pid)
    (connection,) = world.jupyter.get("connections").json()["connections"]
    assert connection["status"] == "connected"


def test_run_by_hand_it_ends_with_its_input() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "runicorn_jupyter.notebook.private_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"token": "t", "parent": %d}\n' % os.getpid())
        process.stdin.flush()
        assert process.stdout.readline().startswith(b'{"url": "http://127.0.0.1:')
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def run_with(
    tmp_path: Path, settings: str, policy_of: str = "127.0.0.1", **variables: str
) -> tuple[int, str, int]:
    """Run it by hand with settings; return its port, and the policy and status that it answers."""
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    (config / "jupyter_server_config.py").write_text(settings)
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(config), "HOME": str(tmp_path), **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "runicorn_jupyter.notebook.private_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"token": "t", "parent": %d}\n' % os.getpid())
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "it did not start"
        url = json.loads(line)["url"]
        answer = requests.get(f"{url}/runicorn/v/{'0' * 32}/", headers={"Host": policy_of}, timeout=60)
        process.stdin.close()
        assert process.wait(SECONDS) == 0
    policy = answer.headers["Content-Security-Policy"]
    return urlsplit(url).port or 0, policy.partition("frame-ancestors ")[2], answer.status_code


def test_its_port_is_the_one_that_is_set_or_the_next_free_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found, _, _ = run_with(tmp_path, f"c.RunicornJupyter.private_server_port = {port}")
    assert port < found < port + 10
    found, _, _ = run_with(tmp_path, f"c.RunicornJupyter.private_server_port = {port}")
    assert found == port


def test_code_server_and_a_codespace_may_frame_its_viewers_where_they_are_named(tmp_path: Path) -> None:
    vs_code = "'self' vscode-webview: vscode-file: https://*.vscode-cdn.net"
    named = "c.RunicornJupyter.private_server_origins = ['https://code.example:8443/']"
    _, policy, status = run_with(tmp_path, named, "code.example:8443")
    assert policy == f"{vs_code} https://code.example:8443"
    assert status == 404  # not 403: a port that code-server forwards bears its name
    _, policy, status = run_with(tmp_path, "", "code.example:8443", CODESPACES="true", CODESPACE_NAME="a-b1")
    assert policy == f"{vs_code} https://a-b1.github.dev"
    assert status == 403
    _, policy, _ = run_with(tmp_path, "", CODESPACES="true", CODESPACE_NAME="x.github.dev https://evil")
    assert policy == vs_code


def test_vs_code_may_frame_its_viewers_and_gets_them_in_a_widget(kernel_alone: Kernel) -> None:
    kernel = kernel_alone
    kernel.good("__vsc_ipynb_file__ = '/a.ipynb'\n%runicorn_connect gpu1")
    cell = kernel.good("v = %runicorn_viewer rc072\nv")
    url = kernel.value("v.url")
    policy = requests.get(url, timeout=60).headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' vscode-webview: vscode-file: https://*.vscode-cdn.net")
    outputs = [m for m in cell.messages if m["msg_type"] in {"display_data", "execute_result"}]
    assert any("application/vnd.jupyter.widget-view+json" in m["content"]["data"] for m in outputs)
    # What VS Code writes to the file are the outputs; the URL is in the widget's state only.
    assert all("runicorn/v/" not in str(m["content"]) for m in outputs)
    opened = [m["content"]["data"] for m in cell.messages if m["msg_type"] == "comm_open"]
    assert any(url in str(data) for data in opened)
