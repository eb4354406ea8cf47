#!/usr/bin/env bash
# Install a hashed lock and this package into a virtual environment: with uv when it is here, else venv and pip.
#   ops/install.sh VENV LOCK
set -euo pipefail
venv=$1 lock=$2 python=${PYTHON:-python3}

"$python" - <<'PY' || { echo "tidegate needs Python 3.11 to 3.13: set PYTHON=/path/to/python3.11" >&2; exit 1; }
import sys
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PY

if command -v uv >/dev/null 2>&1; then
  [ -x "$venv/bin/python" ] || uv venv --quiet --python "$python" "$venv"
  uv pip install --python "$venv/bin/python" --require-hashes -r "$lock"
  uv pip install --quiet --python "$venv/bin/python" --no-deps --editable .
else
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --require-hashes --no-deps -r "$lock"
  "$venv/bin/python" -m pip install --quiet --no-deps --editable .
fi
