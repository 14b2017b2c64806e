"""A network of its own between this machine and a server: a real cable, that the tests may cut.

A network namespace with a veth pair: packets are dropped by nftables, as a firewall or a dead
route does, so that TCP learns nothing; interfaces go down; addresses change; ``tbf`` narrows the line.
"""

from __future__ import annotations

import secrets
import subprocess

_DROP = """
table inet fault {
  chain input { type filter hook input priority 0; policy drop; }
  chain output { type filter hook output priority 0; policy drop; }
}
"""
_REJECT = """
table inet fault {
  chain input { type filter hook input priority 0; meta l4proto tcp reject with tcp reset; }
}
"""


def _run(*command: str, stdin: str | None = None, check: bool = True) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


class Network:
    """The namespace ``name``: its side has ``there``, this side ``here``."""

    def __init__(self) -> None:
        self.name = f"rj{secrets.token_hex(4)}"
        self._device = f"{self.name}h"
        for _ in range(50):
            self._prefix = f"10.{213 + secrets.randbelow(20)}.{secrets.randbelow(256)}"
            if not _run("ip", "-4", "addr", "show", "to", f"{self._prefix}.0/24"):
                break
        self.here, self.there = f"{self._prefix}.1", f"{self._prefix}.2"
        _run("ip", "netns", "add", self.name)
        try:
            other = f"{self.name}n"
            _run("ip", "link", "add", self._device, "type", "veth", "peer", "name", other, "netns", self.name)
            _run("ip", "addr", "add", f"{self.here}/24", "dev", self._device)
            _run("ip", "link", "set", self._device, "up")
            self._inside("ip", "addr", "add", f"{self.there}/24", "dev", other)
            self._inside("ip", "link", "set", other, "up")
            self._inside("ip", "link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def _inside(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        return _run("nsenter", f"--net=/run/netns/{self.name}", *command, stdin=stdin, check=check)

    def drop(self) -> None:
        """Let no packet through, in either direction, and tell nobody."""
        self._inside("nft", "-f", "-", stdin=_DROP)

    def reject(self) -> None:
        """Answer every packet of TCP with a reset, as a firewall that was restarted does."""
        self._inside("nft", "-f", "-", stdin=_REJECT)

    def restore(self) -> None:
        """Undo ``drop`` or ``reject``."""
        self._inside("nft", "delete", "table", "inet", "fault")

    def mend(self) -> None:
        """Undo whatever was done to it, but for a changed address."""
        self._inside("nft", "delete", "table", "inet", "fault", check=False)
        self.plug()
        _run("tc", "qdisc", "del", "dev", self._device, "root", check=False)

    def unplug(self) -> None:
        """Take this side's interface down: there is no route any more."""
        _run("ip", "link", "set", self._device, "down")

    def plug(self) -> None:
        """Undo ``unplug``."""
        _run("ip", "link", "set", self._device, "up")

    def change_address(self) -> None:
        """Give this side another address, as another Wi-Fi does; the old one is gone."""
        new = f"{self._prefix}.{3 + secrets.randbelow(200)}"
        _run("ip", "addr", "add", f"{new}/24", "dev", self._device)
        _run("ip", "addr", "del", f"{self.here}/24", "dev", self._device)
        # The first address of a network takes the others with it.
        _run("ip", "addr", "replace", f"{new}/24", "dev", self._device)
        self.here = new

    def narrow(self, rate_mbit: float) -> None:
        """Limit the rate of this side's packets."""
        rate = f"{round(rate_mbit * 1000)}kbit"
        _run(
            "tc", "qdisc", "replace", "dev", self._device, "root", "tbf",
            "rate", rate, "burst", "16kb", "latency", "400ms",
        )  # fmt: skip

    def close(self) -> None:
        """Remove it."""
        _run("ip", "link", "del", self._device, check=False)
        _run("ip", "netns", "del", self.name, check=False)
