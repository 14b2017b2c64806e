"""Every magic, typed in a real kernel, against a real sshd with real environments."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

import requests

from tests.api.conftest import World
from tests.notebook.kernels import Cell, Kernel
from tests.world.sshd import Sshd, make_key

CAPABILITY = re.compile(r"[0-9a-f]{32}")
MIME = "application/vnd.runicorn.viewer+json"


def one_line(cell: Cell) -> str:
    """What a failed cell says, which has to be one sentence and no traceback."""
    assert cell.status == "error", cell.text
    assert "Traceback" not in cell.everything
    lines = [line for line in cell.text.splitlines() if line.startswith("UsageError: ")]
    assert len(lines) == 1, cell.text
    return lines[0].removeprefix("UsageError: ")


def test_a_host_that_runs_no_commands_says_so_below_its_environments(
    kernel: Kernel, world: World, make_sshd: Callable[..., Sshd]
) -> None:
    server = make_sshd(shell="/usr/sbin/nologin")
    world.home.trust(server)
    world.home.host("runs-nothing", server)
    kernel.good("%runicorn_connect runs-nothing")
    shown = kernel.good("envs = %runicorn_envs\nenvs").result
    assert kernel.value("envs") == []
    assert "does not run commands" in shown["text/plain"]
    assert "does not run commands" in shown["text/html"]


def test_the_whole_job(any_kernel: Kernel, world: World) -> None:
    kernel = any_kernel
    connected = kernel.good("c = %runicorn_connect gpu1\nc")
    assert f"{world.sshd.user}@gpu1:{world.sshd.port}" in connected.result["text/plain"]
    assert re.fullmatch(r"conn_[0-9a-f]{8}", kernel.value("c['connection_id']"))
    assert connected.steps[0] == "gpu1: …"
    assert any("…" in step and step != "gpu1: …" for step in connected.steps), connected.steps
    assert re.fullmatch(r"gpu1: done in \d+\.\d s", connected.steps[-1])

    shown = kernel.good("envs = %runicorn_envs\nenvs")
    assert "rc072" in shown.result["text/plain"]
    assert "not installed" in shown.result["text/plain"]
    assert kernel.value("[e['name'] for e in envs.with_runicorn]") == ["rc050", "rc060", "rc072"]

    viewer = kernel.good("v = %runicorn_viewer rc072 --height 480\nv")
    bundle = viewer.result[MIME]
    assert bundle["host"] == "gpu1"
    assert bundle["env_name"] == "rc072"
    assert bundle["height"] == 480
    page = requests.get(kernel.value("v.url"), timeout=60)
    assert page.status_code == 200
    again = kernel.good("%runicorn_viewer")  # no name needed while it runs
    assert again.result[MIME]["env_name"] == "rc072"
    named = kernel.good("%runicorn_viewer rc072")  # it runs, and that is not a failure
    assert named.result[MIME]["env_name"] == "rc072"
    assert "done in" in named.steps[-1]

    status = kernel.good("%runicorn_status")
    assert "all is well" in status.result["text/plain"]
    assert "running" in status.result["text/plain"]
    logs = kernel.good("lines = %runicorn_logs -n 5\nlines")
    assert 0 < len(kernel.value("lines")) <= 5
    assert "<pre" in logs.result["text/html"]
    listed = kernel.good("%runicorn_connections")
    assert "running · rc072" in listed.result["text/plain"]

    assert kernel.good("%runicorn_stop").text == "The viewer of gpu1 is stopped.\n"
    last = kernel.good("%runicorn_viewer").result[MIME]  # three could be meant: that of the last time is
    assert last["env_name"] == "rc072"
    kernel.good("%runicorn_stop")
    assert "stopped" in kernel.good("%runicorn_status").result["text/plain"]
    assert kernel.good("%runicorn_disconnect").text == "gpu1 is disconnected.\n"
    assert "%runicorn_connect" in kernel.good("%runicorn_connections").result["text/plain"]
    assert world.sshd.left() == []
    everything = "".join(cell.everything for cell in (connected, shown, viewer, again, status, logs, listed))
    assert CAPABILITY.findall(re.sub(r'"(?:transient|model_id|display_id)": ?[^,}]*', "", everything)) == []


def test_one_line_does_it_again_and_a_new_session_finds_it(kernel: Kernel, world: World) -> None:
    line = "%runicorn_connect gpu1 --env rc072 --name lab"
    cell = kernel.good(line)
    assert cell.result[MIME]["username"] == world.sshd.user
    assert "%runicorn_connect gpu1" in cell.result["text/plain"]
    kernel.good(line)
    listed = "get_ipython().run_line_magic('runicorn_connections', '')"
    assert kernel.value(f"[c['name'] for c in {listed}]") == ["lab"]
    kernel.good("%reload_ext runicorn_jupyter")  # as after a restart, it knows of nothing
    assert kernel.good("%runicorn_viewer").result[MIME]["env_name"] == "rc072"


def test_a_viewer_that_answers_nothing_is_restarted_under_its_address(kernel: Kernel, world: World) -> None:
    kernel.good("v = %runicorn_connect gpu1 --env rc072")
    url = kernel.value("v.url")
    (before,) = (each["viewer"] for each in world.jupyter.get("connections").json()["connections"])
    os.kill(before["pid"], signal.SIGSTOP)
    while "unresponsive" not in kernel.good("s = %runicorn_status\ns").result["text/plain"]:
        time.sleep(0.2)
    assert kernel.good("%runicorn_viewer").result[MIME]["env_name"] == "rc072"
    assert "%runicorn_viewer --restart" in one_line(kernel.run("%runicorn_viewer rc072"))
    assert kernel.good("%runicorn_viewer --restart").result[MIME]["env_name"] == "rc072"
    assert kernel.value("v.url") == url
    assert requests.get(f"{url}api/health", timeout=60).status_code == 200
    (after,) = (each["viewer"] for each in world.jupyter.get("connections").json()["connections"])
    assert after["pid"] != before["pid"]


def test_names_tell_connections_apart(kernel: Kernel, world: World) -> None:
    kernel.good("%runicorn_connect gpu1 --name one")
    kernel.good("%runicorn_connect gpu1 --name two")
    assert re.fullmatch(
        r"Several connections are open; say which: one \(conn_\w{8}\), two \(conn_\w{8}\)\.",
        one_line(kernel.run("%runicorn_status")),
    )
    assert "No connection is called three" in one_line(kernel.run("%runicorn_status three"))
    kernel.good("%runicorn_status two")
    kernel.good("%runicorn_disconnect one")
    kernel.good("%runicorn_status")


def test_failures_are_one_line_with_what_to_do(kernel: Kernel, world: World) -> None:
    assert "%runicorn_connect HOST" in one_line(kernel.run("%runicorn_envs"))
    assert "--root goes with --env" in one_line(kernel.run("%runicorn_connect gpu1 --root /x"))
    assert "%runicorn_connect? says" in one_line(kernel.run("%runicorn_connect"))
    assert "No closing quotation" in one_line(kernel.run("%runicorn_connect 'gpu1"))
    assert "127.0.0.1" in one_line(kernel.run("%runicorn_connect 127.0.0.1 -p 1"))
    world.home.host("never-opened", world.sshd)
    kernel.good("%runicorn_connect never-opened")
    assert "%runicorn_envs lists them" in one_line(kernel.run("%runicorn_viewer nowhere"))
    assert "say which" in one_line(kernel.run("%runicorn_viewer"))
    assert one_line(kernel.run("%runicorn_logs"))
    assert "pip install" in one_line(kernel.run("%runicorn_viewer empty"))
    assert one_line(kernel.run("%runicorn_stop"))
    kernel.good("%runicorn_logs")  # what the start that failed has printed


def test_help_shows_the_options(kernel: Kernel) -> None:
    cell = kernel.good("print(get_ipython().object_inspect_text('%runicorn_connect'))")
    assert "%runicorn_connect" in cell.text
    for option in ("--username", "--port", "--identity", "--password", "--env", "--root", "--name"):
        assert option in cell.text


def test_an_unknown_host_is_shown_and_asked_about(
    kernel: Kernel, world: World, make_sshd: type[Sshd]
) -> None:
    other = make_sshd()
    line = f"%runicorn_connect {other.host} -u {other.user} -p {other.port} -i {other.key_path}"
    refused = kernel.run(line, answers=[""])
    assert "is not trusted" in one_line(refused)
    assert len(refused.asked) == 1
    assert "SHA256:" in refused.asked[0]["prompt"]
    assert refused.steps[-1].endswith(": has a question")
    assert refused.asked[0]["password"] is False
    kernel.good(line, answers=["y"])
    kernel.good("%runicorn_disconnect")
    kernel.good(line)  # it is known now


def test_a_password_is_typed_at_a_hidden_prompt_and_stays_nowhere(
    kernel: Kernel, world: World, make_sshd: type[Sshd]
) -> None:
    secret = "canary-Passw0rd"
    other = make_sshd(password=secret)
    world.home.trust(other)
    line = f"%runicorn_connect {other.host} -u {other.user} -p {other.port} --password"
    wrong = kernel.run(line, answers=["wrong"])
    assert one_line(wrong)
    cell = kernel.good(line, answers=[secret])
    assert [asked["password"] for asked in cell.asked] == [True]
    assert secret not in cell.everything
    history = kernel.good("print(list(get_ipython().history_manager.get_range(output=True)))")
    assert secret not in history.text
    assert secret not in str(kernel.value("[str(v) for v in list(globals().values())]"))


def test_a_keys_passphrase_is_asked_for(kernel: Kernel, world: World, make_sshd: type[Sshd]) -> None:
    other = make_sshd()
    world.home.trust(other)
    key = make_key(other.root / "locked", passphrase="canary phrase")
    other.authorized_keys.write_text(key.with_suffix(".pub").read_text())
    cell = kernel.good(
        f"%runicorn_connect {other.host} -u {other.user} -p {other.port} -i {key}", answers=["canary phrase"]
    )
    assert [asked["password"] for asked in cell.asked] == [True]
    assert "canary phrase" not in cell.everything


def test_a_front_end_that_cannot_ask_says_so(kernel: Kernel, world: World, make_sshd: type[Sshd]) -> None:
    other = make_sshd(password="x")
    line = f"%runicorn_connect {other.host} -u {other.user} -p {other.port} -i {other.key_path}"
    assert "SHA256:" in one_line(kernel.run(line, allow_stdin=False))
    world.home.trust(other)
    assert "cannot ask" in one_line(kernel.run(f"{line} --password", allow_stdin=False))


def test_an_interrupt_lets_go_of_a_host_that_does_not_answer(kernel: Kernel) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        kernel.client.execute(f"%runicorn_connect 127.0.0.1 -p {silent.getsockname()[1]} --timeout 600")
        silent.accept()[0].detach()
        kernel.interrupt()
        error = kernel.wait_message(lambda m: m["msg_type"] == "error")
        kernel.wait_message(lambda m: m["content"] == {"execution_state": "idle"})
    assert error["content"]["ename"] == "KeyboardInterrupt"
