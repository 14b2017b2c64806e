"""The corpus of ssh configs, and what must hold for each of them beside OpenSSH's own ``ssh -G``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runicorn_jupyter.errors import SshUnavailable
from runicorn_jupyter.ssh.config import evaluator, openssh, resolver
from runicorn_jupyter.ssh.config.home_copy import config_view, read_config

CORPUS = Path(__file__).parents[2] / "data" / "ssh_config"
FILES = sorted(path.name for path in CORPUS.iterdir() if path.is_file())

# What evaluate.py works out; the rest of `ssh -G` plays no part in connecting.
EVALUATED = (
    *("user", "hostname", "port", "addressfamily", "identityfile", "certificatefile", "identitiesonly"),
    *("identityagent", "proxyjump", "proxycommand", "userknownhostsfile", "globalknownhostsfile"),
    *("hostkeyalias", "connecttimeout", "preferredauthentications", "stricthostkeychecking"),
    *("hashknownhosts", "revokedhostkeys", "serveraliveinterval", "serveralivecountmax"),
    *("numberofpasswordprompts", "bindaddress", "knownhostscommand", "pkcs11provider", "checkhostip"),
    *("nohostauthenticationforlocalhost", "updatehostkeys", "verifyhostkeydns"),
    *("gssapiauthentication", "gssapidelegatecredentials"),
)
SSH_DEFAULTS = {
    "addressfamily": "any",
    "identitiesonly": "no",
    "connecttimeout": "none",
    "stricthostkeychecking": "ask",
    "hashknownhosts": "no",
    "serveraliveinterval": "0",
    "serveralivecountmax": "3",
    "numberofpasswordprompts": "3",
    "checkhostip": "no",
    "nohostauthenticationforlocalhost": "no",
    "verifyhostkeydns": "false",
    "gssapiauthentication": "no",
    "gssapidelegatecredentials": "no",
}
# Refused for a whole list of known option names, or for a value of a block that does not apply:
# without ssh we do not refuse what we need not understand.
ONLY_SSH_REFUSES = {"bad-option", "bad-option-elsewhere", "extra-argument", "match-bad-word"}

_ENTER = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'


def use_corpus_file(home: Path, name: str) -> list[str]:
    """Make a file of the corpus the user's config; return the hosts to ask for."""
    data = (CORPUS / name).read_bytes()
    (home / ".ssh" / "config").write_bytes(data)
    (home / ".ssh" / "config").chmod(0o600)
    shutil.copytree(CORPUS / "include", home / ".ssh" / "include")
    for path in (home / ".ssh" / "include").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return data.splitlines()[0].decode().removeprefix("# asked: ").replace('"y z"', "").split()


def ssh_with_home(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ssh in a world where the user database has our home: the truth, no option of ours in it."""
    lines = [line.split(":") for line in Path("/etc/passwd").read_text().splitlines() if line]
    for line in lines:
        if line[2] == str(os.getuid()):
            line[5] = str(home)
    passwd = home / "passwd"
    passwd.write_text("".join(":".join(line) + "\n" for line in lines))
    command = ["unshare", "--mount", "sh", "-c", _ENTER, "sh", str(passwd), "ssh", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        errors="surrogateescape",
    )


def parsed(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name.lower(), []).append(value)
    return found


def split(asked: str) -> tuple[str, str | None]:
    user, at, host = asked.rpartition("@")
    return host, user if at else None


def check_refused(home: Path, name: str, asked: str) -> None:
    with pytest.raises(SshUnavailable, match="ssh config") as refused:
        resolver.resolve(asked)
    assert "runicorn-ssh-" not in refused.value.message
    if name.partition("-")[2] not in ONLY_SSH_REFUSES:
        with pytest.raises(SshUnavailable):
            work_out(home, asked)


def check_resolved(home: Path, asked: str, expected: dict[str, list[str]]) -> None:
    # By ssh, with our copy of the config: each and every line of -G.
    host, user = split(asked)
    with config_view(home, run_commands=True) as view:
        printed_by_ssh = openssh.query("ssh", host, username=user, port=None, config=view.path, timeout=60)
        ours = view.restore(printed_by_ssh)
    for printed in (ours, expected):
        # Nobody can be asked by then: "ask" is "no" to us, and our copy of the config says it so.
        printed["updatehostkeys"] = [str(printed["updatehostkeys"] == ["true"]).lower()]
        for key in ("identityfile", "certificatefile", "globalknownhostsfile"):  # raw in -G
            values = printed.get(key, [])
            printed[key] = [value.replace("~/", f"{home}/").replace("%d/", f"{home}/") for value in values]
    assert ours == expected

    # Without ssh: all that connecting needs.
    evaluated = work_out(home, asked)
    evaluated["updatehostkeys"] = [str(evaluated["updatehostkeys"] == ["true"]).lower()]
    for key in EVALUATED:
        assert hosts_view(evaluated, key, home) == hosts_view(expected, key, home), key

    target = resolver.resolve(asked)
    assert target.asked == asked
    assert [str(target.update_host_keys).lower()] == expected["updatehostkeys"]
    assert target.hostname == expected["hostname"][0]
    assert target.username == expected["user"][0]
    assert target.port == int(expected["port"][0])
    assert len(target.proxy_jump) >= ("proxyjump" in expected)


def work_out(home: Path, asked: str) -> dict[str, list[str]]:
    host, user = split(asked)
    files = read_config(home)
    return evaluator.evaluate(files, host, username=user, port=None, home=home, run_commands=True)


def hosts_view(printed: dict[str, list[str]], key: str, home: Path) -> object:
    """A value as resolve() sees it: file names expanded, defaults filled in."""
    values = printed.get(key, [SSH_DEFAULTS[key]] if key in SSH_DEFAULTS else [])
    if values in (["none"], []):
        return []
    if key in (
        "identityfile",
        "certificatefile",
        "userknownhostsfile",
        "globalknownhostsfile",
        "identityagent",
    ):
        tokens = resolver.tokens_of(printed, printed["host"][0])
        expanded = [resolver.expand(value, tokens, home) for value in values]
        return " ".join(expanded) if key.endswith("hostsfile") else expanded
    if key == "proxyjump":
        return [value.replace("[", "").replace("]", "").replace("ssh://", "") for value in values]
    return values
