#!/bin/sh
# Runs a command that takes long and prints nothing; on a terminal a dot every two seconds says that it goes on.
#
#   scripts/patiently.sh 'Installing …' pip install -q …
set -u

printf '%s' "$1" >&2
shift
dots=''
if [ -t 2 ]; then
    (while sleep 2; do printf . >&2; done) &
    dots=$!
    trap 'kill "$dots" 2>/dev/null' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
else
    echo >&2
fi
"$@"
status=$?
[ -z "$dots" ] || echo >&2
exit $status
