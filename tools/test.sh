# shellcheck shell=bash disable=SC2154
# `./dev test` and `./dev soak`: run the suites of every flavour, then count. Sourced by ./dev.

# run_suites FLAVOUR LOG [MESON TEST OPTION]...: a failure is recorded, not returned, so that the
# next flavour runs all the same.
run_suites() {
    local flavour=$1 log=$2 dir=$root/build/$1
    shift 2
    rm -rf "$dir/test-results" "$dir/meson-logs/$log.json"
    mkdir -p "$dir/test-results"
    echo "-- testing build/$flavour"
    "$venv/bin/meson" test -C "$dir" --no-rebuild --logbase "$log" --print-errorlogs \
        --num-processes "${JOBS:-$(nproc)}" "$@" </dev/null || true
    ran+=("$flavour=$dir/meson-logs/$log.json")
}

# Builds what a flavour's tests need; a build that fails counts as one failure.
build_or_record() {
    local flavour=$1
    shift
    build "$flavour" "$@" && return
    ran+=("$flavour=broken")
    return 1
}

summary() { python3 "$root/tools/summary.py" "${ran[@]}"; }

run_tests() {
    local quick=no option ran=()
    for option; do
        case $option in
        --quick) quick=yes ;;
        *) usage ;;
        esac
    done
    if build_or_record release; then run_suites release test; fi
    if [ "$quick" = no ]; then
        if build_or_record asan; then run_suites asan test --no-suite tidy; fi
        if build_or_record tsan thread-tests; then run_suites tsan test --suite threads; fi
        if build_or_record fuzz fuzzers; then run_suites fuzz test --suite fuzz; fi
    fi
    summary
}

# Hours, not minutes: many seeds, long fuzzing, a million requests.
run_soak() {
    local ran=()
    if build_or_record release; then run_suites release soak --setup soak --suite soak; fi
    if build_or_record asan; then run_suites asan soak --setup soak --suite soak; fi
    export HTTPCORE_FUZZ_SECONDS=${HTTPCORE_FUZZ_SECONDS:-1800}
    if build_or_record fuzz fuzzers; then run_suites fuzz soak --setup soak --suite fuzz; fi
    summary
}

run_fuzzer() {
    local name=${1:?the name of a fuzzer: a folder of tests/fuzz/corpus} seconds=${2:-60}
    build fuzz "tests/fuzz/fuzz_$name"
    HTTPCORE_FUZZ_SECONDS=$seconds exec python3 "$root/tests/fuzz/run.py" \
        "$root/build/fuzz/tests/fuzz/fuzz_$name" "$root/tests/fuzz/corpus/$name" \
        "$root/build/fuzz/corpus/$name"
}
