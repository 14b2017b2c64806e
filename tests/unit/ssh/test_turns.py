"""Who shares a turn with whom."""

from __future__ import annotations

from runicorn_jupyter.ssh.config.target import Target
from runicorn_jupyter.ssh.turns import Turns


def test_a_turn_is_of_the_first_host_on_the_way() -> None:
    turns = Turns()
    login, gpu1, gpu2 = (Target(name, f"{name}.example", 22, "me") for name in ("login", "gpu1", "gpu2"))
    through = [Target(each.asked, each.hostname, 22, "me", proxy_jump=(login,)) for each in (gpu1, gpu2)]
    at_login = turns.at(login)
    assert [turns.at(each) for each in through] == [at_login, at_login]
    at_gpu = turns.at(gpu1)
    assert at_gpu is turns.at(Target("other", "gpu1.example", 22, "other"))
    assert at_gpu not in (at_login, turns.at(gpu2), turns.at(Target("gpu1", "gpu1.example", 2222, "me")))
