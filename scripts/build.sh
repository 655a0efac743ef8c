# shellcheck shell=bash
# Sourced by test.sh and demo.sh, in the project's root: one way to build the release.

# step NAME COMMAND…: says what runs.
step() {
  echo "== $1"
  shift
  "$@"
}

# As many compilers as there are cores, but one for each 1.5 GB of memory at most.
compiler_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo)
  [ "$memory" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}

# build_release CMAKE_ARGUMENTS…
build_release() {
  local launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  mkdir -p build/release
  echo "== configure and build the release (log: build/release/build.log)"
  if ! { cmake --preset release "${launcher[@]}" "$@" && cmake --build --preset release --parallel "$(compiler_jobs)"; } \
    >build/release/build.log 2>&1; then
    tail -n 60 build/release/build.log >&2
    echo "the build failed" >&2
    return 1
  fi
}
