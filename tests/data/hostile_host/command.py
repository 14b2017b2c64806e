"""What a host that was taken over runs in the place of each command: the forced command of a key of its own.

``python command.py MODE [PORT]``; it is given the command's stdin, and answers as no probe and no boot does.
"""

import json
import os
import re
import signal
import sys

# A window's title, colour, a change of direction, markup, and what Markdown makes a link of.
NASTY = "\x1b]0;owned\x07\x1b[31m<img src=x onerror=alert(1)>\u202e[x](javascript:alert(1))\x9b31m"


def flood(descriptor=1):
    """Print until nobody reads any more."""
    while True:
        os.write(descriptor, b"env\0venv\0" + b"x" * 65536)


def shell_mark():
    """Read the mark that the probe's answer begins with."""
    return re.match(rb"mark=([0-9a-f]+)\n", sys.stdin.buffer.readline()).group(1).decode()


def boot_mark():
    """Read the mark that the boot's answer begins with."""
    while sys.stdin.buffer.readline().strip():  # the interpreter, and variables
        pass
    sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))
    return json.loads(sys.stdin.buffer.readline())["marker"]


def state(port):
    """Make the state of a viewer that is none of ours: whatever listens on that port."""
    return {
        "version": 6, "host": "host", "boot": "boot", "pid": 4194000, "start_time": "1", "port": port,
        "secret": "A" * 43, "prefix": "/env/" + NASTY, "root": "/root/" + NASTY, "asked_root": None,
        "runicorn_version": NASTY, "folder": "/" + NASTY, "key": "0" * 24, "adopted": True,
    }  # fmt: skip


def lie(port):
    """Answer the probe with what is not so, and more of it than there can be."""
    process = " ".join(["S", *"0" * 18, "1", "0"])
    config = {"user_root_dir": "/root/" + NASTY, "password": "x", NASTY: [NASTY] * 1000}
    records = [
        ["system", NASTY, "boot", NASTY, NASTY, NASTY, "/home/" + NASTY, ""],
        ["python3", NASTY, "Python 3.11.2\x1b[31m"],
        ["config", json.dumps(config)],
        ["config", '{"a": ' + "[" * 600 + "]" * 600 + "}"],
        ["config", "[" * 100000],
        ["viewer", json.dumps({**state(port), "host": NASTY}), process],
        ["viewer", "{" * 100000, process],
    ]
    for number in range(3000):
        path = f"/env/{NASTY}{number if number else ''}"
        site = f"{path}/lib/python3.11/site-packages"
        records.append(["env", "venv", path, path, f"{path}/bin/python", NASTY, "", "true", site])
        records.append(
            ["dist", f"{site}/runicorn-0.7.2{NASTY}{'9' * 5000 if number == 1 else ''}.dist-info", "yes"]
        )
    records.append(["end", ""])
    os.write(1, b"noise\n" + f"\n{shell_mark()}\0".encode())
    sys.stdout.buffer.write("".join(f"{field}\0" for record in records for field in record).encode())


def main(mode, port):
    """Do what this host does."""
    if mode == "silent":
        signal.pause()
    if mode == "floods":
        flood()
    if mode == "floods errors":
        flood(2)
    is_probe = os.environ["SSH_ORIGINAL_COMMAND"].endswith("-s'")
    os.write(1, b"runicorn-jupyter-42-ready\n")  # it pretends to be a shell that runs the command
    if mode == "floods an answer":
        os.write(1, f"\n{shell_mark()}\0".encode())
        flood()
    if is_probe:
        lie(port)
    else:
        print(f"\n{boot_mark()} {json.dumps({**state(port), 'adopted': False})}")


main(sys.argv[1], int(sys.argv[2]))
