#!/usr/bin/env bash
# Runs the demonstration against the KEA that runs here, or starts one. With CI set, what was started is stopped again.
# usage: demo.sh BIN PORT
set -euo pipefail
bin=$1 port=$2
if ! "$bin/kea" status >/dev/null 2>&1; then
  "$bin/kea" up --detach --port "$port"
  if [ -n "${CI:-}" ]; then
    trap '"$bin/kea" down' EXIT
  fi
fi
"$bin/python" "$(dirname "$0")/../examples/demo.py"
if [ -z "${CI:-}" ]; then
  echo "KEA goes on running; stop it with: $bin/kea down"
fi
