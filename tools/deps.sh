#!/usr/bin/env bash
# Brings the bundled dependencies as static libraries into a prefix outside the build folder, which
# every checkout with the same recipe shares. Run again, it says where they are and does nothing.
#
#   tools/deps.sh                  build what is missing, print the prefix
#   tools/deps.sh --print-prefix   print the prefix, whether it exists or not
#
# HTTPCORE_CACHE        where to keep it (default: $XDG_CACHE_HOME/libhttpcore, ~/.cache/libhttpcore)
# HTTPCORE_DEPS_PREFIX  a prefix made elsewhere, taken as it is
# HTTPCORE_MIRROR       the Debian mirror to ask (default: the one of this machine's apt)
# JOBS                  how many compilers at once (default: as many as there are processors)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${HTTPCORE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libhttpcore}
# shellcheck disable=SC2034  # for tools/deps/build.sh
jobs=${JOBS:-$(nproc)}
pins=$here/deps/pins.txt

# A prefix is good for one recipe, one machine type and one C library. What only explains, checks or
# fetches is no part of the recipe: the pins say what is fetched.
fingerprint() {
    {
        sed '/^[[:space:]]*#/d' "$here/deps/pins.txt" "$here/deps/build.sh"
        cat "$here"/licenses/*/*
        uname -m
        . /etc/os-release && echo "${ID:-} ${VERSION_ID:-}"
    } | sha256sum | cut -c1-16
}
prefix=${HTTPCORE_DEPS_PREFIX:-$cache/deps-$(fingerprint)}

case ${1:-} in
--print-prefix)
    echo "$prefix"
    exit
    ;;
"") ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
if [ -e "$prefix/complete" ] || [ -n "${HTTPCORE_DEPS_PREFIX:-}" ]; then
    echo "$prefix"
    exit
fi

# From here on stdout is for the prefix alone.
exec 3>&1 1>&2
. "$here/packages.sh"
. "$here/deps/fetch.sh"
. "$here/deps/build.sh"

mkdir -p "$cache"
exec 9>"$cache/deps.lock"
flock -n 9 || {
    echo "-- another run is building the dependencies; waiting for it"
    flock 9
}
if [ -e "$prefix/complete" ]; then
    echo "$prefix" >&3
    exit
fi

started=$SECONDS
downloads=$cache/downloads work=$cache/work
logs=$work/logs stage=$work/prefix
rm -rf "$work"
mkdir -p "$downloads" "$logs" "$stage"/{lib/pkgconfig,include,licenses}
echo "-- building the dependencies (once; they are kept in $cache)"
need_packages "${packages_deps[@]}" "${packages_build[@]}"
# Archives carry a date: the same everywhere, so that the same sources give the same bytes.
export SOURCE_DATE_EPOCH=1767225600 LC_ALL=C

# step NAME: runs build_NAME with its output in a log; one line when it is done, the log's end when
# it fails.
step() {
    local start=$SECONDS
    if (set -e; "build_$1") >"$logs/$1.log" 2>&1 </dev/null; then
        printf '   %-8s %3d s\n' "$1" $((SECONDS - start))
    else
        echo "-- building $1 failed; the end of $logs/$1.log:"
        tail -25 "$logs/$1.log"
        return 1
    fi
}
# OpenSSL takes most of the time and leaves a processor idle while it configures and links: the
# libraries that do not need it are built beside it.
lane_tls() { step openssl && step ngtcp2; }
lane_rest() {
    local name
    for name in nghttp2 llhttp nghttp3 zlib brotli zstd; do
        step "$name" || return 1
    done
}

private_apt_setup
for source in $(awk '!/^#/ && NF { print $1 }' "$pins" | uniq); do fetch "$source"; done
echo "   fetched  $((SECONDS - started)) s"

set -m # each lane is a process group, so that all of it can be ended
lane_tls &
tls=$!
lane_rest &
rest=$!
trap 'kill -- -$tls -$rest 2>/dev/null || true; exit 1' INT TERM
for _ in 1 2; do
    wait -n || {
        kill -- -"$tls" -"$rest" 2>/dev/null || true
        echo "-- the dependencies could not be built"
        exit 1
    }
done
set +m

collect_header_licences
for library in ssl crypto nghttp2 nghttp3 ngtcp2 ngtcp2_crypto_ossl llhttp z brotlicommon \
    brotlienc brotlidec zstd; do
    test -s "$stage/lib/lib$library.a" || {
        echo "-- lib$library.a is missing after the build"
        exit 1
    }
done
if strings -a "$stage"/lib/*.a | grep -F "$cache"; then
    echo "-- the libraries contain paths of this machine (above)"
    exit 1
fi
# The files for pkg-config and CMake name the folder they are in, wherever that is.
sed -i "s|$stage|\${pcfiledir}/../..|g" "$stage"/lib/pkgconfig/*.pc
rm -rf "${stage:?}/bin" "${stage:?}/share" "${prefix:?}"
touch "$stage/complete"
mv "$stage" "$prefix"
rm -rf "$work"
echo "-- dependencies built in $((SECONDS - started)) s"
echo "$prefix" >&3
