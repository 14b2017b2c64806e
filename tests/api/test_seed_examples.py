"""FakeViewer's examples, every Python block of them, run unchanged against real parts.

Twice: with our client against a Jupyter server that wants its token, and with upstream's own class
against one that its owner opened. ``gpu-server.com`` and the others lead to an sshd on loopback by
the ssh config of the test's own home; ``mluser`` is a user of that sshd's own user database.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.world.jupyter import JupyterServer, start_jupyter, upstreams_port
from tests.world.layouts import add_environments
from tests.world.sshd import Sshd, SshHome, make_key

EXAMPLES = Path(__file__).parents[1] / "data" / "REMOTE_API_EXAMPLES.zh.md"
BLOCKS = re.findall(r"```python\n(.*?)```", EXAMPLES.read_text(encoding="utf-8"), re.DOTALL)
CLASS, USAGE, MONITOR, MANY, SELECT, ERRORS, *PRACTICES = BLOCKS
HOSTS = ("gpu-server.com", "gpu-server-01.com", "gpu-server-02.com", "remote-server.com")
USERS = ("mluser", "user")

# Runs a block as it stands, after what the text around it takes for granted.
RUNNER = """
import pathlib, sys
before, block, after = (pathlib.Path(path).read_text(encoding="utf-8") for path in sys.argv[1:4])
scope = {"__name__": "__main__"}
exec(compile(before, "before", "exec"), scope)
exec(compile(block, sys.argv[2], "exec"), scope)
exec(compile(after, "after", "exec"), scope)
"""
CLIENT = "from runicorn_remote_client import RunicornRemoteClient\n"


@dataclass
class Side:
    """A home with an ssh config, a Jupyter server of that home, and which client scripts import."""

    jupyter: JupyterServer
    home: SshHome
    sshd: Sshd
    python_path: Path | None
    scratch: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables of the person's shell."""
        extra = {"PYTHONPATH": str(self.python_path)} if self.python_path else {}
        return {
            **self.jupyter.env,
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "",
            **extra,
        }

    def command(self, block: str, before: str = "", after: str = "") -> list[str]:
        """The command line that runs a block."""
        paths = []
        for name, text in {"before": before, "block": block, "after": after}.items():
            path = self.scratch / f"{name}.py"
            path.write_text(text, encoding="utf-8")
            paths.append(str(path))
        return [sys.executable, "-c", RUNNER, *paths]

    def run(self, block: str, *, before: str = "", after: str = "", stdin: str = "", **env: str) -> str:
        """Run a block to its end and return what it printed."""
        done = subprocess.run(
            self.command(block, before, after),
            input=stdin,
            env={**self.env, **env},
            cwd=self.scratch,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def connections(self) -> list[dict[str, object]]:
        """What the server holds now."""
        found: list[dict[str, object]] = self.jupyter.get("connections").json()["connections"]
        return found

    def disconnect_all(self) -> None:
        """Close what a script left, as upstream's third scenario does."""
        for entry in self.connections():
            self.jupyter.delete(f"connections/{entry['connection_id']}")


@pytest.fixture(scope="module")
def remote(
    _sshd_program: str, tmp_path_factory: pytest.TempPathFactory, runicorn_env: Callable[..., Path]
) -> Iterator[Sshd]:
    """An sshd with the examples' users and an environment called ``pytorch-env``."""
    server = Sshd(tmp_path_factory.mktemp("sshd-examples"))
    if not server.relocated:
        pytest.skip("users of the sshd's own need root and mount namespaces")
    for file, line in {
        "passwd": f"{{}}:x:0:0::{server.home}:/bin/bash\n",
        "shadow": "{}:*:19000:0:99999:7:::\n",
    }.items():
        with (server.root / file).open("a") as database:
            database.writelines(line.format(user) for user in USERS)
    add_environments(server.home, **{"pytorch-env": runicorn_env()})
    try:
        yield server.start()
    finally:
        server.close()


def person(home: Path, sshd: Sshd) -> SshHome:
    """A home whose ssh config leads the examples' hosts to the sshd, with a key in ``~/.ssh/id_rsa``."""
    made = SshHome(home)
    key = make_key(made.ssh / "id_rsa", kind="rsa")
    with sshd.authorized_keys.open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    made.trust(sshd)
    for name in HOSTS:
        made.host(name, HostName=sshd.host, Port=sshd.port, UserKnownHostsFile=str(made.known_hosts))
    return made


@pytest.fixture(scope="module", params=["ours, closed server", "upstream's, open server"])
def shared_side(
    request: pytest.FixtureRequest, remote: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    """The world of one run through the examples."""
    scratch = tmp_path_factory.mktemp("examples")
    home = person(scratch / "home", remote)
    with ExitStack() as stack:
        if request.param.startswith("ours"):
            jupyter = start_jupyter(home.path)
            python_path = None
        else:
            port = stack.enter_context(upstreams_port())
            with socket.create_server(("127.0.0.1", port), reuse_port=False):
                pass  # fails here, and clearly, where something else listens on upstream's port
            jupyter = start_jupyter(home.path, token="", port=port)
            python_path = scratch / "upstream"
            python_path.mkdir()
            (python_path / "runicorn_remote_client.py").write_text(CLASS, encoding="utf-8")
        stack.callback(jupyter.stop)
        yield Side(jupyter, home, remote, python_path, scratch)


@pytest.fixture
def side(shared_side: Side) -> Iterator[Side]:
    """The shared world, without connections before and after."""
    yield shared_side
    shared_side.disconnect_all()


def test_the_text_still_has_the_blocks_that_are_run_here() -> None:
    assert "class RunicornRemoteClient" in CLASS
    assert "input(" in USAGE
    assert "def monitor_training" in MONITOR
    assert "def manage_multiple_servers" in MANY
    assert "def select_best_environment" in SELECT
    assert "def safe_connect_and_start" in ERRORS
    assert len(PRACTICES) == 5


def test_each_side_imports_the_client_that_it_means_to(side: Side) -> None:
    where = side.run("import inspect\nprint(inspect.getsourcefile(RunicornRemoteClient))\n", before=CLIENT)
    ours = Path(__file__).parents[2] / "runicorn_jupyter" / "client/client.py"
    expected = side.python_path / "runicorn_remote_client.py" if side.python_path else ours
    assert Path(where.strip()) == expected


def test_usage(side: Side) -> None:
    printed = side.run(USAGE, stdin="\n")
    for line in (
        r"✓ 已连接: conn_[0-9a-f]{8}",
        r"✓ 找到 1 个环境",
        r"  - pytorch-env: Python 3\.\d+\.\d+, Runicorn 0\.7\.2",
        r"✓ Viewer 已启动: http://\S+/runicorn/v/[0-9a-f]{32}/",
        r"✓ Viewer 状态: running",
        r"✓ 连接健康: healthy",
        r"(按 Enter 键断开连接\.\.\.)?✓ 已断开连接",
    ):
        assert re.search(f"^{line}$", printed, re.MULTILINE), printed
    assert side.connections() == []
    assert side.sshd.left() == []


def test_scenario_1_monitoring_ends_when_the_viewer_dies(side: Side) -> None:
    # The scenario sleeps 30 s between two looks; here it sleeps until the test has seen the last one.
    woken = "import time, sys\ntime.sleep = lambda seconds: sys.stdin.readline()\n"
    with subprocess.Popen(
        side.command(MONITOR, before=woken),
        env=side.env,
        cwd=side.scratch,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as script:
        assert script.stdin is not None
        assert script.stdout is not None
        assert re.fullmatch(r"Viewer URL: http://\S+/runicorn/v/[0-9a-f]{32}/\n", script.stdout.readline())
        for _ in range(2):
            assert re.fullmatch(r"状态: running, 运行时间: \d+(\.\d+)?s\n", script.stdout.readline())
            script.stdin.write("\n")
            script.stdin.flush()
        script.stdout.readline()
        viewer = side.connections()[0]["viewer"]
        assert isinstance(viewer, dict)
        subprocess.run(["kill", "-9", str(viewer["pid"])], check=True)
        script.stdin.write("\n")
        script.stdin.flush()
        rest = script.stdout.read()
        assert script.wait(timeout=30) == 0, rest
    assert re.search(r"^警告: 连接不健康 - .*'health': 'degraded'", rest, re.MULTILINE), rest


def test_scenario_2_several_servers(side: Side) -> None:
    printed = side.run(MANY, stdin="l\nh\nx\nq\n")
    assert re.search(r"^✓ 已连接到 gpu-server-01.com: conn_[0-9a-f]{8}$", printed, re.MULTILINE), printed
    assert (
        "总计 2 个活动连接:\n  - gpu-server-01.com: connected\n  - gpu-server-02.com: connected\n" in printed
    )
    assert len(re.findall(r"conn_[0-9a-f]{8}: gpu-server-0[12].com - connected$", printed, re.MULTILINE)) == 2
    assert len(re.findall(r"conn_[0-9a-f]{8}: healthy$", printed, re.MULTILINE)) == 2
    assert len(re.findall(r"^(?:> )?✓ 已断开: conn_[0-9a-f]{8}$", printed, re.MULTILINE)) == 2
    assert "✗" not in printed
    assert side.connections() == []


def test_scenario_3_choosing_an_environment(side: Side) -> None:
    printed = side.run(SELECT)
    assert re.search(r"^选择环境: pytorch-env$", printed, re.MULTILINE), printed
    found = re.search(r"^✓ Viewer 可用: (\S+)$", printed, re.MULTILINE)
    assert found, printed
    page = requests.get(found.group(1), timeout=60)  # needs neither token nor cookie
    assert page.status_code == 200
    assert "text/html" in page.headers["Content-Type"]


def test_error_handling_when_all_goes_well(side: Side) -> None:
    printed = side.run(ERRORS)
    assert re.fullmatch(r"✓ 成功: http://\S+/runicorn/v/[0-9a-f]{32}/\n", printed), printed
    assert side.connections() == []


def test_error_handling_with_a_wrong_key(side: Side) -> None:
    ssh = side.home.ssh
    (ssh / "id_rsa").rename(ssh / "right")
    (ssh / "id_rsa.pub").rename(ssh / "right.pub")
    try:
        make_key(ssh / "id_rsa", kind="rsa")
        assert side.run(ERRORS) == "错误: SSH 认证失败，请检查密钥\n"
    finally:
        (ssh / "right").rename(ssh / "id_rsa")
        (ssh / "right.pub").rename(ssh / "id_rsa.pub")


def test_error_handling_when_nothing_listens(side: Side) -> None:
    config = side.home.config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    side.home.config.write_text(config.replace(f"Port {side.sshd.port}", f"Port {port}"))
    try:
        assert side.run(ERRORS) == "错误: SSH 服务不可用\n"
    finally:
        side.home.config.write_text(config)


def test_error_handling_without_runicorn(side: Side, empty_env: Path) -> None:
    environments = side.sshd.home / ".virtualenvs"
    environments.rename(side.sshd.home / "aside")
    try:
        add_environments(side.sshd.home, plain=empty_env)
        printed = side.run(ERRORS)
    finally:
        shutil.rmtree(environments)
        (side.sshd.home / "aside").rename(environments)
    assert printed == "错误: 未找到安装 Runicorn 的环境\n提示: 在远程服务器上运行 'pip install runicorn'\n"
    assert side.connections() == []


def test_practice_1_context_manager(side: Side) -> None:
    assert side.run(PRACTICES[0], before=CLIENT) == ""


def test_practice_2_time_limit(side: Side) -> None:
    printed = side.run(
        PRACTICES[1],
        before=f"{CLIENT}client = RunicornRemoteClient()\n",
        after="print(result['status'], result['username'])\n",
    )
    assert printed == "connected user\n"


def test_practice_3_environment_variables(side: Side) -> None:
    printed = side.run(
        PRACTICES[2],
        before=f"{CLIENT}client = RunicornRemoteClient()\n",
        after="print([c['host'] for c in client.list_connections()])\n",
        REMOTE_HOST="gpu-server.com",
        REMOTE_USERNAME="mluser",
        SSH_KEY_PATH="~/.ssh/id_rsa",
    )
    assert printed == "['gpu-server.com']\n"


def test_practice_4_ping_until_the_connection_is_gone(side: Side) -> None:
    # The second pause is where the connection ends, as if someone had closed it meanwhile.
    before = (
        f"{CLIENT}client = RunicornRemoteClient()\n"
        "conn_id = client.connect('gpu-server.com', 'mluser')['connection_id']\n"
        "import time\n"
        "pauses = []\n"
        "time.sleep = lambda s: pauses.append(s) or len(pauses) < 2 or client.disconnect(conn_id)\n"
    )
    printed = side.run(PRACTICES[3], before=before, after="keep_alive(client, conn_id)\nprint(pauses)\n")
    assert re.fullmatch(r"(Ping: \d+(\.\d+)?(e-\d+)?ms\n){2}连接丢失: .+\n\[30, 30\]\n", printed), printed


def test_practice_5_logging(side: Side) -> None:
    printed = side.run(PRACTICES[4], before=f"{CLIENT}client = RunicornRemoteClient()\n")
    assert "ERROR:__main__:Connection failed: " in printed  # the text's `...` is no host name
    assert side.connections() == []
