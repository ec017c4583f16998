# shellcheck shell=bash
# Debian packages: `need_packages NAME...` installs those that are missing and says so.

# What a build needs, its dependencies included; what the tests need beside it; what fuzzing needs.
# shellcheck disable=SC2034  # used by those who source this
{
    packages_deps=(build-essential cmake ninja-build perl dpkg-dev xz-utils patch binutils)
    packages_build=(build-essential ninja-build pkg-config python3 python3-venv
        libfmt-dev nlohmann-json3-dev)
    packages_test=(libgtest-dev libgmock-dev curl wrk nghttp2-client)
    packages_browser=(chromium) # tests that need one are skipped where it cannot be had
    packages_fuzz=(clang-19 libclang-rt-19-dev)
    packages_lint=(git shellcheck)
}

missing_packages() {
    local have name
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    for name; do
        grep -qx "installed $name" <<<"$have" || echo "$name"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "This needs root, and there is no sudo: $*" >&2
        return 1
    fi
}

need_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} = 0 ] && return
    if ! command -v apt-get >/dev/null; then
        echo "These Debian packages are needed, and there is no apt to install them: ${missing[*]}" >&2
        return 1
    fi
    echo "-- installing ${missing[*]}" >&2
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
        --no-install-recommends "${missing[@]}")
    local log
    log=$(mktemp)
    # The package lists are refreshed only when the ones at hand do not serve.
    if ! as_root "${install[@]}" >"$log" 2>&1 </dev/null; then
        if ! { as_root apt-get update -qq && as_root "${install[@]}"; } >"$log" 2>&1 </dev/null; then
            tail -20 "$log" >&2
            echo "apt-get could not install: ${missing[*]}" >&2
            rm -f "$log"
            return 1
        fi
    fi
    rm -f "$log"
}
