"""The JavaScript client: upstream's class and example, and ours, in node and in a page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.lab import REPOSITORY, LabPage, LabWorld
from tests.world.jupyter import start_jupyter, upstreams_port

EXAMPLES = REPOSITORY / "tests" / "data" / "REMOTE_API_EXAMPLES.zh.md"
CLIENT = REPOSITORY / "runicorn_jupyter" / "static" / "client.js"


def seed_blocks() -> tuple[str, str]:
    """FakeViewer's class, and upstream's example of using it, as the document has them."""
    blocks: list[str] = re.findall(r"```javascript\n(.*?)```", EXAMPLES.read_text(), re.DOTALL)
    (class_,) = (block for block in blocks if "export default" in block)
    (usage,) = (block for block in blocks if "new RunicornRemoteClient()" in block)
    return class_, usage


def adapted(usage: str, lab: LabWorld, url: str = "", token: str = "") -> str:
    """The example with this world's host and key, and a server where the document says none."""
    arguments = f"{url!r}, {{ token: {token!r} }}" if url else ""
    for old, new in (
        ("gpu-server.com", "gpu1"),
        ("mluser", lab.sshd.user),
        ("~/.ssh/id_rsa", str(lab.sshd.key_path)),
        ("new RunicornRemoteClient()", f"new RunicornRemoteClient({arguments})"),
    ):
        assert old in usage
        usage = usage.replace(old, new)
    return usage


def run_node(folder: Path, script: str) -> str:
    """Run an ES module in node; give what it printed."""
    if shutil.which("node") is None:
        pytest.skip("no node on this machine")
    path = folder / "example.mjs"
    path.write_text(script)
    done = subprocess.run(["node", str(path)], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def assert_all_done(printed: str) -> None:
    """The example printed each of its five lines, and no error."""
    for line in (
        "✓ 已连接: conn_",
        "✓ 找到 ",
        "✓ Viewer 已启动: http",
        "✓ Viewer 状态: running",
        "✓ 连接健康: healthy",
    ):
        assert line in printed
    assert "错误" not in printed


def test_upstreams_class_and_example_run_in_node(lab: LabWorld, tmp_path: Path) -> None:
    """Unchanged but for host and key, against an open server on upstream's port 23300."""
    class_, usage = seed_blocks()
    with upstreams_port() as port:
        server = start_jupyter(lab.home.path, token="", port=port)
        try:
            assert_all_done(run_node(tmp_path, class_ + adapted(usage, lab)))
        finally:
            server.stop()


def test_ours_runs_the_example_in_node(lab: LabWorld, tmp_path: Path) -> None:
    """Against a closed server, with its token; the URL may end with a slash."""
    usage = adapted(seed_blocks()[1], lab, lab.jupyter.url, lab.jupyter.token)
    module = f"import RunicornRemoteClient, {{ RunicornError }} from {CLIENT.as_uri()!r};\n"
    refused = """
try {
  await new RunicornRemoteClient(client.baseUrl, { token: 'wrong' }).listConnections();
} catch (error) {
  console.log(error instanceof RunicornError, error.code, error.status);
}
"""
    printed = run_node(tmp_path, module + usage + refused)
    assert_all_done(printed)
    assert "true forbidden 403" in printed


async def test_ours_runs_in_a_page_by_cookie_alone(lab_page: LabPage, lab: LabWorld) -> None:
    """From where the server has it, without a token: the cookie and its XSRF header do."""
    result = await lab_page.page.evaluate(
        """async base => {
          const { default: Client, RunicornError } = await import(base + 'runicorn/client.js');
          const client = new Client(base);
          const { connection_id: id } = await client.connect({ host: 'gpu1' });
          const environments = await client.listEnvironments(id, 'runicorn_only');
          const { viewer } = await client.startViewer(id, 'torch', { autoOpen: false });
          const page = await fetch(viewer.url);
          const logs = await client.getViewerLogs(id, 10);
          const error = await client.ping('conn_none').catch(reason => reason);
          await client.disconnect(id);
          return {
            environments: environments.map(each => each.name),
            page: page.status,
            logs: Array.isArray(logs),
            error: [error instanceof RunicornError, error.code, error.status],
            left: (await client.listConnections()).length
          };
        }""",
        lab.jupyter.url,
    )
    assert "torch" in result["environments"]
    assert "plain" not in result["environments"]
    assert result["page"] == 200
    assert result["logs"]
    assert result["error"] == [True, "connection_not_found", 404]
    assert result["left"] == 0
