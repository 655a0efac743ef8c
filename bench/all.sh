#!/usr/bin/env bash
# The figures of docs/performance.md, exactness.md and attention.md and of docs/evidence.md those of both strategies under
# the packaged models' own and YaRN's positions, one after the other: about two hours on two Zen 5 cores, more than three
# on two Zen 4 cores, of which llama.cpp takes more than half. Nothing else may run on the machine.
# Usage: bash bench/all.sh FOLDER BOOK.txt [BOOK.txt …]
#   FOLDER   gets a log (and mostly a JSON file) for each step, and a line for each in FOLDER/steps; a step that is
#            done already is left out, so that a run that was cut off goes on
#   BOOK     the first is read for speed and hides the digits (128K tokens and more); all joined are the long text
# Environment:
#   PYTHON   a Python with: pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36 gguf numpy
#            (CMAKE_ARGS=-DGGML_NATIVE=ON)                                                   (default: python3)
#   STEPS    those to run, in this order: kernels growth kv exactness skim demo page_top_k gemma smollm2 passkey patterns
#            evidence                                                                        (default: all)
# First: scripts/test.sh, and attention_bench as HACKING.md says.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '5,15s/^# //p' "$0" >&2; exit 2; }
out=$(realpath -m "$1")
book=$(realpath "$2")
mkdir -p "$out"
cat "${@:2}" >"$out/joined.txt"
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tome
tome=build/release/tome
ask=("$tome" ask --strategy skim --no-cache -m gemma3-270m --answer-model smollm2-135m)
compare=("$python" bench/compare_llama_cpp.py --text "$book" --choose-at 8192 --one-setting-from 32768 --once-from 131072)

# From the package debian-policy, as scripts/demo.sh unpacks them.
documents() {
  [ -s "$out/policy.txt" ] && [ -s "$out/fhs-3.0.txt" ] && return
  rm -rf "$out/package" && mkdir -p "$out/package"
  (cd "$out/package" && apt-get download -q debian-policy >apt.log 2>&1 && dpkg-deb -x debian-policy_*.deb .)
  gzip -dc "$out/package/usr/share/doc/debian-policy/policy.txt.gz" >"$out/policy.txt"
  gzip -dc "$out/package/usr/share/doc/debian-policy/fhs/fhs-3.0.txt.gz" >"$out/fhs-3.0.txt"
}

kernels() { build/release/attention_bench --benchmark_color=false --benchmark_filter='prefill|few'; }
growth() { build/release/attention_bench --benchmark_color=false --benchmark_filter=pattern; }
kv() { "$tome" bench kv "$out/fhs-3.0.txt"; }
exactness() { "$python" bench/exactness.py --text "$out/fhs-3.0.txt" --json "$out/exactness.json"; }
skim() {
  for document in policy.txt joined.txt; do
    "${ask[@]}" "$out/$document" "Where must log files usually be named or placed?"
  done
}
demo() { bash scripts/demo.sh; }
page_top_k() {
  for attention in full page_top_k:pages=128; do
    "$tome" bench -m gemma3-270m --attention "$attention" -r 1 -p 131072 -n 0
    "$tome" bench -m gemma3-270m --attention "$attention" -r 3 -p 0 -n 64 -d 131072
  done
}
gemma() {
  "${compare[@]}" --model "gemma3-270m=$cache/models/gemma-3-270m-q4_k_m.gguf" \
    --contexts 2048,4096,8192,32768,131072 --json "$out/gemma.json"
}
smollm2() {
  "${compare[@]}" --model "smollm2-135m=$cache/models/SmolLM2-135M-Instruct.Q4_1.gguf" \
    --contexts 2048,8192,32768 --json "$out/smollm2.json"
}
passkey() {
  for attention in full page_top_k:pages=128; do
    "$python" bench/passkey.py --book "$book" --length 128k --setting yarn:4 --tome-flag="--attention=$attention"
  done
}
patterns() { "$python" bench/patterns.py --book "$book" --length 32k --json "$out/patterns.json"; }
evidence() {
  for strategy in skim reread; do
    "$python" bench/evidence.py --document "fhs-3.0=$out/fhs-3.0.txt" --document "policy=$out/policy.txt" \
      --setting none --setting yarn:4 --strategy "$strategy" --answer-model smollm2-135m --answer-model self \
      --json "$out/evidence-$strategy.json"
  done
}

documents
"$tome" info --peak | tee -a "$out/steps"
for name in ${STEPS:-kernels growth kv exactness skim demo page_top_k gemma smollm2 passkey patterns evidence}; do
  grep -q "^$name: done" "$out/steps" 2>/dev/null && continue
  started=$SECONDS
  set +e
  (
    set -e
    "$name"
  ) >"$out/$name.log" 2>&1
  status=$?
  set -e
  outcome="done"
  [ "$status" = 0 ] || outcome="exit code $status"
  echo "$name: $outcome in $((SECONDS - started)) s, $(date -u +%FT%TZ), $(git rev-parse --short HEAD)" |
    tee -a "$out/steps"
done
