# shellcheck shell=bash disable=SC2154
# `./dev lint`: what a reader should not have to look for. Sourced by ./dev.

# check TITLE COMMAND...: one line, and the output only when it fails.
check() {
    local title=$1 out
    shift
    if out=$("$@" 2>&1); then
        lint_passed=$((lint_passed + 1))
        printf '   ok    %s\n' "$title"
    else
        lint_failed=$((lint_failed + 1))
        printf '%s\n   FAIL  %s\n' "$(tail -n 80 <<<"$out")" "$title"
    fi
}

no_trailing_space() {
    ! git -C "$root" grep -nIE '[[:blank:]]+$|'$'\r''$' -- . ':!tests/fuzz/corpus' ':!*.patch' \
        ':!tests/conformance/data'
}

# C and C++ files: those that differ from main, or all.
lint_files() {
    if [ "$1" = all ]; then
        git -C "$root" ls-files '*.c' '*.cpp' '*.h' '*.hpp'
    else
        local base
        base=$(git -C "$root" merge-base HEAD origin/main 2>/dev/null ||
            git -C "$root" merge-base HEAD main 2>/dev/null || git -C "$root" rev-parse HEAD)
        {
            git -C "$root" diff --name-only --diff-filter=d "$base"
            git -C "$root" ls-files --others --exclude-standard
        } | grep -E '\.(c|cpp|h|hpp)$' || true
    fi
}

# tidy_files FILE...: those that are compiled; headers are seen through them.
tidy_files() {
    cd "$root" || return 1
    printf '%s\n' "$@" | grep -E '\.(c|cpp)$' | grep -v '^tests/fuzz/' |
        xargs -r -P "${JOBS:-$(nproc)}" -n 1 "$lint_venv/bin/clang-tidy" --quiet \
            -p "$root/build/release" --warnings-as-errors='*'
}

run_lint() {
    local which=changed tidy=yes fix=no option lint_passed=0 lint_failed=0 lint_venv
    for option; do
        case $option in
        --all) which=all ;;
        --cheap) tidy=no ;;
        --fix) fix=yes ;;
        *) usage ;;
        esac
    done
    local -a every files scripts
    need_packages "${packages_build[@]}" "${packages_lint[@]}"
    lint_venv=$(make_venv lint requirements-lint.txt)
    cd "$root" || return 1
    mapfile -t every < <(lint_files all)
    mapfile -t files < <(lint_files "$which")
    mapfile -t scripts < <(git ls-files '*.sh'; echo dev; echo .ci/run)
    if [ "$fix" = yes ]; then
        "$lint_venv/bin/clang-format" -i "${every[@]}"
        "$lint_venv/bin/ruff" check --quiet --fix . || true
    fi
    check "clang-format" "$lint_venv/bin/clang-format" --dry-run -Werror "${every[@]}"
    check "layering" python3 tests/tidy/layering.py
    check "ruff" "$lint_venv/bin/ruff" check --quiet .
    check "shellcheck" shellcheck -x "${scripts[@]}"
    check "no trailing white space" no_trailing_space
    if [ "$tidy" = yes ]; then
        configure release || return 1
        check "clang-tidy (${#files[@]} files)" tidy_files "${files[@]}"
    fi
    echo "$lint_passed passed, $lint_failed failed"
    [ "$lint_failed" = 0 ]
}
