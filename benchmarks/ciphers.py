"""The cipher that both sides take where the server has all, beside those that a server may insist on."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks import load
from benchmarks.harness import OURS, Answer, interleave
from benchmarks.world import ALIAS, World

MIB = 64
OTHERS = ("chacha20-poly1305@openssh.com", "aes256-ctr")


def run(world: World, rounds: int = 4) -> list[Answer]:
    """Answer the question of this module: a large file by each cipher, from a server of the same home."""
    path = world.large_file(MIB)
    with ExitStack() as stack:
        hosts = {OURS: ALIAS}
        for number, cipher in enumerate(OTHERS):
            hosts[cipher] = f"{ALIAS}-cipher-{number}"
            stack.enter_context(world.another_sshd(hosts[cipher], home=world.sshd.home, Ciphers=cipher))
        urls = {}
        for name, host in hosts.items():
            connection_id = world.connect(host=host)
            stack.callback(world.disconnect, connection_id, cleanup_viewer=False)
            urls[name] = world.start_viewer(connection_id)["url"] + path

        def measure(name: str) -> float:
            return load.run("download", url=urls[name], headers={}, streams=1)["mib_per_second"]

        samples = interleave({name: partial(measure, name) for name in hosts}, rounds)
    return [Answer(f"download of {MIB} MiB by AES-GCM", samples, "MiB/s", "higher", at_least=1.0)]
