#!/usr/bin/env bash
# The main job on a bare Debian 12: build the release, fetch the models, and ask questions of a document that does not fit
# the model's window (Debian's policy manual, about 118K tokens against 32K trained), once skimmed and once read in full.
# Usage: bash scripts/demo.sh [--quick]     --quick: the Filesystem Hierarchy Standard instead, 28K tokens
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build.sh
. scripts/build.sh

case "${1:-}" in
  "") member=policy.txt.gz ;;
  --quick) member=fhs/fhs-3.0.txt.gz ;;
  *) echo "usage: bash scripts/demo.sh [--quick]" >&2; exit 2 ;;
esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tome
document=$cache/documents/$(basename "$member" .gz)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

download_package() { (cd "$scratch" && apt-get download -q debian-policy >apt.log 2>&1); }

# From the package itself: minimal systems leave /usr/share/doc out when they install one.
fetch_document() {
  if ! download_package; then
    bash scripts/install.sh update
    download_package || { cat "$scratch/apt.log" >&2; exit 1; }
  fi
  dpkg-deb -x "$scratch"/debian-policy_*.deb "$scratch/root"
  mkdir -p "$(dirname "$document")"
  gzip -dc "$scratch/root/usr/share/doc/debian-policy/$member" >"$document.part"
  mv "$document.part" "$document"
}

questions() {
  case "$member" in
    policy.txt.gz)
      echo "Where must log files usually be named or placed?"
      echo "To what value do the Debian autobuilders set HOME?"
      echo "What should a package use to register a documentation file?"
      ;;
    *)
      echo "Which directory is reserved for add-on application software packages?"
      echo "Where are temporary files preserved between system reboots?"
      echo "Which directory is for site-specific data served by this system?"
      ;;
  esac
}

bash scripts/install.sh build
build_release -DTOME_BUILD_TESTS=OFF
for model in gemma3-270m smollm2-135m; do
  step "pull $model" build/release/tome pull "$model"
done
[ -s "$document" ] || step "unpack $(basename "$document") from the package debian-policy" fetch_document
questions >"$cache/documents/questions.txt"

# The passages, answers and times of one strategy, as they come; standard error (times, progress) is kept beside.
ask() {
  local progress=never
  if [ -t 2 ]; then progress=always; fi
  echo "== ask $(basename "$document") ($2)"
  {
    build/release/tome ask --strategy "$1" --model gemma3-270m --answer-model smollm2-135m --evidence 3 --passages 2 \
      --reread-tokens 500 --progress "$progress" --questions "$cache/documents/questions.txt" "$document" \
      2>&1 >&3 | tee "$scratch/$1.err" >&2
  } 3>&1 | tee "$scratch/$1.out"
}

# What the two readings cost and answered, in one look.
side_by_side() {
  echo "== side by side"
  for strategy in skim reread; do
    awk -v strategy="$strategy" '
      /(read|skim) the document / { sub(/^.*(read|skim) the document */, ""); reading = $0 }
      /peak resident/ { memory = $0; sub(/^.*peak resident */, "peak memory ", memory) }
      /^Answer/ { getline; sub(/^ */, ""); answers = answers "\n    " $0 }
      END { printf "%s: %s, %s%s\n", (strategy == "skim" ? "skim" : "full read"), (reading == "" ? "was read before" : reading), memory, answers }
    ' "$scratch/$strategy.err" "$scratch/$strategy.out"
  done
}

started=$SECONDS
ask skim "skim: only as deep as the evidence needs, time linear in the length"
ask reread "full read: every layer, then the passages again"
side_by_side
echo "== the questions took $((SECONDS - started)) s"
