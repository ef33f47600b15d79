#!/bin/sh
# Build td7 on a machine with a GPU, run its GPU tests, time it there and profile a burst.
#
#   benchmarks/gpu.sh OUT [WHEELS]
#
# Writes OUT/{tests.txt,update.json,train.json,burst.json}. Uses the torch that python3 has; the
# rest comes from the folder WHEELS, if one is named, and else from the network. AUTHOR_CODE may
# name a checkout of the author's TD7, SEEDS the seeds of the whole-loop benchmark.
set -eu
out=${1:?"usage: benchmarks/gpu.sh OUT [WHEELS]"}
cd "$(dirname "$0")/.."
mkdir -p "$out"
out=$(cd "$out" && pwd)
from=
if [ $# -gt 1 ]; then from="--no-index --find-links $(cd "$2" && pwd)"; fi

python3 -m venv --system-site-packages "$out/venv"
python="$out/venv/bin/python"
$python -c 'import torch; assert torch.cuda.is_available(), "torch finds no CUDA device"'
PATH="$out/venv/bin:$PATH"
export PATH
# shellcheck disable=SC2086  # $from is options
$python -m pip install -q $from scikit-build-core pybind11 numpy mujoco cmake ninja
# shellcheck disable=SC2086
$python -m pip install -q $from --no-build-isolation '.[export]' pytest hypothesis stable-baselines3

status=0
$python -m pytest -q -m gpu tests/test_gpu.py > "$out/tests.txt" 2>&1 || status=$?
tail -n 3 "$out/tests.txt"
author=
if [ -n "${AUTHOR_CODE:-}" ]; then author="--author-code $AUTHOR_CODE"; fi
# shellcheck disable=SC2086
$python -m benchmarks.update --device cuda --json "$out/update.json" $author
$python -m benchmarks.burst --json "$out/burst.json"
$python -m benchmarks.train --device cuda --seeds "${SEEDS:-0:10}" --json "$out/train.json"
rm -r "$out/venv"
exit $status
