#!/bin/sh
# Installs this project, editable, with the extras into an environment: by uv where it is, else by pip, in constraints.txt's versions.
#
#   scripts/install.sh .venv/bin/python demo,test
#
# uv does not read pip's settings, so pip tries where uv cannot. A registry may lack a version that is locked (a mirror
# that is behind, a Python that is newer than the lock): then come the newest that fit, and that is said.
set -u
python=$1
project=".[$2]"

by_pip() {
    "$python" -m pip install -q --disable-pip-version-check "$@" -e "$project"
}

if command -v uv >/dev/null; then
    uv pip install -q --python "$python" -c constraints.txt -e "$project" && exit
    echo 'uv could not install them; pip tries.' >&2
fi
by_pip -c constraints.txt && exit
echo 'The versions of constraints.txt cannot be had here; installing the newest that fit.' >&2
by_pip
